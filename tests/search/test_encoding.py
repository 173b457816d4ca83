"""The vector of a query: remembered, or made in time, or not at all."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from django.db import connection

from catalog.models import Product
from embeddings.encoders import Encoder
from embeddings.exceptions import ModelUnavailableError
from embeddings.models import EmbeddingModel
from search import encoding, engine, vector_cache
from search.engine import search_products
from search.exceptions import EncodingUnavailableError
from search.query import Mode, SearchQuery

pytestmark = pytest.mark.django_db


class ScriptedEncoder(Encoder):
    """Stands in for a model: makes one known vector, fails or hangs as it is told."""

    runtime = "test"
    dimensions = 384
    window = 256

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.batches: list[list[str]] = []
        self.error: Exception | None = None
        self.go_on = threading.Event()
        self.go_on.set()

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def encode(self, texts: Sequence[str]) -> Any:
        self.go_on.wait(10)
        self.asked += texts
        self.batches.append(list(texts))
        if self.error is not None:
            raise self.error
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        vectors[:, 0] = 1.0
        return vectors


@pytest.fixture
def model(settings: Any) -> EmbeddingModel:
    settings.SEARCH_MODEL_RETRY_S = 0.0
    settings.SEARCH_SHARED_CACHE_S = 0
    return EmbeddingModel.objects.active()


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedEncoder]:
    scripted = ScriptedEncoder()
    monkeypatch.setattr(encoding, "encoder_for", lambda model: scripted)
    monkeypatch.setattr(encoding, "_encoder", None)
    vector_cache.forget()
    yield scripted
    scripted.go_on.set()
    vector_cache.forget()


def test_words_are_looked_up_while_the_query_is_encoded(
    model: EmbeddingModel, encoder: ScriptedEncoder, make_product: Any
) -> None:
    make_product("Hammer drill")
    encoder.go_on.clear()

    def go_on_with_the_words(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SET LOCAL enable_seqscan = off;"):  # for the words' candidates
            encoder.go_on.set()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(go_on_with_the_words):
        result = search_products(SearchQuery("drill"))
    assert (result.total, result.degraded) == (1, False)
    assert result.timings_ms["encode"] > 0


def test_a_vector_is_made_once(model: EmbeddingModel, encoder: ScriptedEncoder) -> None:
    first = encoding.query_vectors(model, ["drill", "saw", "drill"])
    again = encoding.query_vectors(model, ["saw", " drill "])
    assert encoder.asked == ["drill", "saw"]
    assert len(first) == 3
    assert again[0].shape == (384,)


def test_another_model_or_prompt_is_another_vector(model: EmbeddingModel, encoder: ScriptedEncoder) -> None:
    encoding.query_vectors(model, ["drill"])
    model.query_prompt = "query: "
    encoding.query_vectors(model, ["drill"])
    assert len(encoder.asked) == 2


@pytest.fixture
def redis(settings: Any) -> None:
    """Vectors go to Redis."""
    settings.SEARCH_SHARED_CACHE_S = 60


def test_processes_share_vectors_through_redis(
    model: EmbeddingModel, encoder: ScriptedEncoder, redis: None
) -> None:
    encoding.query_vectors(model, ["shared drill"])
    vector_cache.forget()
    assert encoding.query_vectors(model, ["shared drill"])[0][0] == 1.0
    assert encoder.asked == ["shared drill"]


def test_vectors_of_a_while_are_shared_together(
    model: EmbeddingModel, encoder: ScriptedEncoder, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SEARCH_SHARED_CACHE_S = 60
    monkeypatch.setattr(encoding, "SHARE_EVERY_S", 1.0)
    texts = [f"drill {number}" for number in range(3)]
    keys = {vector_cache.key_of(model, text) for text in texts}
    shared, told = vector_cache.share, threading.Event()
    batches: list[int] = []

    def share(vectors: Any) -> None:
        shared(vectors)
        if ours := keys & vectors.keys():  # encoders of tests before may still have some
            batches.append(len(ours))
            told.set()

    monkeypatch.setattr(vector_cache, "share", share)
    for text in texts:
        encoding.query_vectors(model, [text])
    assert told.wait(10)
    assert batches == [3]
    assert vector_cache.shared(list(keys), 384).keys() == keys


def test_what_redis_has_is_found_though_the_model_fails(
    model: EmbeddingModel, encoder: ScriptedEncoder, redis: None
) -> None:
    encoding.query_vectors(model, ["kept drill"])
    vector_cache.forget()
    encoder.error = ModelUnavailableError("gone")
    assert encoding.query_vectors(model, ["kept drill"])[0][0] == 1.0
    with pytest.raises(EncodingUnavailableError, match="gone"):
        encoding.query_vectors(model, ["new drill"])


def test_a_model_is_warm_when_it_was_used(
    model: EmbeddingModel, encoder: ScriptedEncoder, settings: Any
) -> None:
    settings.SEARCH_SHARED_CACHE_S = 60
    for _ in range(2):
        encoding.warm_up()
    assert encoder.asked == ["warm", "warm"]


def test_the_active_model_is_looked_up_once_a_second(
    model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    encoding.active_model()
    monkeypatch.setattr(encoding, "ACTIVE_MODEL_LASTS_S", 600.0)
    with django_assert_num_queries(0):
        assert encoding.active_model() == model
    monkeypatch.setattr(encoding, "ACTIVE_MODEL_LASTS_S", -1.0)
    EmbeddingModel.objects.update(state=EmbeddingModel.State.RETIRED)
    with pytest.raises(EncodingUnavailableError):
        encoding.active_model()


def test_a_failure_is_not_remembered(model: EmbeddingModel, encoder: ScriptedEncoder) -> None:
    encoder.error = ModelUnavailableError("gone")
    with pytest.raises(EncodingUnavailableError, match="gone"):
        encoding.query_vectors(model, ["drill"])
    encoder.error = None
    assert encoding.query_vectors(model, ["drill"])[0][0] == 1.0


def test_after_a_failure_the_model_rests(
    model: EmbeddingModel, encoder: ScriptedEncoder, settings: Any
) -> None:
    settings.SEARCH_MODEL_RETRY_S = 60.0
    encoder.error = RuntimeError("out of memory")
    for _ in range(3):
        with pytest.raises(EncodingUnavailableError):
            encoding.query_vectors(model, ["drill"])
    assert encoder.asked == ["drill"]


def test_a_query_waits_no_longer_than_its_deadline(model: EmbeddingModel, encoder: ScriptedEncoder) -> None:
    encoder.go_on.clear()
    with pytest.raises(EncodingUnavailableError, match="in time"):
        encoding.query_vectors(model, ["drill"], deadline_s=0.05)
    with pytest.raises(EncodingUnavailableError, match="busy"):
        encoding.query_vectors(model, ["saw"], deadline_s=0.01)
    encoder.go_on.set()
    assert encoding.query_vectors(model, ["hammer"], deadline_s=5)[0][0] == 1.0


def test_while_the_model_hangs_queries_do_not_pile_up(
    model: EmbeddingModel, encoder: ScriptedEncoder
) -> None:
    encoder.go_on.clear()
    for number in range(50):
        with pytest.raises(EncodingUnavailableError):
            encoding.query_vectors(model, [f"query {number}"], 0.01)
    encoder.go_on.set()
    assert encoding.query_vectors(model, ["drill"], 10.0)[0][0] == 1.0
    assert len(encoder.asked) < 10


def test_search_degrades_to_words_and_recovers(
    model: EmbeddingModel, encoder: ScriptedEncoder, make_product: Callable[..., Product]
) -> None:
    make_product("Claw hammer")
    encoder.error = ModelUnavailableError("gone")
    result = search_products(SearchQuery("hammer"))
    assert result.degraded
    assert result.total == 1
    encoder.error = None
    assert not search_products(SearchQuery("hammer")).degraded


def test_queries_that_wait_are_encoded_together(model: EmbeddingModel, encoder: ScriptedEncoder) -> None:
    encoder.go_on.clear()
    threads = [
        threading.Thread(target=encoding.query_vectors, args=(model, [f"query {number}"], 5.0))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    encoder.go_on.set()
    for thread in threads:
        thread.join()
    assert sorted(encoder.asked) == [f"query {number}" for number in range(8)]


def test_a_batch_takes_along_those_that_will_be_needed(
    model: EmbeddingModel, encoder: ScriptedEncoder
) -> None:
    later = [encoding.QueryVectors(model, [text]) for text in ("drill", "saw")]
    assert encoder.asked == []
    encoding.query_vectors(model, ["hammer"])
    assert encoder.batches == [["hammer", "drill", "saw"]]
    for vectors in later:
        assert vectors.result()[0][0] == 1.0
    assert len(encoder.batches) == 1


def test_enough_of_those_that_will_be_needed_are_reason_for_a_batch(
    model: EmbeddingModel, encoder: ScriptedEncoder
) -> None:
    texts = ["drill", "saw", "hammer"]
    later = [encoding.QueryVectors(model, [text]) for text in texts]
    assert later[-1]._job is not None
    later[-1]._job.done.result(10)
    assert encoder.batches == [["hammer", "drill", "saw"]]
    assert len(texts) == encoding.TAKEN_ALONG - 1


def test_however_many_will_be_needed_each_is_encoded_once(
    model: EmbeddingModel, encoder: ScriptedEncoder
) -> None:
    texts = [f"query {number}" for number in range(2 * encoding.MAX_BATCH)]
    many = [encoding.QueryVectors(model, [text]) for text in texts]
    for vectors in many:
        vectors.begin()
        vectors.begin()
        vectors.result()
    assert sorted(encoder.asked) == sorted(texts)


def test_what_was_made_while_a_query_waited_is_not_made_again(
    model: EmbeddingModel, encoder: ScriptedEncoder
) -> None:
    waiting = encoding.QueryVectors(model, ["drill", "saw"])
    many = ["drill", "hammer", "nail", "bolt"]
    encoding.query_vectors(model, many)
    waiting.result()
    assert encoder.batches == [many, ["saw"]]


@pytest.mark.parametrize("mode", [Mode.HYBRID, Mode.SEMANTIC])
def test_a_search_that_waits_for_its_turn_is_encoded_with_the_one_that_has_it(
    mode: Mode, model: EmbeddingModel, encoder: ScriptedEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = ["saw"]

    @contextmanager
    def turn() -> Iterator[None]:
        if others:  # came later, and is let in first
            search_products(SearchQuery(others.pop(), mode=mode))
        yield

    monkeypatch.setattr(engine.turns, "turn", turn)
    assert not search_products(SearchQuery("nail", mode=mode)).degraded
    assert encoder.batches == [["saw", "nail"]]


def test_while_redis_is_away_vectors_are_made_and_it_is_asked_once(
    model: EmbeddingModel, encoder: ScriptedEncoder, settings: Any, caplog: Any
) -> None:
    settings.SEARCH_SHARED_CACHE_S = 60
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    for text in ("drill", "saw", "hammer"):
        assert encoding.query_vectors(model, [text])[0][0] == 1.0
    assert len([one for one in caplog.records if "Redis cannot be reached" in one.message]) == 1
