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

    def test_scores_stay_with_their_products(self) -> None:
        best = search_products(SearchQuery("drill", mode=Mode.KEYWORD, explain=True))
        cheap = search_products(
            SearchQuery("drill", mode=Mode.KEYWORD, explain=True, ordering=Ordering.CHEAPEST)
        )
        said = {hit.fields["sku"]: (hit.score, hit.explanation) for hit in best.hits}
        assert {hit.fields["sku"]: (hit.score, hit.explanation) for hit in cheap.hits} == said
        assert (cheap.total, cheap.facets) == (best.total, best.facets)

    def test_nothing_is_reranked(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rerank, "is_on", lambda: True)
        monkeypatch.setattr(rerank, "reranked", lambda *_: pytest.fail("asked for no relevance"))
        assert len(search_products(SearchQuery("drill", ordering=Ordering.CHEAPEST)).hits) == 5

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
        assert "Sort by" not in text_of(client.get("/", {"q": "pot", "mode": "keyword"}))
