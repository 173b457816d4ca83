"""Promises of backfill runs: how far, by whom, how it ended; cancelled from elsewhere; stalls are said."""

import threading
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from catalog.models import Product
from embeddings import overlap, pipeline, runs, status
from embeddings.models import EmbeddingModel, EmbeddingRun, ProductEmbedding
from embeddings.pipeline import Scope

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def model() -> EmbeddingModel:
    return EmbeddingModel.objects.active()


@pytest.fixture
def imported(transactional_db: None) -> list[Product]:
    """120 products, imported: they wait behind live edits."""
    with connection.cursor() as cursor:
        cursor.execute("SET nearshelf.priority = '1'")
        products = Product.objects.bulk_create(
            Product(sku=f"B-{number}", name=f"Wall bracket number {number}") for number in range(120)
        )
        cursor.execute("RESET nearshelf.priority")
    return products


def backfill(*words: str) -> str:
    out = StringIO()
    call_command("backfill_embeddings", *words, stdout=out, stderr=out)
    return out.getvalue()


def latest() -> dict[str, Any]:
    found: dict[str, Any] = status.report()["runs"][0]
    return found


def test_a_backfill_leaves_its_story(imported: list[Product]) -> None:
    assert "Embedded 120 products" in backfill()
    run = latest()
    assert (run["state"], run["total"], run["done"], run["failed"]) == ("finished", 120, 120, 0)
    assert (run["by"], run["via_queue"], run["note"]) == ("command", False, "")
    assert run["rate"] > 0
    assert run["finished_at"] >= run["started_at"]
    out = StringIO()
    call_command("embedding_status", stdout=out)
    assert "finished, 120 of 120 done" in out.getvalue()
    assert "Nothing to do" in backfill()


def test_a_run_cancelled_from_elsewhere_stops_after_its_batch(
    imported: list[Product],
    make_product: Any,
    model: EmbeddingModel,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.EMBEDDING_CLAIM_SIZE = settings.EMBEDDING_BATCH_SIZE = 10
    monkeypatch.setattr(overlap, "MAX_CLAIM", 10)  # however fast this machine is
    live = make_product("Saved by hand")
    run = runs.start_run(model, user=User.objects.create_user("ada"))
    seen = 0
    for outcome in runs.work(run):
        seen += outcome.stored
        runs.cancel_run(EmbeddingRun.objects.get(pk=run.pk))
    assert 0 < seen < 60
    assert latest()["state"] == "cancelled"
    assert latest()["by"] == "ada"
    assert latest()["done"] == seen

    # Workers leave the rest alone, and say why; a live edit is not part of it.
    pipeline.drain()
    assert ProductEmbedding.objects.with_status().get(product=live).status == "ready"
    failed = ProductEmbedding.objects.failed()
    assert set(failed.values_list("last_error", flat=True)) == {runs.CANCELLED}
    assert not ProductEmbedding.objects.filter(lease_until__isnull=False).exists()

    assert f"Embedded {failed.count()} products" in backfill()
    assert status.counts(model)["ready"] == 121


def test_stopping_by_hand_holds_nothing_back(
    imported: list[Product], model: EmbeddingModel, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMBEDDING_CLAIM_SIZE = settings.EMBEDDING_BATCH_SIZE = 10
    monkeypatch.setattr(overlap, "MAX_CLAIM", 10)  # however fast this machine is
    stop = threading.Event()
    run = runs.start_run(model)
    for _ in runs.work(run, should_stop=stop.is_set):
        stop.set()
    assert (latest()["state"], latest()["note"]) == ("cancelled", runs.STOPPED)
    counts = status.counts(model)
    assert counts["processing"] == counts["failed"] == 0
    assert pipeline.drain().stored == counts["pending"] > 0


def test_a_run_that_lost_its_process_is_said_to_stall_and_the_next_one_continues(
    imported: list[Product], model: EmbeddingModel, settings: Any
) -> None:
    settings.EMBEDDING_CLAIM_SIZE = settings.EMBEDDING_BATCH_SIZE = 10
    run = runs.start_run(model)
    for _ in runs.work(run):
        break  # as if killed: nothing more is noted
    assert latest()["state"] == "running"
    EmbeddingRun.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=61))
    out = StringIO()
    call_command("embedding_status", stdout=out)
    assert "stalled" in out.getvalue()
    assert "backfill_embeddings` to continue" in out.getvalue()

    backfill()
    newest, dead = status.report()["runs"]
    assert (newest["state"], newest["done"]) == ("finished", newest["total"])
    assert (dead["state"], dead["note"]) == ("finished", runs.DIED)
    assert status.counts(model)["ready"] == 120


def test_workers_do_a_run_via_the_queue(
    imported: list[Product], model: EmbeddingModel, settings: Any
) -> None:
    settings.EMBEDDING_CLAIM_SIZE = settings.EMBEDDING_BATCH_SIZE = 50
    assert "120 products are due" in backfill("--via-queue")
    run = runs.start_run(model, via_queue=True)
    assert EmbeddingRun.objects.count() == 1  # pressed twice, run once

    for _ in pipeline.batches(model, limit=50):
        assert latest()["done"] == 50
    assert latest()["state"] == "running"
    pipeline.drain()
    runs.note_queue_runs()
    run.refresh_from_db()
    assert (run.get_state(), run.done) == ("finished", 120)


def test_a_queued_run_that_no_worker_does_stalls(imported: list[Product], model: EmbeddingModel) -> None:
    run = runs.start_run(model, via_queue=True)
    EmbeddingRun.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=61))
    runs.note_queue_runs()
    assert latest()["state"] == "stalled"
    ProductEmbedding.objects.update(next_attempt_at=timezone.now() + timedelta(hours=1))
    runs.note_queue_runs()  # nothing could be done: it waits for the next attempts
    run.refresh_from_db()
    assert run.get_state() == "running"


def test_a_cancelled_queue_run_ends_at_once(imported: list[Product], model: EmbeddingModel) -> None:
    run = runs.start_run(model, via_queue=True)
    runs.cancel_run(run)
    assert latest()["state"] == "cancelled"
    assert pipeline.drain().claimed == 0
    assert status.counts(model)["failed"] == 120
    assert runs.start_run(model, via_queue=True).pk != run.pk
    assert pipeline.drain().stored == 120


def test_a_run_of_one_category_leaves_the_others(
    make_category: Any, make_product: Any, model: EmbeddingModel
) -> None:
    garden = make_category("Garden")
    make_product("Rake", category=make_category("Garden", "Tools"))
    make_product("Teapot")
    run = runs.start_run(model, Scope(category_path=garden.path))
    assert run.total == 1
    assert sum(outcome.stored for outcome in runs.work(run)) == 1
    assert status.counts(model)["pending"] == 1


def test_a_model_that_cannot_be_used_ends_the_run_with_the_reason(
    imported: list[Product], model: EmbeddingModel
) -> None:
    EmbeddingModel.objects.update(name="/no/such/folder")
    with pytest.raises(CommandError, match="no model folder"):
        backfill()
    assert "no model folder" in latest()["note"]
    assert not ProductEmbedding.objects.filter(attempts__gt=0).exists()


def test_options_that_contradict_each_other_are_refused(transactional_db: None) -> None:
    with pytest.raises(CommandError, match="--limit has no meaning with --via-queue"):
        backfill("--limit", "3", "--via-queue")
    with pytest.raises(CommandError, match="--batch-size must be 1 or more"):
        backfill("--batch-size", "0")
