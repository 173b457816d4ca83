"""What the schema promises of a product, whoever writes it."""

from decimal import Decimal

import pytest
from django.contrib.postgres.search import SearchQuery
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from catalog.models import SKU_VALIDATOR, Product, validate_attributes

pytestmark = pytest.mark.django_db

INSERT = """
    INSERT INTO catalog_product (sku, name, price, currency, attributes)
    VALUES (%s, %s, %s, 'EUR', '{}') RETURNING id
"""


def insert(sku, name, price):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(INSERT, [sku, name, price])
        return cursor.fetchone()[0]


def test_raw_sql_gets_the_defaults():
    product = Product.objects.get(pk=insert("A-1", "Hammer", None))
    assert (product.brand, product.description, product.is_active) == ("", "", True)
    assert product.created_at is not None


@pytest.mark.parametrize(
    ("sku", "name", "price", "constraint"),
    [
        ("A-1", "Hammer", -1, "price_not_negative"),
        ("", "Hammer", 1, "sku_not_blank"),
        (" A-1", "Hammer", 1, "sku_not_blank"),
        ("A-1\n", "Hammer", 1, "sku_not_blank"),
        ("A-1", "", 1, "name_not_blank"),
        ("A-1", " \t ", 1, "name_not_blank"),
    ],
)
def test_the_database_refuses(sku, name, price, constraint):
    with pytest.raises(IntegrityError, match=constraint):
        insert(sku, name, price)


@pytest.mark.parametrize(
    "sku", ["a/b", "a?", "#a", "100%", "a\\b", " a", "a ", "a\nb", "a\x7fb", ".", "..", "a\n"]
)
def test_a_sku_that_cannot_stand_in_an_address_is_refused(sku):
    with pytest.raises(ValidationError) as caught:
        SKU_VALIDATOR(sku)
    assert "use no / ? # % or backslash" in caught.value.messages[0]


@pytest.mark.parametrize("sku", ["a", "A-1", "12 34", "...", "NS_1.2:x", "Ä1"])
def test_an_ordinary_sku_is_taken(sku):
    SKU_VALIDATOR(sku)


def test_a_sku_is_there_once():
    insert("A-1", "Hammer", 1)
    with pytest.raises(IntegrityError, match="sku"):
        insert("A-1", "Saw", 1)


@pytest.mark.parametrize(
    "field",
    [{"name": "Zebra"}, {"brand": "Zebra"}, {"description": "a zebra"}, {"attributes": {"animal": "zebra"}}],
)
def test_the_keyword_index_follows_every_write(make_product, field):
    product = make_product("Hammer")
    weights = Product.objects.values_list("lexical_weights", flat=True)
    before = weights.get()
    zebras = Product.objects.filter(search_vector=SearchQuery("zebra", config="english"))
    assert not zebras.exists()
    Product.objects.filter(pk=product.pk).update(**field)
    assert zebras.get() == product
    assert weights.get() != before


def test_lists_do_not_fetch_the_keyword_index(make_product):
    make_product()
    assert Product.objects.get().get_deferred_fields() == {"search_vector", "lexical_weights"}


@pytest.mark.parametrize(
    "attributes",
    [
        [],
        "red",
        {"size": {"width": 3}},
        {"sizes": [1, 2]},
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": "nul \x00"},
        {"nul \x00": "a"},
        {"a": "\ud800"},
        {"": "a"},
        {"a": "x" * 10_001},
        {str(n): n for n in range(501)},
    ],
)
def test_attributes_that_cannot_be_stored_are_refused(attributes):
    with pytest.raises(ValidationError):
        validate_attributes(attributes)


def test_a_product_without_a_price_is_in_no_price_range(make_product):
    make_product(sku="free", price=None)
    make_product(sku="cheap", price=Decimal("1"))
    assert [p.sku for p in Product.objects.priced_between(0, 1)] == ["cheap"]
    assert [p.sku for p in Product.objects.priced_between(Decimal("1.01"))] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("T-", True),
        ("t-1", True),
        ("hamm", True),
        ("drill hammer", True),
        ("bos", True),
        ("café", True),
        ("cafe", True),
        ("hammer saw", False),
        ("masonry", False),
        ("'", False),
        ("\\ & | ! ( ) : *", False),
        ("＇:*", False),
    ],
)
def test_staff_search_knows_skus_and_words_of_name_and_brand(make_product, text, found):
    make_product("Hammer drill Café", sku="T-1", brand="Bosal", description="for masonry")
    assert Product.objects.matching(text).exists() is found


def test_update_columns_writes_what_it_names_and_no_more(make_product):
    product, other = make_product(description="kept"), make_product()
    product.price, product.name, product.description = None, "It's 50 % off", "not written"
    Product.objects.update_columns([product], ["price", "name"])
    stored = Product.objects.get(pk=product.pk)
    assert (stored.price, stored.name, stored.description) == (None, "It's 50 % off", "kept")
    assert stored.updated_at > product.updated_at
    assert Product.objects.get(pk=other.pk).name == other.name
