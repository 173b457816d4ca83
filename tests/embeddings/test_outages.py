"""Promises of PostgreSQL going away under a worker: what it has in hand is kept, and nothing waits for a lease."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from catalog.models import Product
from embeddings import backfill, indexes, outages, pipeline, status
from embeddings.encoders import Vectors, encoder_for
from embeddings.models import EmbeddingModel
from tests.embeddings.test_pipeline import assert_settled

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def model() -> EmbeddingModel:
    return EmbeddingModel.objects.active()


@pytest.fixture
def products(transactional_db: None) -> list[Product]:
    return Product.objects.bulk_create(
        Product(sku=f"B-{number}", name=f"Wall bracket number {number}") for number in range(40)
    )


@pytest.fixture(autouse=True)
def _new_connection(transactional_db: None) -> Iterator[None]:
    """Each test has a connection, and what it leaves broken, the next one does not find."""
    connection.ensure_connection()
    yield
    connection.close()


def break_all_but(session: BaseDatabaseWrapper) -> None:
    """End every session with the database but one, as a restart does."""
    with session.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


def test_vectors_in_hand_are_stored_on_a_new_connection(
    products: list[Product], model: EmbeddingModel, session: BaseDatabaseWrapper
) -> None:
    claims = pipeline.claim(model, 40)
    break_all_but(session)
    assert pipeline.process(encoder_for(model), claims).stored == 40
    assert status.counts(model)["ready"] == 40
    assert_settled(encoder_for(model), products[7])


@pytest.mark.parametrize("has_index", [True, False])
def test_a_backfill_goes_on_and_encodes_nothing_twice(
    has_index: bool,
    products: list[Product],
    model: EmbeddingModel,
    session: BaseDatabaseWrapper,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    settings.EMBEDDING_CLAIM_SIZE = settings.EMBEDDING_BATCH_SIZE = 8
    if not has_index:
        indexes.drop(model)
    encode, encoded = pipeline.encode, []

    def encode_and_break(*args: Any) -> Vectors:
        vectors = encode(*args)
        encoded.extend(claim.row for claim in args[1])
        if len(encoded) == 16:
            break_all_but(session)
        return vectors

    monkeypatch.setattr(pipeline, "encode", encode_and_break)
    outcomes = list(backfill.run(model, pipeline.EVERYTHING))
    connection.close()
    assert sum(outcome.stored for outcome in outcomes) == 40
    assert len(encoded) == len(set(encoded)) == 40
    assert status.counts(model)["ready"] == 40
    assert indexes.state(model)["valid"]


def test_leases_are_given_back_on_a_new_connection(
    products: list[Product], model: EmbeddingModel, session: BaseDatabaseWrapper
) -> None:
    claims = pipeline.claim(model, 40)
    break_all_but(session)
    outages.outlast(pipeline.release)(claims)
    assert len(pipeline.claim(model, 40)) == 40


def failing(session: BaseDatabaseWrapper, calls: list[int]) -> None:
    calls.append(1)
    break_all_but(session)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_a_step_that_brings_postgresql_down_is_not_repeated_for_ever(session: BaseDatabaseWrapper) -> None:
    calls: list[int] = []
    with pytest.raises(OperationalError):
        outages.outlast(failing)(session, calls)
    assert len(calls) == outages.ATTEMPTS
    connection.close()


def test_a_process_that_is_to_end_waits_for_nothing(session: BaseDatabaseWrapper) -> None:
    calls: list[int] = []
    outages.ending.set()
    with pytest.raises(OperationalError):
        outages.outlast(failing)(session, calls)
    assert len(calls) == 1
    connection.close()


def test_an_error_that_a_new_connection_does_not_mend_is_raised_at_once(
    session: BaseDatabaseWrapper,
) -> None:
    calls: list[int] = []

    def locked() -> None:
        calls.append(1)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '10ms'")
            cursor.execute("LOCK TABLE catalog_product")

    session.set_autocommit(False)
    with session.cursor() as cursor:
        cursor.execute("LOCK TABLE catalog_product")
    with pytest.raises(OperationalError):
        outages.outlast(locked)()
    session.rollback()
    assert len(calls) == 1


def test_a_step_within_a_transaction_is_not_repeated_alone(session: BaseDatabaseWrapper) -> None:
    calls: list[int] = []
    with pytest.raises(OperationalError):
        transaction.atomic(outages.outlast(failing))(session, calls)
    assert len(calls) == 1
    connection.close()
