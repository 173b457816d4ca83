"""What a worker mends beside its rows: products a new model does not know yet, indexes that a dead process left."""

import logging

from embeddings import coverage, indexes, locks
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
        if not indexes.state(model)["valid"]:
            _build_index(model)


def _build_index(model: EmbeddingModel) -> None:
    """Build a model's index, unless someone loads its vectors or builds already, or most are still to come."""
    if model.state != EmbeddingModel.State.ACTIVE and _filling(model):
        return
    with locks.advisory(locks.loading(model.pk)) as free:
        if not free:
            return
        try:
            indexes.build(model, wait_s=0)
        except IndexBusyError:
            return
        logger.info("Built the index of %s.", model)


def _filling(model: EmbeddingModel) -> bool:
    waiting = ProductEmbedding.objects.filter(model=model).waiting()
    return waiting[: INDEX_WHEN_WAITING + 1].count() > INDEX_WHEN_WAITING
