"""Products by the values of their attributes."""

from typing import Any

import pytest
from django.db import connection

from catalog.attributes import attribute_hash
from catalog.models import Product
from tests.search.plans import plans

pytestmark = pytest.mark.django_db


@pytest.fixture
def found(make_product: Any) -> Any:
    """What a question finds among some products."""
    for sku, attributes in {
        "red": {"colour": "red", "volt": 18, "new": True},
        "Red": {"colour": "Red", "volt": 18.5, "new": "true"},
        "text": {"colour": "red", "volt": "18", "new": False},
        "odd": {'a"b\\c: %s': "x\ty\u2028 €😀 $1 %s", "volt": None},
        "none": {},
    }.items():
        make_product(sku=sku, attributes=attributes)
    # As the import of a shop's own may write them.
    with connection.cursor() as cursor:
        for sku, attributes in {
            "decimal": '{"volt": 18.0}',
            "list": '{"colour": ["red"]}',
            "lists": '[{"colour": "red"}]',
            "word": '"red"',
        }.items():
            product = make_product(sku=sku)
            cursor.execute(
                "UPDATE catalog_product SET attributes = %s WHERE id = %s", [attributes, product.pk]
            )

    def ask(**wanted: Any) -> set[str]:
        skus = set(Product.objects.with_attributes(wanted).values_list("sku", flat=True))
        assert _with_hashes(wanted) == skus
        return skus

    return ask


def _with_hashes(wanted: dict[str, list[str]]) -> set[str]:
    """The same as copies of the attributes say it."""
    sql = "SELECT sku FROM catalog_product WHERE true"
    params = []
    for name, values in wanted.items():
        sql += " AND public.catalog_attribute_hashes(attributes) && %s::bigint[]"
        params.append([attribute_hash(name, value) for value in values])
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return {sku for (sku,) in cursor.fetchall()}


def test_a_text_is_found_as_it_is(found: Any) -> None:
    assert found(colour=["red"]) == {"red", "text"}
    assert found(colour=["Red"]) == {"Red"}
    assert found(colour=["re", "red "]) == set()
    assert found(taste=["red"]) == set()


@pytest.mark.parametrize(
    ("value", "skus"),
    [("18", {"red", "text"}), ("18.0", {"decimal"}), ("18.5", {"Red"}), ("1.8e1", set()), ("018", set())],
)
def test_a_number_is_meant_by_its_text(found: Any, value: str, skus: set[str]) -> None:
    assert found(volt=[value]) == skus


def test_a_flag_is_meant_by_its_text(found: Any) -> None:
    assert found(new=["true"]) == {"red", "Red"}
    assert found(new=["false"]) == {"text"}
    assert found(volt=["null"]) == set()


def test_any_of_the_values_of_every_attribute(found: Any) -> None:
    assert found(colour=["red", "Red"]) == {"red", "Red", "text"}
    assert found(colour=["red", "Red"], volt=["18", "18.5"], new=["true"]) == {"red", "Red"}
    assert found(colour=["red"], volt=["18.5"]) == set()
    assert len(found()) == Product.objects.count()


def test_no_name_and_no_value_is_taken_for_a_path(found: Any) -> None:
    assert found(**{'a"b\\c: %s': ["x\ty\u2028 €😀 $1 %s"]}) == {"odd"}
    for odd in ('"', "\\", '") || (1 == 1', "$", "1" * 499, "-" + "9" * 400, "1e999999999", "٣", "'; --"):
        assert found(colour=[odd], **{odd: [odd]}) == set()


def test_a_name_is_not_taken_for_the_beginning_of_a_value(found: Any, make_product: Any) -> None:
    make_product(sku="split", attributes={"ab": "c", "Größe 😀": "3:xyz"})
    assert found(ab=["c"]) == {"split"}
    assert found(a=["bc"]) == set()
    assert found(**{"Größe 😀": ["3:xyz"]}) == {"split"}
    assert len({attribute_hash("ab", "c"), attribute_hash("a", "bc"), attribute_hash("", "abc")}) == 3


def test_an_index_finds_what_few_products_have(make_product: Any) -> None:
    for number in range(300):
        make_product(attributes={"number": str(number), "volt": number})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE catalog_product")
        cursor.execute("SET LOCAL enable_seqscan = off")  # they fit into a few pages
    (plan,) = plans(lambda: len(Product.objects.with_attributes({"number": ["7", "8"], "volt": ["7"]})))
    assert "product_attributes" in plan
