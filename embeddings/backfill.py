"""Bring a model's vectors up to date in one go: rows that are missing, texts that changed, failures."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext

from django.db import connection

from embeddings import coverage, indexes, locks, pipeline
from embeddings.models import EmbeddingModel, ProductEmbedding
from embeddings.outages import outlast
from embeddings.overlap import Overlap
from embeddings.planning import through_indexes

# From so many new vectors on, building the HNSW index after them is faster than growing it row by row
# (0.2 to 0.3 ms a row against about 1.4 ms).
BULK_THRESHOLD = 5_000


def remaining(model: EmbeddingModel, scope: pipeline.Scope) -> int:
    """How many rows of the scope will be worked on, failed ones included."""
    waiting, failed = progress(model, scope)
    return waiting + failed


def progress(model: EmbeddingModel, scope: pipeline.Scope) -> tuple[int, int]:
    """How many rows of the scope wait or are worked on, and how many have failed for good."""
    extra, values = scope.sql()
    with through_indexes(), connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT count(e.next_attempt_at), count(*) - count(e.next_attempt_at)
            FROM embeddings_productembedding AS e
            WHERE e.model_id = {model.pk:d} AND {pipeline.UNSETTLED_SQL}{extra}""",
            values,
        )
        waiting, failed = cursor.fetchone()
        return int(waiting), int(failed)


def prepare(model: EmbeddingModel, scope: pipeline.Scope) -> int:
    """Make every row of the scope due now, failed ones included; return how many there are."""
    coverage.complete(model)
    coverage.ensure_rows(model)
    extra, values = scope.sql()
    with connection.cursor() as cursor:
        # Rows on a lease are with a worker already. What is retried goes behind live edits.
        cursor.execute(
            f"""UPDATE embeddings_productembedding AS e
            SET next_attempt_at = statement_timestamp(), attempts = 0, priority = 1
            WHERE e.model_id = {model.pk:d} AND {pipeline.UNSETTLED_SQL}{extra}
                AND (e.next_attempt_at IS NULL OR e.next_attempt_at > statement_timestamp())
                AND (e.lease_until IS NULL OR e.lease_until < statement_timestamp())""",
            values,
        )
    return remaining(model, scope)


def run(
    model: EmbeddingModel,
    scope: pipeline.Scope,
    limit: int | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    batch_size: int | None = None,
    while_indexing: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[pipeline.Outcome]:
    """Work through the scope in this process, yielding the outcome of each batch.

    The HNSW index of a model that has (nearly) no vectors yet is built once, at the end, within
    `while_indexing()`. Killed before that, it leaves the index missing: search scans exactly, and a worker
    (embeddings/upkeep.py), the next backfill or `embedding_models index` builds it.
    """
    with ExitStack() as at_the_end:
        if _is_bulk(model, scope, limit):
            # Held until the index is back. Another process that loads the same model sees to the index itself.
            if at_the_end.enter_context(locks.advisory(locks.loading(model.pk))):
                indexes.drop(model)
                at_the_end.callback(_build, model, while_indexing)
        elif not indexes.state(model)["valid"]:
            at_the_end.callback(_mend, model, while_indexing)
        yield from Overlap(model, scope, should_stop, limit, batch_size).run()


def _build(model: EmbeddingModel, while_indexing: Callable[[], AbstractContextManager[None]]) -> None:
    with while_indexing():
        outlast(indexes.build)(model)


def _mend(model: EmbeddingModel, while_indexing: Callable[[], AbstractContextManager[None]]) -> None:
    with while_indexing():
        outlast(indexes.mend)(model)


def _is_bulk(model: EmbeddingModel, scope: pipeline.Scope, limit: int | None) -> bool:
    coming = remaining(model, scope)
    if limit is not None:
        coming = min(coming, limit)
    if coming < BULK_THRESHOLD:
        return False
    there = ProductEmbedding.objects.filter(model=model, stored_digest__isnull=False).count()
    return there < coming
