"""Bring a model's vectors up to date in one go: rows that are missing, texts that changed, failures."""

from collections.abc import Callable, Iterator

from django.db import connection

from embeddings import coverage, indexes, pipeline
from embeddings.models import EmbeddingModel, ProductEmbedding

# From so many new vectors on, building the HNSW index after them is faster than growing it row by row
# (0.2 to 0.3 ms a row against about 1.4 ms).
BULK_THRESHOLD = 5_000


def remaining(model: EmbeddingModel, scope: pipeline.Scope) -> int:
    """How many rows of the scope will be worked on."""
    extra, values = scope.sql()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT count(*) FROM embeddings_productembedding AS e
            WHERE e.model_id = {model.pk:d} AND {pipeline.UNSETTLED_SQL}{extra}""",
            values,
        )
        return int(cursor.fetchone()[0])


def prepare(model: EmbeddingModel, scope: pipeline.Scope) -> int:
    """Make every row of the scope due now, failed ones included; return how many there are."""
    coverage.complete(model)
    coverage.ensure_rows(model)
    extra, values = scope.sql()
    with connection.cursor() as cursor:
        # Rows on a lease are with a worker already.
        cursor.execute(
            f"""UPDATE embeddings_productembedding AS e
            SET next_attempt_at = statement_timestamp(), attempts = 0
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
) -> Iterator[pipeline.Outcome]:
    """Work through the scope in this process, yielding the outcome of each batch.

    The HNSW index of a model that has (nearly) no vectors yet is built once, at the end.
    """
    bulk = _is_bulk(model, scope, limit)
    if bulk:
        indexes.drop(model)
    try:
        yield from pipeline.batches(model, scope, should_stop, limit)
    finally:
        if bulk:
            indexes.build(model)


def _is_bulk(model: EmbeddingModel, scope: pipeline.Scope, limit: int | None) -> bool:
    coming = remaining(model, scope)
    if limit is not None:
        coming = min(coming, limit)
    if coming < BULK_THRESHOLD:
        return False
    there = ProductEmbedding.objects.filter(model=model, stored_digest__isnull=False).count()
    return there < coming
