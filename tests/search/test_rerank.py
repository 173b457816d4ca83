"""A cross-encoder puts the best products into its own order, or the order stays."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from sentence_transformers import CrossEncoder

from catalog.models import Product
from embeddings import pipeline
from search import rerank
from search.engine import ranking_of, search_products
from search.query import Filters, Mode, SearchQuery
from search.results import SearchResult
from search.terms import refresh_terms
from tests.embeddings.tiny_model import make_tiny_cross_encoder, make_tiny_model

pytestmark = pytest.mark.django_db

QUERY = "cordless drill for concrete"
DEPTH = 8


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_cross_encoder(tmp_path_factory.mktemp("rerank") / "cross-encoder")


@pytest.fixture(autouse=True)
def _no_reranker_of_before(monkeypatch: Any) -> None:
    monkeypatch.setattr(rerank, "_reranker", None)


@pytest.fixture
def shop(make_product: Callable[..., Product], make_category: Callable[..., Any]) -> None:
    words = "battery steel rubber wood heavy compact small red blue green strong light"
    for number, word in enumerate(words.split()):
        category = make_category("Tools" if number % 2 else "Garden")
        make_product(
            f"Cordless drill {word}", sku=f"D-{number}", category=category, description="For concrete."
        )
    pipeline.drain()
    refresh_terms()


@pytest.fixture
def on(settings: Any, cross_encoder: Path, shop: None) -> None:
    settings.SEARCH_RERANK_MODEL = str(cross_encoder)
    settings.SEARCH_RERANK_DEPTH = DEPTH
    settings.SEARCH_RERANK_DEADLINE_S = 60.0


def skus(result: SearchResult) -> list[str]:
    return [hit.fields["sku"] for hit in result.hits]


def test_off_is_off(shop: None) -> None:
    result = search_products(SearchQuery(QUERY, explain=True))
    assert result.total == 12
    assert all("rerank_score" not in (hit.explanation or {}) for hit in result.hits)
    assert rerank._reranker is None


def test_the_best_come_into_the_order_of_the_model_and_the_rest_stay(on: None, settings: Any) -> None:
    model = settings.SEARCH_RERANK_MODEL
    settings.SEARCH_RERANK_MODEL = ""
    before = search_products(SearchQuery(QUERY))
    settings.SEARCH_RERANK_MODEL = model
    after = search_products(SearchQuery(QUERY, explain=True))
    assert skus(after) != skus(before)
    assert set(skus(after)[:DEPTH]) == set(skus(before)[:DEPTH])
    assert skus(after)[DEPTH:] == skus(before)[DEPTH:]
    assert [hit.score for hit in after.hits] == [hit.score for hit in before.hits]
    explained: list[Any] = [(hit.explanation or {}).get("rerank_score") for hit in after.hits]
    assert explained[:DEPTH] == sorted(explained[:DEPTH], reverse=True)
    assert all(0 <= score <= 1 for score in explained[:DEPTH])
    assert explained[DEPTH:] == [None] * 4


def test_the_scores_are_those_of_the_model_for_the_products_texts(on: None, cross_encoder: Path) -> None:
    ranking = ranking_of(SearchQuery(QUERY))
    texts = [
        f"{product.name}. {product.category.name if product.category else ''}. For concrete"
        for product in (Product.objects.get(pk=pk) for pk in ranking.product_ids[:DEPTH])
    ]
    expected = CrossEncoder(str(cross_encoder)).predict([(QUERY, text) for text in texts])
    assert [ranking.rerank[pk] for pk in ranking.product_ids[:DEPTH]] == pytest.approx(expected, abs=1e-5)


def test_pages_and_filters_agree(on: None) -> None:
    whole = search_products(SearchQuery(QUERY))
    pages = [search_products(SearchQuery(QUERY, page=page, page_size=3)) for page in range(1, 5)]
    assert [sku for page in pages for sku in skus(page)] == skus(whole)
    assert {page.total for page in pages} == {12}
    within = search_products(SearchQuery(QUERY, filters=Filters(categories=("tools",)), facets=("category",)))
    assert within.total == 6
    assert {value.value: value.count for value in within.facets["category"]} == {"tools": 6, "garden": 6}
    scores = [hit.score for hit in within.hits]
    assert scores == sorted(scores, reverse=True)


def test_an_exact_name_stays_first(on: None) -> None:
    for name in Product.objects.values_list("name", flat=True):
        result = search_products(SearchQuery(name))
        assert result.hits[0].fields["name"] == name
        assert result.hits[0].score == 1.0


@pytest.mark.parametrize("mode", [Mode.SEMANTIC, Mode.KEYWORD])
def test_who_asks_for_one_leg_gets_its_order(on: None, mode: Mode) -> None:
    assert not ranking_of(SearchQuery(QUERY, mode=mode)).rerank


def test_many_threads_share_one_model(on: None, monkeypatch: Any) -> None:
    loaded = []
    load = rerank._cross_encoder
    monkeypatch.setattr(rerank, "_cross_encoder", lambda name: loaded.append(name) or load(name))
    ids = list(Product.objects.values_list("pk", flat=True))
    pairs = [(QUERY, f"drill {pk}") for pk in ids]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: rerank._this_process().scores(pairs, 60), range(16)))
    assert len(loaded) == 1
    assert all(answer == answers[0] for answer in answers)


def test_a_late_answer_leaves_the_order_and_serves_the_next_question(
    on: None, settings: Any, monkeypatch: Any, caplog: Any
) -> None:
    may_go_on = threading.Event()
    load = rerank._cross_encoder
    monkeypatch.setattr(rerank, "_cross_encoder", lambda name: may_go_on.wait(60) and load(name))
    settings.SEARCH_RERANK_DEADLINE_S = 0.05
    for page in (1, 2):
        result = search_products(SearchQuery(QUERY, explain=True, page=page, page_size=4))
        assert result.total == 12
        assert "rerank_score" not in (result.hits[0].explanation or {})
    assert len([one for one in caplog.records if "did not answer in time" in one.message]) == 1
    may_go_on.set()
    rerank._this_process()._executor.submit(int).result(60)
    settings.SEARCH_RERANK_DEADLINE_S = 0.0  # nothing is left to be waited for
    result = search_products(SearchQuery(QUERY, explain=True))
    assert "rerank_score" in (result.hits[0].explanation or {})


def test_a_model_that_is_missing_or_none_leaves_the_order_and_is_named_once(
    on: None, settings: Any, tmp_path: Path, caplog: Any
) -> None:
    for folder, reason in (
        (tmp_path / "gone", "There is no model folder"),
        (make_tiny_model(tmp_path / "embedder"), "no cross-encoder"),
        (make_tiny_cross_encoder(tmp_path / "classifier", labels=3), "no cross-encoder"),
    ):
        caplog.clear()
        settings.SEARCH_RERANK_MODEL = str(folder)
        settings.SEARCH_MODEL_RETRY_S = 0.0
        results = [search_products(SearchQuery(QUERY)) for _ in range(3)]
        assert [result.total for result in results] == [12] * 3
        assert len([one for one in caplog.records if reason in one.message]) == 1


def test_a_missing_folder_is_found_by_the_checks(settings: Any, tmp_path: Path) -> None:
    settings.SEARCH_RERANK_MODEL = str(tmp_path / "gone")
    assert [message.id for message in run_checks()] == ["search.E002"]
