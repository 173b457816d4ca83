"""The vectors of queries, from when these are known until a vector is needed: meanwhile something else is done."""

import logging
from collections.abc import Sequence
from functools import cached_property

from embeddings.models import EmbeddingModel
from search import encoding
from search.exceptions import EncodingUnavailableError
from search.ranking import Encoded
from search.trace import note_stage
from search.vectors import VectorSpace

logger = logging.getLogger("nearshelf.search")


def model_of(model_id: int | None) -> EmbeddingModel:
    """A live model, or the active one. Raises EncodingUnavailableError."""
    return encoding.active_model() if model_id is None else encoding.live_model(model_id)


class PendingVectors:
    """Texts that are encoded together, from when they are known until one of their vectors is needed."""

    def __init__(self, model_id: int | None, texts: Sequence[str]) -> None:
        self._size = len(texts)
        self._error: EncodingUnavailableError | None = None
        try:
            self._model = model_of(model_id)
            self.vectors = encoding.QueryVectors(self._model, texts)
        except EncodingUnavailableError as error:
            self._error = error

    def begin(self) -> None:
        """Have them encoded, where that can be done."""
        if self._error is None:
            try:
                self.vectors.begin()
            except EncodingUnavailableError as error:
                self._error = error

    @cached_property
    def found(self) -> list[Encoded]:
        """One for each text; None where the model cannot be used."""
        self.begin()
        try:
            if self._error is not None:
                raise self._error
            found = self.vectors.result()
        except EncodingUnavailableError as error:
            logger.warning("Answering from keywords alone: %s", error)
            return [None] * self._size
        note_stage("encode", self.vectors.took_ms)
        return [(VectorSpace.of(self._model), vector) for vector in found]


class PendingVector:
    """The vector of one query, once it is there."""

    def __init__(self, together: PendingVectors | None = None, place: int = 0) -> None:
        """Without anything, it is a query that needs none."""
        self._together = together
        self._place = place

    def begin(self) -> None:
        """Have it made while something else is done."""
        if self._together is not None:
            self._together.begin()

    def __call__(self) -> Encoded:
        """Wait for it."""
        return None if self._together is None else self._together.found[self._place]

    @property
    def took_ms(self) -> float:
        """What it took by now."""
        return self._together.vectors.took_ms if self._together is not None and self() is not None else 0.0
