"""Promises of work in bulk: everything is done once, by whoever; errors and stops give leases back."""

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from catalog.models import Product
from embeddings import backfill, indexes, locks, overlap, pipeline, status
from embeddings.encoders import Vectors, encoder_for
from embeddings.exceptions import ModelUnavailableError
from embeddings.models import EmbeddingModel, ProductEmbedding
from embeddings.pipeline import EVERYTHING
from tests.embeddings.test_pipeline import Refusing, assert_settled

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def model() -> EmbeddingModel:
    return EmbeddingModel.objects.active()


@pytest.fixture
def products(transactional_db: None) -> list[Product]:
    return Product.objects.bulk_create(
        Product(sku=f"B-{number}", name=f"Wall bracket number {number}" + " of steel" * (number % 7))
        for number in range(100)
    )


@pytest.fixture(autouse=True)
def _small_claims(settings: Any) -> None:
    settings.EMBEDDING_CLAIM_SIZE = settings.EMBEDDING_BATCH_SIZE = 8


def run(model: EmbeddingModel, **options: Any) -> pipeline.Outcome:
    total = pipeline.Outcome()
    for outcome in backfill.run(model, EVERYTHING, **options):
        total.add(outcome)
    return total


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("backfill")}


def test_every_product_is_embedded_once_with_its_own_vector(
    products: list[Product], model: EmbeddingModel
) -> None:
    outcome = run(model)
    assert (outcome.stored, outcome.failed, outcome.moved) == (100, 0, 0)
    assert status.counts(model)["ready"] == 100
    for product in products[::9]:
        assert_settled(encoder_for(model), product)
    assert threads() == set()


def test_a_limit_is_kept(products: list[Product], model: EmbeddingModel) -> None:
    assert run(model, limit=20).claimed == 20
    assert status.counts(model) == status.counts(model) | {"ready": 20, "pending": 80, "processing": 0}


def test_a_product_that_changes_while_it_is_encoded_is_embedded_again(
    products: list[Product], model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pipeline.encode

    def edit_first(*args: Any) -> Vectors:
        monkeypatch.setattr(pipeline, "encode", real)
        Product.objects.filter(pk__in=[claim_product(claim) for claim in args[1]]).update(name="Changed")
        return real(*args)

    def claim_product(claim: pipeline.Claim) -> int:
        return ProductEmbedding.objects.get(pk=claim.row).product_id

    monkeypatch.setattr(pipeline, "encode", edit_first)
    outcome = run(model)
    assert (outcome.stored, outcome.moved) == (100, 8)
    changed = Product.objects.filter(name="Changed")
    assert len(changed) == 8
    for product in changed:
        assert_settled(encoder_for(model), product)


def test_a_text_that_the_encoder_refuses_fails_alone(
    products: list[Product], model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    Product.objects.filter(pk=products[50].pk).update(name="Poison")
    refusing = Refusing(encoder_for(model), "Poison")
    monkeypatch.setattr(overlap, "encoder_for", lambda model: refusing)
    outcome = run(model)
    assert (outcome.stored, outcome.failed) == (99, 1)
    assert outcome.errors == {"ValueError: cannot read Poison": 1}


def test_an_encoder_that_breaks_gives_every_lease_back(
    products: list[Product], model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking(Refusing):
        def encode(self, texts: Sequence[str]) -> Vectors:
            if len(self.seen) > 3:
                raise RuntimeError("out of memory")
            return super().encode(texts)

    breaking = Breaking(encoder_for(model), "Poison")
    monkeypatch.setattr(overlap, "encoder_for", lambda model: breaking)
    with pytest.raises(ModelUnavailableError, match="out of memory"):
        run(model)
    assert status.counts(model)["processing"] == 0
    assert not ProductEmbedding.objects.filter(attempts__gt=0).exists()
    assert threads() == set()


def test_stopping_stores_what_was_encoded_and_gives_the_rest_back(
    products: list[Product], model: EmbeddingModel, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMBEDDING_CLAIM_SIZE = settings.EMBEDDING_BATCH_SIZE = 10
    monkeypatch.setattr(overlap, "MAX_CLAIM", 10)  # however fast this machine is
    stop = threading.Event()
    stored = 0
    for outcome in backfill.run(model, EVERYTHING, should_stop=stop.is_set):
        stored += outcome.stored
        stop.set()
    counts = status.counts(model)
    assert (counts["ready"], counts["processing"]) == (stored, 0)
    assert counts["pending"] == 100 - stored > 0
    assert not ProductEmbedding.objects.filter(attempts__gt=0).exists()
    assert threads() == set()


def test_an_error_of_the_database_ends_the_run_and_is_raised(
    products: list[Product], model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill_writer(*args: Any) -> pipeline.Outcome:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        raise AssertionError

    monkeypatch.setattr(pipeline, "store", kill_writer)
    with pytest.raises(DatabaseError):
        run(model)
    assert status.counts(model)["processing"] == 0
    assert threads() == set()


def test_a_large_load_builds_the_index_once_at_the_end(
    products: list[Product], model: EmbeddingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "BULK_THRESHOLD", 50)
    seen = [indexes.state(model)["exists"] for _ in backfill.run(model, EVERYTHING)]
    assert set(seen) == {False}
    assert indexes.state(model)["valid"]
    # Most vectors are there now: the index grows with the edits.
    Product.objects.filter(pk__in=[product.pk for product in products[:60]]).update(name="Shelf")
    assert all(indexes.state(model)["exists"] for _ in backfill.run(model, EVERYTHING))


def test_a_load_leaves_the_index_to_a_process_that_loads_already(
    products: list[Product],
    model: EmbeddingModel,
    session: BaseDatabaseWrapper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with session.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [locks.NAMESPACE, locks.loading(model.pk)])
    monkeypatch.setattr(backfill, "BULK_THRESHOLD", 50)
    assert all(indexes.state(model)["exists"] for _ in backfill.run(model, EVERYTHING))
    indexes.drop(model)
    run(model)
    assert not indexes.state(model)["exists"]
    with session.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")
    run(model)
    assert indexes.state(model)["valid"]


def test_the_queue_is_an_index(products: list[Product], model: EmbeddingModel) -> None:
    """Looking for work where there is none reads the partial index, not the table."""
    run(model)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE embeddings_productembedding")
        cursor.execute(f"EXPLAIN {pipeline.due_sql(model)}", [10])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "embedding_queue" in plan, plan
