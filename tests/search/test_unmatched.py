"""Which words of a query no product has."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from catalog.models import Product
from search import encoding, unmatched
from search.engine import search_products
from search.models import Synonym
from search.query import Filters, Mode, SearchQuery
from search.terms import refresh_terms
from tests.search.test_storefront import text_of

pytestmark = pytest.mark.django_db

MakeProduct = Callable[..., Product]


@pytest.fixture
def catalogue(make_product: MakeProduct) -> None:
    make_product("Case fan 120 mm", brand="Arctic")
    make_product("Toner TN-2110", sku="BR/TN 2110")
    make_product("Toner TN 410 for printers of 2320 pages")
    make_product("Power bank", sku="QX77")
    make_product("Grey paint", is_active=False)
    refresh_terms()


def unmatched_in(text: str, **query: Any) -> tuple[str, ...]:
    return search_products(SearchQuery(text, mode=Mode.KEYWORD, **query)).unmatched


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fan", ()),
        ("fans", ()),
        ("noctua fan", ("noctua",)),
        ("noctua noctua fan", ("noctua",)),
        ("noctua chromax", ("noctua", "chromax")),
        ("for the fan", ()),  # stop words
        ("TN-2110", ()),
        ("tn2110 toner", ()),
        ("tn-2320", ("tn-2320",)),  # products have both parts, but apart
        ("120mm fan", ()),
        ("powerbank", ()),  # in two words
        ("qx77", ()),  # a SKU, which is in no text
        ("power QX77", ()),
        ("br/tn 2110", ()),  # the whole query is one
        ("paint", ("paint",)),  # nobody can buy it
        ('fan -noctua "case fan"', ()),
        ("toners tn-2110 noctua", ("noctua",)),
        ("!!!", ()),
        ("", ()),
        ("電話", ("電話",)),
    ],
)
def test_words_are_unmatched_that_no_product_has_in_any_way(
    catalogue: None, text: str, expected: tuple[str, ...]
) -> None:
    assert unmatched_in(text) == expected


def test_what_is_corrected_or_completed_is_matched(catalogue: None) -> None:
    assert unmatched_in("tonre") == ()
    assert unmatched_in("arctc fan") == ()
    assert unmatched_in("arct") == ()


def test_filters_make_no_word_unmatched(catalogue: None) -> None:
    assert unmatched_in("toner", filters=Filters(brands=("Arctic",))) == ()


def test_a_product_that_is_newer_than_the_last_count_has_its_words(
    catalogue: None, make_product: MakeProduct
) -> None:
    make_product("Noctua fan")
    assert unmatched_in("noctua") == ()


def test_what_staff_say_of_a_word_matches_it(catalogue: None) -> None:
    Synonym.objects.create(term="noctua", means="case fan")
    assert unmatched_in("noctua") == ()


def test_a_shop_whose_words_are_not_counted_yet_has_them(make_product: MakeProduct) -> None:
    make_product("Claw hammer")
    assert unmatched_in("claw noctua") == ("noctua",)


def test_a_known_word_of_a_sentence_is_answered_by_meaning(catalogue: None, embed: Any) -> None:
    embed()
    encoding.warm_up()
    assert unmatched_in("guitar fan") == ("guitar",)
    assert unmatched_in("noctua fan beside a guitar amplifier printer") == ("noctua",)


def test_nothing_is_asked_about_words_that_are_known(catalogue: None, monkeypatch: Any) -> None:
    def ask(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(unmatched, "fetch", ask)
    assert unmatched_in("case fan toner") == ()
    with pytest.raises(AssertionError):
        unmatched_in("noctua")


def test_answers_name_them(client: Client, catalogue: None) -> None:
    answer = client.get("/api/search/", {"q": "noctua fan", "mode": "keyword"}).json()
    assert answer["query"]["unmatched"] == ["noctua"]
    batch = {"queries": [{"q": "fan"}, {"q": "chromax"}]}
    answers = client.post("/api/search/batch/", batch, content_type="application/json").json()
    assert [one["query"]["unmatched"] for one in answers["results"]] == [[], ["chromax"]]


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("noctua fan", "hybrid", "No product has noctua . These match the rest of your search."),
        ("noctua fan", "semantic", "No product has noctua . These come closest in meaning."),
        ("cooler", "hybrid", "No product has cooler . These come closest in meaning."),
        ("noctua chromax x3", "keyword", "No product has noctua , chromax or x3 . Nothing"),
    ],
)
def test_visitors_are_told(
    client: Client, catalogue: None, embed: Any, text: str, mode: str, said: str
) -> None:
    embed()
    encoding.warm_up()
    assert said in text_of(client.get("/", {"q": text, "mode": mode}))


def test_what_a_visitor_typed_is_no_markup(client: Client, catalogue: None) -> None:
    page = client.get("/", {"q": "<b>noctua fan", "mode": "keyword"}).content.decode()
    assert "No product has <q>&lt;b&gt;noctua</q>" in page
