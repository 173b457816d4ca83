"""Backfills as rows: start one, follow it, cancel it. The command and the admin use the same functions.

A run is a report, not the work: that stands in ProductEmbedding. So a run that dies loses nothing, the next one
goes on where it was, and one that workers do ("via the queue") derives its progress from what is left.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from embeddings import backfill, bell, pipeline
from embeddings.exceptions import EmbeddingError
from embeddings.models import EmbeddingModel, EmbeddingRun
from embeddings.outages import outlast
from embeddings.pipeline import EVERYTHING, Outcome, Scope
from embeddings.planning import through_indexes

if TYPE_CHECKING:
    from django.contrib.auth.models import User

BEAT_S = 10.0

CANCELLED = "The backfill was cancelled before this product's turn. Retry it, or run backfill_embeddings."
DIED = "Its process ended without a word. Nothing is lost: the next run continues."
STOPPED = "Stopped by hand. The next run continues."


def start_run(
    model: EmbeddingModel,
    scope: Scope = EVERYTHING,
    *,
    user: "User | None" = None,
    via_queue: bool = False,
    limit: int | None = None,
) -> EmbeddingRun:
    """Make every row of the scope due and open a run for them; one that is done at once is finished already.

    With `via_queue` the workers are told; where such a run of the same scope is going on, it is returned instead
    of a second one. Otherwise the caller does the work, with `work`.
    """
    EmbeddingRun.objects.stalled().filter(model=model).update(finished_at=Now(), note=DIED)
    wanted = {
        "model": model,
        "category_path": scope.category_path,
        "only_failed": scope.only_failed,
        "via_queue": via_queue,
    }
    total = backfill.prepare(model, scope)
    if via_queue and (going := EmbeddingRun.objects.open().filter(cancelled_at=None, **wanted).first()):
        bell.ring()
        return going
    if limit is not None:
        total = min(total, limit)
    run = EmbeddingRun.objects.create(
        total=total, user=user, finished_at=None if total else timezone.now(), **wanted
    )
    if via_queue and total:
        bell.ring()
    return run


def scope_of(run: EmbeddingRun) -> Scope:
    """The rows that a run is about."""
    return Scope(category_path=run.category_path, only_failed=run.only_failed)


def work(
    run: EmbeddingRun,
    limit: int | None = None,
    batch_size: int | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:
    """Do a run's work in this process, yielding the outcome of each batch, and note how it ends.

    Ends early when the run is cancelled from elsewhere or `should_stop` says so. Raises ModelUnavailableError.
    """
    cancelled = threading.Event()
    scope = scope_of(run)

    def stop() -> bool:
        return cancelled.is_set() or should_stop()

    try:
        for outcome in backfill.run(run.model, scope, limit, stop, batch_size, lambda: _beating(run)):
            run.done += outcome.stored
            run.failed += outcome.failed
            if outlast(_beat)(run):
                cancelled.set()
            yield outcome
    except EmbeddingError as error:
        _finish(run, str(error))
        raise
    if cancelled.is_set():
        _hold_back(run)
    elif should_stop():
        run.cancelled_at = timezone.now()
    elif limit is None:
        # Workers may have done a part of it.
        run.done = max(run.done, run.total - run.failed - backfill.remaining(run.model, scope))
    _finish(run, STOPPED if should_stop() and not cancelled.is_set() else "")


def _beat(run: EmbeddingRun) -> bool:
    """Note progress; return whether the run was cancelled meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE embeddings_embeddingrun SET done = %s, failed = %s, heartbeat_at = statement_timestamp()"
            " WHERE id = %s RETURNING cancelled_at",
            [run.done, run.failed, run.pk],
        )
        row = cursor.fetchone()
    if row is not None:
        run.cancelled_at = row[0]
    return row is not None and row[0] is not None


@contextmanager
def _beating(run: EmbeddingRun) -> Iterator[None]:
    """Keep a run alive while its index is built, which may take longer than STALLED_AFTER."""
    over = threading.Event()

    def beat() -> None:
        try:
            while not over.wait(BEAT_S):
                _beat(run)
        except DatabaseError:
            return  # the build itself will say so
        finally:
            connection.close()

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _finish(run: EmbeddingRun, note: str = "") -> None:
    run.finished_at, run.heartbeat_at, run.note = timezone.now(), timezone.now(), note
    run.save(update_fields=["total", "done", "failed", "cancelled_at", "finished_at", "heartbeat_at", "note"])


def cancel_run(run: EmbeddingRun) -> None:
    """Stop a run: what is being encoded is still stored, the rest is left.

    Workers would go on with the rest by themselves, so it is marked failed, with the reason; live edits are not
    touched. Starting a run again, retrying, or a new text makes a product due again.
    """
    EmbeddingRun.objects.filter(pk=run.pk, cancelled_at=None, finished_at=None).update(cancelled_at=Now())
    run.refresh_from_db()
    if run.finished_at is not None:
        return
    _hold_back(run)
    if run.via_queue or run.get_state() == EmbeddingRun.State.STALLED:
        _finish(run)


def _hold_back(run: EmbeddingRun) -> None:
    """Mark the rows of a run failed that nobody has begun."""
    extra, values = scope_of(run).sql()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE embeddings_productembedding SET next_attempt_at = NULL, last_error = %s
            WHERE id IN (
                SELECT e.id FROM embeddings_productembedding AS e
                WHERE e.model_id = {run.model_id:d} AND {pipeline.UNSETTLED_SQL}{extra}
                    AND e.priority > 0 AND e.next_attempt_at IS NOT NULL
                    AND (e.lease_until IS NULL OR e.lease_until < statement_timestamp())
                FOR UPDATE SKIP LOCKED
            )""",
            [CANCELLED, *values],
        )


def note_queue_runs() -> None:
    """Write down how far the runs are that workers do. Called by the workers every few seconds.

    A run beats while it moves on, and while all that is left waits for its next attempt; so one whose rows are
    due and not worked on is seen to stall.
    """
    for run in EmbeddingRun.objects.open().filter(via_queue=True).select_related("model"):
        before = (run.done, run.failed)
        left = follow(run)
        if left == 0:
            _finish(run)
        elif (run.done, run.failed) != before or not _due(run):
            _beat(run)


def follow(run: EmbeddingRun) -> int:
    """Set `done` and `failed` of a run that workers do, from what is left; return how many rows that is."""
    left, failed = backfill.progress(run.model, scope_of(run))
    run.failed = min(failed, run.total)
    run.done = max(run.done, run.total - left - run.failed)
    return left


def _due(run: EmbeddingRun) -> bool:
    """Whether anything of the run could be worked on now and is not."""
    extra, values = scope_of(run).sql()
    with through_indexes(), connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT EXISTS (SELECT FROM embeddings_productembedding AS e
            WHERE e.model_id = {run.model_id:d} AND {pipeline.UNSETTLED_SQL}{extra}
                AND e.next_attempt_at <= statement_timestamp()
                AND (e.lease_until IS NULL OR e.lease_until < statement_timestamp()))""",
            values,
        )
        return bool(cursor.fetchone()[0])


def describe(run: EmbeddingRun, fresh: bool = True) -> dict[str, Any]:
    """A run for reports: figures, state, who and when; `rate` in products/s and `eta_s` while it runs.

    Without `fresh` it is told as the workers noted it some seconds ago, and nothing is counted.
    """
    if fresh and run.via_queue and run.finished_at is None:
        follow(run)
    state = run.get_state()
    seconds = ((run.finished_at or timezone.now()) - run.started_at).total_seconds()
    rate = run.done / seconds if seconds > 0 else 0.0
    running = state == EmbeddingRun.State.RUNNING
    return {
        "id": run.pk,
        "model": run.model.name,
        "state": state.value,
        "total": run.total,
        "done": run.done,
        "failed": run.failed,
        "rate": round(rate, 1),
        "eta_s": round((run.total - run.done - run.failed) / rate, 1) if running and rate else None,
        "by": run.by,
        "via_queue": run.via_queue,
        "category": run.category_path,
        "only_failed": run.only_failed,
        "started_at": run.started_at,
        "heartbeat_at": run.heartbeat_at,
        "cancelled_at": run.cancelled_at,
        "finished_at": run.finished_at,
        "note": run.note,
    }


def latest(limit: int = 5, fresh: bool = True) -> list[dict[str, Any]]:
    """The runs that are open, and the last ones that were, newest first."""
    return [describe(run, fresh) for run in EmbeddingRun.objects.select_related("model", "user")[:limit]]
