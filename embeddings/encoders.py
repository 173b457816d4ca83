"""Encoders turn texts into vectors. This module says what one is and hands out the process's instance of each.

Loading takes seconds and hundreds of megabytes, so each model is loaded once per process and stays.
"""

import importlib.util
import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from django.conf import settings

from embeddings.exceptions import DimensionMismatchError, EmbeddingError, ModelUnavailableError

if TYPE_CHECKING:
    from embeddings.models import EmbeddingModel

logger = logging.getLogger("nearshelf.embeddings")

Vectors = npt.NDArray[np.float32]


class Encoder(ABC):
    """Makes unit vectors of texts with one model. Instances may be used from several threads."""

    #: torch or openvino, with precision; said in the status and the benchmarks.
    runtime: str
    #: Length of a vector.
    dimensions: int
    #: The most tokens the model reads of a text.
    window: int
    query_prompt: str = ""
    document_prompt: str = ""

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return `(n, dimensions)` float32, unit length. Raises ModelUnavailableError."""

    @abstractmethod
    def count_tokens(self, text: str) -> int:
        """How many tokens `text` has, before it is cut to the window."""

    def has_word(self, word: str) -> bool:
        """Whether the model's vocabulary has a word as a whole: then it is one, and no slip of the fingers."""
        return False

    def encode_documents(self, texts: Sequence[str], batch_size: int | None = None) -> Vectors:
        """Vectors `(n, dimensions)` of product texts, encoded in batches of similar length.

        A batch is padded to its longest text, so sorting by length saves most of the padding.
        """
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        size = batch_size or settings.EMBEDDING_BATCH_SIZE
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            vectors[batch] = self.encode([self.document_prompt + texts[index] for index in batch])
        return vectors

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors `(n, dimensions)` of queries."""
        return self.encode([self.query_prompt + text for text in texts])


_encoders: dict[tuple[object, ...], Encoder] = {}
_locks: dict[tuple[object, ...], threading.Lock] = {}
_registry_lock = threading.Lock()


def _key(model: "EmbeddingModel") -> tuple[object, ...]:
    return (model.pk, model.name, model.revision, model.dimensions, model.query_prompt, model.document_prompt)


def loaded(model: "EmbeddingModel") -> bool:
    """Whether this process has the model in memory."""
    return _key(model) in _encoders


def encoder_for(model: "EmbeddingModel") -> Encoder:
    """Return this process's encoder for a model's row, loading it on first use.

    Raises ModelUnavailableError when it cannot be loaded and DimensionMismatchError when it does not make the
    vectors that the row promises; the next call tries again.
    """
    key = _key(model)
    if encoder := _encoders.get(key):
        return encoder
    with _registry_lock:
        lock = _locks.setdefault(key, threading.Lock())
    with lock:
        if key not in _encoders:
            encoder = load_encoder(model.name, model.revision)
            if encoder.dimensions != model.dimensions:
                raise DimensionMismatchError(
                    f"The model {model.name} makes vectors of {encoder.dimensions} dimensions, but its row says "
                    f"{model.dimensions}. Add it anew with `manage.py embedding_models add {model.name}`."
                )
            encoder.query_prompt, encoder.document_prompt = model.query_prompt, model.document_prompt
            _encoders[key] = encoder
    return _encoders[key]


def unload_encoders() -> None:
    """Drop every loaded model, so that the next use loads it afresh."""
    _encoders.clear()


def load_encoder(name: str, revision: str = "") -> Encoder:
    """Load the model of this name or path with the runtime that the settings and the machine call for.

    Raises ModelUnavailableError with a sentence on what to do.
    """
    runtime = _runtime()
    if runtime == "openvino":
        try:
            return _load("openvino", name, revision)
        except ModelUnavailableError as error:
            if settings.EMBEDDING_RUNTIME != "auto":
                raise
            encoder = _load("torch", name, revision)
            # Said only now: where torch fails too, its error is what there is to say.
            logger.warning("%s Using torch instead.", error)
            return encoder
    return _load("torch", name, revision)


def _load(runtime: str, name: str, revision: str) -> Encoder:
    """Load with one runtime. Raises ModelUnavailableError."""
    try:
        if runtime == "openvino":
            from embeddings.openvino_encoder import OpenVinoEncoder

            return OpenVinoEncoder(name, revision)
        from embeddings.torch_encoder import TorchEncoder

        return TorchEncoder(name, revision)
    except EmbeddingError:
        raise
    except Exception as error:  # loading runs libraries that raise whatever they like
        raise ModelUnavailableError(
            f"The embedding model {name} cannot be loaded with {runtime} ({type(error).__name__}: {error}). "
            "Check that its files are there and readable, then run `manage.py check`."
        ) from error


def _runtime() -> str:
    """openvino or torch, as EMBEDDING_RUNTIME and EMBEDDING_DEVICE say; `auto` looks at the machine."""
    wanted = settings.EMBEDDING_RUNTIME
    if wanted in ("openvino", "torch"):
        return wanted
    if wanted != "auto":
        raise ModelUnavailableError(f"EMBEDDING_RUNTIME is {wanted!r}; use auto, openvino or torch.")
    # Looked up without importing torch, which alone takes seconds and 400 MB.
    has_gpu = settings.EMBEDDING_DEVICE == "auto" and Path("/dev/nvidia0").exists()
    on_cpu = settings.EMBEDDING_DEVICE in ("auto", "cpu") and not has_gpu
    return "openvino" if on_cpu and importlib.util.find_spec("openvino") else "torch"


def threads() -> int:
    """How many threads one encoder computes with."""
    return settings.EMBEDDING_THREADS or os.cpu_count() or 1
