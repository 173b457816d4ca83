"""Prices within the words of a query."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from catalog.models import Product
from search.engine import ranking_of, search_batch, search_products
from search.price_words import PricedText, priced
from search.query import MAX_QUERY_LENGTH, Filters, Mode, SearchQuery
from search.terms import refresh_terms
from tests.search.test_storefront import text_of

MakeProduct = Callable[..., Product]


def most(text: str, price: str) -> PricedText:
    return PricedText(text, None, Decimal(price))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("headphones under 50", most("headphones", "50")),
        ("headphones under 50.", most("headphones", "50")),
        ("headphones  UNDER €50", most("headphones", "50")),
        ("headphones below 49,90 €", most("headphones", "49.90")),
        ("headphones, less than 50 euros, black", most("headphones, black", "50")),
        ("laptop cheaper than 1,000", most("laptop", "1000")),
        ("laptop up to 1.299,50 EUR", most("laptop", "1299.50")),
        ("a gift for under 30", most("a gift", "30")),
        ("under 30 euro", most("", "30")),
        ("book 1984 under 20", most("book 1984", "20")),
        ("drill over 100 euro", PricedText("drill", Decimal(100), None)),
        ("drill between 50 and 100 euro", PricedText("drill", Decimal(50), Decimal(100))),
        ("drill from €100 to €50", PricedText("drill", Decimal(50), Decimal(100))),
        ("drill 50-100€ cordless", PricedText("drill cordless", Decimal(50), Decimal(100))),
        ("Bohrmaschine unter 100", most("Bohrmaschine", "100")),
        ("Bohrmaschine bis zu 100 Euro", most("Bohrmaschine", "100")),
        ("Bohrer zwischen 5 und 10 Euro", PricedText("Bohrer", Decimal(5), Decimal(10))),
        ("perceuse moins de 80", most("perceuse", "80")),
        ("perceuse jusqu'à 80 €", most("perceuse", "80")),
        ("taladro por menos de 80", most("taladro", "80")),
        ("trapano fino a 80 euro", most("trapano", "80")),
        ("boormachine onder 80", most("boormachine", "80")),
    ],
)
def test_a_price_is_read(text: str, expected: PricedText) -> None:
    assert priced(text, "EUR") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "drill",
        "under 50",  # of what?
        "toys for kids under 10",
        "cable under 5 m",
        "monitor under 27 inch",
        "monitor under 27inch",
        "under 50 drills",
        "iphone 13 pro max 256",
        "charger up to 100 W",
        "hdmi splitter up to 40",
        "tv over 50",
        "socket set 20-50 mm",
        "between 24 and 70",
        "usb 2-3",
        "ab 100",
        "headphones under $50",  # what is that in euros?
        "headphones under 50 pounds",
        "thunder 50",
        "under 50000000000",
        '"headphones under 50"',
    ],
)
def test_what_is_not_sure_to_be_a_price_is_words(text: str) -> None:
    assert priced(text, "EUR") is None


@pytest.mark.parametrize(
    ("text", "currency"),
    [("drill under $50", "USD"), ("drill under 50 dollars", "USD"), ("drill under £50", "GBP")]
    + [("drill max 50 kr", "SEK"), ("drill up to CHF 50", "CHF"), ("drill up to 50 xyz", "XYZ")],
)
def test_the_shops_currency_is_known(text: str, currency: str) -> None:
    assert priced(text, currency) == most("drill", "50")


@pytest.mark.parametrize("piece", ["under ", "1", "1,", "50-", "between 1 and ", "1.000", "for ", "1€-"])
def test_a_long_text_is_read_as_fast_as_a_short_one(piece: str) -> None:
    began = time.process_time()
    priced((piece * MAX_QUERY_LENGTH)[:MAX_QUERY_LENGTH], "EUR")
    assert time.process_time() - began < 1.0  # a pattern that goes back and forth takes minutes


@pytest.fixture
def shop(make_product: MakeProduct) -> None:
    make_product("Cordless drill", sku="cheap", price=Decimal("39.90"))
    make_product("Hammer drill", sku="dear", price=Decimal("89.90"))
    make_product("Drill on request", sku="asked", price=None)
    make_product("Drill under 900 rpm", sku="slow", price=Decimal("950"))
    refresh_terms()


def found(text: str, **query: Any) -> set[str]:
    result = search_products(SearchQuery(text, mode=Mode.KEYWORD, **query))
    assert len(result.hits) == result.total
    return {hit.fields["sku"] for hit in result.hits}


@pytest.mark.usefixtures("shop")
class TestSearch:
    def test_it_filters_and_is_no_word(self) -> None:
        result = search_products(SearchQuery("drill under 50", mode=Mode.KEYWORD, facets=("price",)))
        assert [hit.fields["sku"] for hit in result.hits] == ["cheap"]
        assert result.understood == Filters(price_max=Decimal(50))
        assert result.unmatched == ()
        assert sum(value.count for value in result.facets["price"]) == 3  # which ignores its own filter

    def test_a_price_alone_lists_what_has_it(self) -> None:
        assert found("under 90 euro") == {"cheap", "dear"}

    def test_a_filter_that_is_set_goes_before(self) -> None:
        assert found("drill under 50", filters=Filters(price_min=Decimal(80))) == {"dear", "slow"}

    def test_where_nothing_has_such_a_price_it_is_words(self) -> None:
        result = search_products(SearchQuery("drill under 30", mode=Mode.KEYWORD))
        assert result.understood is None
        assert result.total == 4

    def test_a_products_name_is_its_name(self, make_product: MakeProduct) -> None:
        make_product("Gift card up to 50 EUR", sku="card", price=Decimal("40"))
        result = search_products(SearchQuery("gift card UP TO 50 eur", mode=Mode.KEYWORD))
        assert result.understood is None
        assert [hit.fields["sku"] for hit in result.hits] == ["card"]
        assert ranking_of(SearchQuery("gift card up to 50 eur", mode=Mode.KEYWORD)).scores[0] == 1.0

    def test_pages_follow_each_other(self) -> None:
        pages = [
            search_products(SearchQuery("drill under 90", mode=Mode.KEYWORD, page=page, page_size=1))
            for page in (1, 2, 3)
        ]
        assert [page.total for page in pages] == [2, 2, 2]
        assert {hit.fields["sku"] for page in pages for hit in page.hits} == {"cheap", "dear"}

    def test_in_a_batch_each_has_its_own(self) -> None:
        texts = ["drill under 50", "drill", "drill under 30", "drill over 80 euro"]
        results = search_batch([SearchQuery(text, mode=Mode.KEYWORD) for text in texts])
        assert [one.total for one in results] == [1, 4, 4, 2]
        assert [one.understood is not None for one in results] == [True, False, False, True]

    def test_a_whole_ranking_is_what_pages_show(self) -> None:
        for text in ("drill under 90", "drill under 30"):
            query = SearchQuery(text, mode=Mode.KEYWORD)
            hits = search_products(query).hits
            skus = dict(Product.objects.values_list("pk", "sku"))
            assert [skus[pk] for pk in ranking_of(query).product_ids] == [hit.fields["sku"] for hit in hits]

    def test_it_can_be_turned_off(self, settings: Any) -> None:
        settings.SEARCH_PRICE_WORDS = False
        assert found("drill under 50") == {"cheap", "dear", "asked", "slow"}

    def test_answers_tell_it(self, client: Client) -> None:
        params = {"q": "drill between 30 and 90 euro", "mode": "keyword"}
        answer = client.get("/api/search/", params).json()
        assert answer["query"]["text"] == params["q"]
        assert answer["query"]["understood"] == {"price_min": "30", "price_max": "90"}
        assert answer["total"] == 2

    def test_visitors_see_it_and_can_take_it_off(self, client: Client) -> None:
        response = client.get("/", {"q": "drill under 50", "mode": "keyword"})
        assert "Remove Price: Up to €50" in text_of(response)
        assert 'href="/?q=drill&amp;mode=keyword"' in response.content.decode()

    def test_it_is_taken_off_with_all_other_filters(self, client: Client) -> None:
        Product.objects.update(brand="Bormund")
        page = client.get(
            "/", {"q": "drill under 50", "brand": "Bormund", "mode": "keyword"}
        ).content.decode()
        assert '<a class="chip chip-all" href="/?q=drill&amp;mode=keyword">' in page
