"""Results in another order than that of relevance."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from catalog.models import Category, Product
from search import rerank
from search.engine import search_products
from search.query import Filters, Mode, Ordering, SearchQuery
from search.terms import refresh_terms
from tests.search.conftest import bad_fields
from tests.search.test_storefront import text_of

pytestmark = pytest.mark.django_db

MakeProduct = Callable[..., Product]
# By sku, in the order in which they are made.
PRICES = {"a": "20", "b": None, "c": "10", "d": "30", "e": "20"}


@pytest.fixture
def shop(make_product: MakeProduct, make_category: Callable[..., Category]) -> None:
    drills = make_category("Tools", "Drills")
    for sku, price in PRICES.items():
        name = "Drill" if sku in "ce" else "Hammer drill with a case"
        make_product(name, sku=sku, category=drills, price=None if price is None else Decimal(price))
    make_product("Soup pot", sku="pot", price=Decimal("1"))
    refresh_terms()


def found(text: str, ordering: Ordering, **query: Any) -> str:
    result = search_products(SearchQuery(text, mode=Mode.KEYWORD, ordering=ordering, **query))
    return "".join(hit.fields["sku"] for hit in result.hits)


@pytest.mark.usefixtures("shop")
class TestOrder:
    @pytest.mark.parametrize(
        ("ordering", "expected"),
        [
            (Ordering.RELEVANCE, "ecdba"),
            (Ordering.CHEAPEST, "ceadb"),  # of equal prices the better one first, without a price last
            (Ordering.DEAREST, "deacb"),
            (Ordering.NEWEST, "edcba"),
        ],
    )
    def test_products_found_by_words(self, ordering: Ordering, expected: str) -> None:
        assert found("drill", ordering) == expected

    @pytest.mark.parametrize(
        ("ordering", "expected"),
        [
            (Ordering.RELEVANCE, "edcba"),
            (Ordering.CHEAPEST, "ceadb"),
            (Ordering.DEAREST, "deacb"),
            (Ordering.NEWEST, "edcba"),
        ],
    )
    def test_products_of_a_category(self, ordering: Ordering, expected: str) -> None:
        assert found("", ordering, filters=Filters(categories=("tools",))) == expected

    @pytest.mark.parametrize("text", ["drill", ""])
    @pytest.mark.parametrize("ordering", list(Ordering))
    def test_pages_of_the_same_products(self, text: str, ordering: Ordering) -> None:
        within = Filters(categories=("tools",))
        pages = [
            found(text, ordering, filters=within, page=page, page_size=2, facets=("price",))
            for page in (1, 2, 3)
        ]
        assert "".join(pages) == found(text, ordering, filters=within)
        assert [len(page) for page in pages] == [2, 2, 1]

    @pytest.mark.parametrize("ordering", [Ordering.CHEAPEST, Ordering.DEAREST])
    def test_of_many_equal_prices_the_better_ones_come_first(
        self, make_product: MakeProduct, ordering: Ordering
    ) -> None:
        for number in range(60):
            make_product("Chisel" + " of steel" * (number % 7), price=Decimal(5 + number % 2))
        best, sorted_ones = (
            search_products(SearchQuery("chisel", mode=Mode.KEYWORD, ordering=one, page_size=60)).hits
            for one in (Ordering.RELEVANCE, ordering)
        )
        expected = sorted(
            best, key=lambda hit: float(hit.fields["price"]), reverse=ordering is Ordering.DEAREST
        )
        assert [hit.fields["sku"] for hit in sorted_ones] == [hit.fields["sku"] for hit in expected]
        assert len(best) == 60

    def test_scores_stay_with_their_products(self) -> None:
        best = search_products(SearchQuery("drill", mode=Mode.KEYWORD, explain=True))
        cheap = search_products(
            SearchQuery("drill", mode=Mode.KEYWORD, explain=True, ordering=Ordering.CHEAPEST)
        )
        said = {hit.fields["sku"]: (hit.score, hit.explanation) for hit in best.hits}
        assert {hit.fields["sku"]: (hit.score, hit.explanation) for hit in cheap.hits} == said
        assert (cheap.total, cheap.facets) == (best.total, best.facets)

    def test_only_the_best_are_reranked(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.SEARCH_RERANK_MODEL = "any"
        asked: list[str] = []
        monkeypatch.setattr(rerank, "reranked", lambda ranking, text, *_: asked.append(text) or ranking)
        for ordering in Ordering:
            assert len(search_products(SearchQuery("drill", ordering=ordering)).hits) == 5
        assert asked == ["drill"]

    def test_the_api_takes_it(self, client: Client) -> None:
        answer = client.get("/api/search/", {"q": "drill", "mode": "keyword", "ordering": "-price"}).json()
        assert [hit["sku"] for hit in answer["results"]] == ["d", "e", "a", "c", "b"]
        assert bad_fields(client.get("/api/search/", {"q": "drill", "ordering": "name"})) == ["ordering"]
        body = {"queries": [{"q": "drill", "mode": "keyword", "ordering": "price", "page_size": 1}]}
        (batch,) = client.post("/api/search/batch/", body, content_type="application/json").json()["results"]
        assert batch["results"][0]["sku"] == "c"

    def test_visitors_choose_it(self, client: Client) -> None:
        page = client.get("/", {"q": "drill", "mode": "keyword", "ordering": "price"})
        assert "Sort by Relevance Lowest price Highest price Newest" in text_of(page)
        shown = page.content.decode()
        assert 'href="/?q=drill&amp;mode=keyword&amp;ordering=price" aria-current="true"' in shown
        assert '<a href="/?q=drill&amp;mode=keyword" rel="nofollow">Relevance</a>' in shown
        assert '<input type="hidden" name="ordering" value="price">' in shown
        assert shown.index("€10.00") < shown.index("€20.00") < shown.index("€30.00")
        assert '<link rel="canonical" href="http://testserver/?q=drill&amp;mode=keyword">' in shown

    def test_what_is_browsed_has_the_newest_first(self, client: Client) -> None:
        page = client.get("/", {"category": "tools"})
        assert "Sort by Newest Lowest price Highest price" in text_of(page)
        same = client.get("/", {"category": "tools", "ordering": "-id"}).content.decode()
        assert '<a href="/?category=tools" aria-current="true" rel="nofollow">Newest</a>' in same
        assert "Sort by" not in text_of(client.get("/", {"q": "pot", "mode": "keyword"}))
