"""What a worker does beside its rows: models that are to be removed, products a new model does not know yet, indexes
that a dead process left.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from embeddings import coverage, indexes, locks, model_registry
from embeddings.exceptions import IndexBusyError, ModelStateError
from embeddings.models import EmbeddingModel, ProductEmbedding
from embeddings.planning import through_indexes

logger = logging.getLogger("nearshelf.embeddings")

# While so many rows of a model that is being built still wait, its index would only slow their storing down.
INDEX_WHEN_WAITING = 1_000
_PATIENCE_S = 2.0
SHORTEST_REST_S = 15.0


@dataclass
class Chore:
    """Something another app wants done now and then in the worker. It rests ten times as long as it takes."""

    do: Callable[[], object]
    due: float = 0.0

    def run(self) -> None:
        """Do it if it is due."""
        started = time.monotonic()
        if started < self.due:
            return
        self.do()
        now = time.monotonic()
        self.due = now + max(SHORTEST_REST_S, 10 * (now - started))


CHORES: list[Chore] = []


@dataclass(frozen=True)
class Sideline:
    """Work of another app that may take minutes: each worker gives it a thread of its own."""

    name: str
    do: Callable[[], object]
    interval_s: float


SIDELINES: list[Sideline] = []


def mend() -> None:
    """Look at every model once. Costs milliseconds where nothing is amiss; must run outside a transaction."""
    for model in EmbeddingModel.objects.filter(removal_wanted_at__isnull=False):
        _remove(model)
    for model in EmbeddingModel.objects.live():
        if model.rows_checked_at is None:
            coverage.complete(model, _PATIENCE_S)
        if model.state == EmbeddingModel.State.ACTIVE or not _filling(model):
            with suppress(IndexBusyError):  # the next look finds it built, or builds it
                if indexes.mend(model, wait_s=0):
                    logger.info("Built the index of %s.", model)
        if model.index_rebuild_wanted_at is not None:
            _rebuild_index(model)
    for chore in CHORES:
        chore.run()


def _rebuild_index(model: EmbeddingModel) -> None:
    """Do what someone asked for in the admin; whoever is busy with indexes now is not waited for."""
    with locks.advisory(locks.loading(model.pk)) as free:
        if not free:
            return
        try:
            indexes.rebuild(model, wait_s=0)
        except IndexBusyError:
            return
    # Not where someone asked again meanwhile.
    asked = EmbeddingModel.objects.filter(pk=model.pk, index_rebuild_wanted_at=model.index_rebuild_wanted_at)
    asked.update(index_rebuild_wanted_at=None)
    logger.info("Built the index of %s anew.", model)


def _remove(model: EmbeddingModel) -> None:
    """Do what someone asked for in the admin; where something is in the way, the next look tries again."""
    with locks.advisory(locks.loading(model.pk)) as free:
        if not free:
            return
        try:
            deleted = model_registry.remove_model(model, _PATIENCE_S)
        except (IndexBusyError, ModelStateError) as error:
            logger.info("%s is not removed yet: %s", model, error)
            return
    logger.info("Removed %s with %d vectors.", model, deleted)


def _filling(model: EmbeddingModel) -> bool:
    waiting = ProductEmbedding.objects.filter(model=model).waiting()
    with through_indexes():
        return waiting[: INDEX_WHEN_WAITING + 1].count() > INDEX_WHEN_WAITING
