"""Vectors of queries that were encoded before: in this process, and in Redis for all of them.

Only vectors are kept, never failures.
"""

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt
from django.conf import settings
from redis import Redis

from embeddings.models import EmbeddingModel
from search.redis_client import attempt

Vector = npt.NDArray[np.float32]
Key = tuple[object, ...]

_recent: OrderedDict[Key, Vector] = OrderedDict()
_lock = threading.Lock()


def key_of(model: EmbeddingModel, text: str) -> Key:
    """Everything that makes two vectors comparable, and the text as the encoder sees it."""
    return (
        model.pk,
        model.name,
        model.revision,
        model.dimensions,
        model.query_prompt,
        " ".join(text.split()),
    )


def found(keys: Collection[Key], dimensions: int) -> dict[Key, Vector]:
    """The vectors `(d,)` that are in either place."""
    here = remembered(keys)
    return here | shared([key for key in keys if key not in here], dimensions)


def remembered(keys: Iterable[Key]) -> dict[Key, Vector]:
    """Those vectors `(d,)` that this process has met lately."""
    with _lock:
        met = [key for key in dict.fromkeys(keys) if key in _recent]
        for key in met:
            _recent.move_to_end(key)
        return {key: _recent[key] for key in met}


def remember(vectors: Mapping[Key, Vector]) -> None:
    """Keep vectors in this process, instead of those that nobody asked for the longest."""
    with _lock:
        _recent.update(vectors)
        while len(_recent) > settings.SEARCH_VECTOR_CACHE_SIZE:
            _recent.popitem(last=False)


def forget() -> None:
    """Empty this process's memory."""
    with _lock:
        _recent.clear()


def shared(keys: Sequence[Key], dimensions: int) -> dict[Key, Vector]:
    """Those vectors that some process has put into Redis.

    They are plain numbers there, never pickles, which could run code here.
    """
    if settings.SEARCH_SHARED_CACHE_S <= 0 or not keys:
        return {}
    stored: Sequence[Any] = attempt(lambda redis: redis.mget([_name(key) for key in keys]), otherwise=[])
    return {
        key: np.frombuffer(numbers, dtype="<f4")
        for key, numbers in zip(keys, stored, strict=False)  # none at all where Redis is away
        if isinstance(numbers, bytes) and len(numbers) == 4 * dimensions
    }


def share(vectors: Mapping[Key, Vector]) -> None:
    """Put vectors into Redis for other processes."""
    if settings.SEARCH_SHARED_CACHE_S <= 0 or not vectors:
        return

    def put(redis: Redis) -> None:
        with redis.pipeline(transaction=False) as pipeline:
            for key, vector in vectors.items():
                pipeline.set(_name(key), vector.astype("<f4").tobytes(), ex=settings.SEARCH_SHARED_CACHE_S)
            pipeline.execute()

    attempt(put, otherwise=None)


def _name(key: Key) -> str:
    return "nearshelf:query-vector:" + sha256(repr(key).encode()).hexdigest()
