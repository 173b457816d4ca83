"""GET /api/search/, the batch, and similar products, over the real engine and model."""

import itertools
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from catalog.models import Product
from search.terms import refresh_terms
from tests.search.conftest import bad_fields, problem

pytestmark = pytest.mark.django_db

HIT_FIELDS = {
    "sku",
    "name",
    "brand",
    "short_description",
    "category",
    "price",
    "currency",
    "image_url",
    "url",
    "score",
}


@pytest.fixture
def shop(make_product: Any, make_category: Any, embed: Any) -> None:
    """A small shop whose products are ready."""
    drills, saws = make_category("Tools", "Drills"), make_category("Tools", "Saws")
    kitchen = make_category("Kitchen")
    for sku, name, brand, category, price in (
        ("hammer", "Hammer drill for concrete and masonry", "Bosch", drills, 120),
        ("driver", "Cordless drill driver", "Makita", drills, 80),
        ("bits", "Masonry drill bit set", "Bosch", drills, 20),
        ("saw", "Hand saw for timber", "Bahco", saws, 25),
        ("jig", "Jigsaw 18 V", "Bosch", saws, 90),
        ("pan", "Cast iron frying pan", "Skeppshult", kitchen, 60),
        ("knife", "Chef's knife", "Zwilling", kitchen, None),
    ):
        make_product(
            name, sku=sku, brand=brand, category=category, price=price, attributes={"warranty": "2 years"}
        )
    make_product("Hammer drill, discontinued", sku="gone", category=drills, is_active=False)
    embed()


def skus(body: dict[str, Any]) -> list[str]:
    return [hit["sku"] for hit in body["results"]]


def test_the_envelope(client: Client, shop: None) -> None:
    response = client.get("/api/search/?q=drill+for+concrete")
    body = response.json()
    assert list(body) == [
        "query",
        "total",
        "total_relation",
        "page",
        "page_size",
        "next",
        "previous",
        "results",
        "facets",
        "timings_ms",
        "search_id",
    ]
    assert body["search_id"] is None  # nothing is logged here
    assert body["query"] == {
        "text": "drill for concrete",
        "mode": "hybrid",
        "degraded": False,
        "corrected": None,
        "unmatched": [],
        "understood": {},
    }
    assert skus(body)[0] == "hammer"
    assert body["results"][0].keys() == HIT_FIELDS
    assert (body["total"], body["page"], body["page_size"]) == (len(body["results"]), 1, 20)
    assert {"encode", "retrieve", "total"} == body["timings_ms"].keys()
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "keyword"])
def test_filters_hold_for_every_hit_in_every_mode(client: Client, shop: None, mode: str) -> None:
    filters = {
        "category=tools": {"hammer", "driver", "bits", "saw", "jig"},
        "category=drills&category=saws&brand=Bosch": {"hammer", "bits", "jig"},
        "brand=Bosch&brand=Makita": {"hammer", "driver", "bits", "jig"},
        "price_min=25&price_max=90": {"driver", "saw", "jig", "pan"},
        "price_min=120": {"hammer"},
        "brand=Nobody": set(),
    }
    for query, allowed in filters.items():
        for text in ("drill", "saw", "something to cook with"):
            body = client.get(f"/api/search/?q={text}&mode={mode}&{query}").json()
            assert set(skus(body)) <= allowed
            assert body["query"]["mode"] == mode
            if mode == "semantic":
                assert body["total"] == len(body["results"])


def test_neighbouring_pages_are_linked_and_keep_every_parameter(client: Client, shop: None) -> None:
    address = (
        "/api/search/?q=tool%20%26%20drill&mode=semantic&min_score=0&brand=Bosch&brand=Makita&page_size=1"
    )
    body = client.get(address).json()
    assert body["total"] > 1
    assert body["previous"] is None
    asked = parse_qs(urlsplit(body["next"]).query)
    assert asked == parse_qs(urlsplit(address).query) | {"page": ["2"]}
    assert body["next"].startswith("http://testserver/api/search/?")
    second = client.get(body["next"]).json()
    assert (second["page"], parse_qs(urlsplit(second["previous"]).query)["page"]) == (2, ["1"])


def test_pages_together_are_the_whole_result_set(client: Client, shop: None) -> None:
    for mode in ("hybrid", "semantic", "keyword"):
        address, found, totals = f"/api/search/?q=drill&mode={mode}&page_size=2", [], set()
        while address:
            body = client.get(address).json()
            found += skus(body)
            totals.add(body["total"])
            address = body["next"]
        assert (len(found), len(set(found))) == (body["total"], body["total"])
        assert len(totals) == 1


def test_a_page_beyond_the_last_is_empty(client: Client, shop: None) -> None:
    body = client.get("/api/search/?q=drill&page=9").json()
    assert (body["results"], body["next"]) == ([], None)
    assert body["total"] > 0


def test_facets_are_counted_over_the_same_set(client: Client, shop: None) -> None:
    body = client.get("/api/search/?q=drill&mode=keyword&facets=category,brand&facets=price,warranty").json()
    assert list(body["facets"]) == ["category", "brand", "price", "warranty"]
    for name in ("brand", "warranty"):
        assert sum(value["count"] for value in body["facets"][name]) == body["total"]
        assert all(value.keys() == {"value", "label", "count", "selected"} for value in body["facets"][name])
    assert body["facets"]["category"][0] | {"count": 0} == {
        "value": "tools",
        "label": "Tools",
        "count": 0,
        "depth": 0,
        "selected": False,
    }
    assert {"price_from", "price_to"} <= body["facets"]["price"][0].keys()


def test_an_explanation_comes_only_when_it_is_asked_for(client: Client, shop: None) -> None:
    (hit, *_) = client.get("/api/search/?q=drill&explain=true").json()["results"]
    assert "drill" in hit["explanation"]["matched_terms"]
    (hit, *_) = client.get("/api/search/?q=drill&explain=false").json()["results"]
    assert "explanation" not in hit


def test_scores_lie_between_0_and_1_and_fall(client: Client, shop: None) -> None:
    for mode in ("hybrid", "semantic", "keyword"):
        hits = client.get(f"/api/search/?q=masonry+drill&mode={mode}").json()["results"]
        scores = [hit["score"] for hit in hits]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 and round(score, 4) == score for score in scores)


def test_min_score_governs_the_total(client: Client, shop: None) -> None:
    everything = client.get("/api/search/?q=drill&mode=semantic&min_score=0").json()
    bar = everything["results"][1]["score"]
    body = client.get(f"/api/search/?q=drill&mode=semantic&min_score={bar}").json()
    assert body["total"] == len(body["results"]) <= everything["total"]
    assert all(hit["score"] >= bar for hit in body["results"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "%20",
        "x",
        "%F0%9F%94%A8",
        "-",
        "%22",
        "%22%22",
        "-drill",
        "(((",
        "%25",
        "%5C",
        "'",
        ":*",
    ],
)
@pytest.mark.parametrize("mode", ["hybrid", "semantic", "keyword"])
def test_any_text_is_a_query(client: Client, shop: None, text: str, mode: str) -> None:
    response = client.get(f"/api/search/?q={text}&mode={mode}")
    assert response.status_code == 200
    assert "gone" not in skus(response.json())


@pytest.mark.parametrize("text", ["מקדחה לבטון", "電動 ドリル", "🔨" * 512, "-a " * 128, "the", "a&b", "٣"])
def test_any_script_is_a_query(client: Client, shop: None, text: str) -> None:
    body = client.get("/api/search/", {"q": text}).json()
    assert body["query"]["text"] == text.strip()


def test_a_product_that_is_deleted_is_gone_at_once(client: Client, shop: None) -> None:
    Product.objects.get(sku="hammer").delete()
    assert "hammer" not in skus(client.get("/api/search/?q=drill+for+concrete").json())


def test_a_batch_answers_as_single_searches_do(client: Client, shop: None) -> None:
    queries = ["drill", {"q": "saw", "mode": "keyword", "brand": ["Bahco"]}, "pan"]
    body = client.post("/api/search/batch/", {"queries": queries}, content_type="application/json").json()
    singles = ["q=drill", "q=saw&mode=keyword&brand=Bahco", "q=pan"]
    assert len(body["results"]) == 3
    for answer, single in zip(body["results"], singles, strict=True):
        alone = client.get(f"/api/search/?{single}").json()
        for unlike in ("timings_ms", "next", "previous"):
            del answer[unlike], alone[unlike]
        assert answer == alone


def test_similar_products_are_never_the_product_nor_inactive(client: Client, shop: None) -> None:
    body = client.get("/api/products/hammer/similar/").json()
    assert list(body) == ["sku", "degraded", "total", "results", "timings_ms"]
    assert (body["sku"], body["degraded"], body["total"]) == ("hammer", False, len(body["results"]))
    assert set(skus(body)) == {"driver", "bits", "saw", "jig", "pan", "knife"}
    assert set(skus(body)[:2]) == {"driver", "bits"}
    assert body["results"][0].keys() == HIT_FIELDS


def test_similar_products_obey_the_filters(client: Client, shop: None) -> None:
    def found(query: str) -> set[str]:
        return set(skus(client.get(f"/api/products/hammer/similar/?{query}").json()))

    assert found("category=saws") == {"saw", "jig"}
    assert found("same_category=true") == {"driver", "bits"}
    assert found("price_tolerance=0.25") == {"jig"}
    assert found("brand=Bosch&price_max=50") == {"bits"}
    assert found("min_score=1") == set()
    assert len(found("limit=2")) == 2
    assert len(found("diversity=1&limit=3")) == 3


def test_similar_refuses_what_it_cannot_answer(client: Client, shop: None) -> None:
    assert bad_fields(client.get("/api/products/hammer/similar/?limit=0&diversity=2&q=x")) == [
        "q",
        "limit",
        "diversity",
    ]
    problem(client.get("/api/products/gone/similar/"), 404)


def test_seeds_lead_towards_and_away(client: Client, shop: None) -> None:
    def found(body: dict[str, Any]) -> Any:
        return client.post("/api/similar/", body, content_type="application/json")

    body = found({"seeds": ["hammer", "bits"]}).json()
    assert list(body) == ["degraded", "total", "results", "timings_ms"]
    assert not {"hammer", "bits", "gone"} & set(skus(body))
    away = found({"seeds": ["driver", {"sku": "saw", "weight": -0.7}], "limit": 6}).json()
    assert skus(away).index("jig") > skus(away).index("hammer")
    assert set(skus(found({"seeds": ["hammer"], "category": ["kitchen"]}).json())) <= {"pan", "knife"}
    unknown = problem(found({"seeds": ["no-such", "hammer", {"sku": "gone", "weight": -1}]}), 404)
    assert unknown["detail"] == "There are no products with the SKUs “no-such” and “gone”."
    unknown = problem(found({"seeds": ["gone"]}), 404)
    assert unknown["detail"] == "There is no product with the SKU “gone”."


def test_what_is_being_typed_is_completed(client: Client, shop: None) -> None:
    refresh_terms()
    response = client.get("/api/suggest/?q=ham")
    body = response.json()
    assert body["query"] == "ham"
    assert any("ammer" in one["text"] for one in body["suggestions"])
    assert all(one.keys() == {"text", "kind", "target"} for one in body["suggestions"])
    assert "max-age=60" in response.headers["Cache-Control"]
    assert len(client.get("/api/suggest/?q=d&limit=1").json()["suggestions"]) <= 1
    assert client.get("/api/suggest/").json()["suggestions"] == []


def test_a_completion_refuses_what_it_cannot_answer(client: Client) -> None:
    address = f"/api/suggest/?q={'x' * 513}&limit=21&mode=keyword"
    assert bad_fields(client.get(address)) == ["mode", "q", "limit"]
    assert bad_fields(client.get("/api/suggest/?q=%00")) == ["q"]


def test_every_4xx_of_search_is_said_over_http(client: Client, shop: None) -> None:
    for query, field in itertools.chain(
        [("mode=fuzzy", "mode"), ("category=none", "category"), ("facets=none", "facets")],
        [("price_min=2&price_max=1", "price_min"), ("price_min=NaN", "price_min"), ("page=-1", "page")],
        [("q=" + "x" * 513, "q"), ("q=%00", "q"), ("page=51", "page"), ("colour=red", "colour")],
    ):
        assert bad_fields(client.get(f"/api/search/?{query}")) == [field]
