"""What a worker mends beside its rows: products a new model does not know yet, indexes that a dead process left."""

import logging
from contextlib import suppress

from embeddings import coverage, indexes, runs
from embeddings.exceptions import IndexBusyError
from embeddings.models import EmbeddingModel, ProductEmbedding

logger = logging.getLogger("nearshelf.embeddings")

# While so many rows of a model that is being built still wait, its index would only slow their storing down.
INDEX_WHEN_WAITING = 1_000
_PATIENCE_S = 2.0


def mend() -> None:
    """Look at every live model once. Costs milliseconds where nothing is amiss; must run outside a transaction."""
    for model in EmbeddingModel.objects.live():
        if model.rows_checked_at is None:
            coverage.complete(model, _PATIENCE_S)
        if model.state == EmbeddingModel.State.ACTIVE or not _filling(model):
            with suppress(IndexBusyError):  # the next look finds it built, or builds it
                if indexes.mend(model, wait_s=0):
                    logger.info("Built the index of %s.", model)
    runs.note_queue_runs()


def _filling(model: EmbeddingModel) -> bool:
    waiting = ProductEmbedding.objects.filter(model=model).waiting()
    return waiting[: INDEX_WHEN_WAITING + 1].count() > INDEX_WHEN_WAITING
