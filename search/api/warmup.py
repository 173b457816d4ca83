"""Loads the active model into a web process before the first visitor needs it."""

import gc
import logging
import threading
import time

from django.db import Error as DatabaseError
from django.db import connection
from django.urls import get_resolver

from search import encoding, rerank, samples, similarities
from search.exceptions import EncodingUnavailableError
from search.vectors import VectorSpace

logger = logging.getLogger("nearshelf.search")

# Pauses between attempts, in seconds; the last one repeats.
_PAUSES_S = (1.0, 2.0, 5.0, 15.0)

OBJECTS_BETWEEN_COLLECTIONS = 20_000

_lock = threading.Lock()
_thread: threading.Thread | None = None


def start() -> threading.Thread:
    """Begin to load the active model in the background, if that is not going on already; return at once."""
    global _thread
    with _lock:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_until_warm, name="warm-up", daemon=True)
            _thread.start()
        return _thread


def warm() -> None:
    """Load the active model, encode one query with it, see where its vectors lie and take samples of them.

    Raises EncodingUnavailableError or a database error.
    """
    encoding.warm_up()
    space = VectorSpace.of(encoding.active_model())
    similarities.survey(space)
    samples.samples_of(space)
    rerank.load()


def _until_warm() -> None:
    attempt = 0
    while True:
        try:
            warm()
            _settle()
            return
        except (EncodingUnavailableError, DatabaseError) as error:
            logger.warning("The embedding model cannot be loaded yet: %s", error)
        finally:
            connection.close()
        time.sleep(_PAUSES_S[min(attempt, len(_PAUSES_S) - 1)])
        attempt += 1


def _settle() -> None:
    """Have the garbage collector leave alone what is here to stay.

    Looking through all of it takes 80 ms, in the middle of somebody's request. What a request makes is gone with it:
    looking for cycles 30 times in each took a twentieth of the time.
    """
    _ = get_resolver().url_patterns  # imports every view
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
