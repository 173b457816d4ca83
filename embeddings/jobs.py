"""The functions that workers run for RQ messages. They take no arguments: what to do stands in PostgreSQL."""

import threading
import time

from django.conf import settings
from django.db import Error as DatabaseError

from embeddings import bell, outages, pipeline
from embeddings.exceptions import ModelUnavailableError

#: Names that a message may call; anything else is refused unread.
ALLOWED_JOBS = frozenset({bell.DRAIN_JOB})

# A job that lasted for the whole of a large import would look dead to RQ; it hands over to the next one.
MAX_SECONDS = 20.0

# Set when the process is asked to end: a drain stops after the batch it is at.
stopping = outages.ending
# Set together with `stopping` when the process is to start afresh.
recycling = threading.Event()
# One drain at a time per process: the job's and the reconciler's would only compete for the cores.
_working = threading.Lock()
_batches = 0


def drain() -> int:
    """What a message calls: `work()`, silent about trouble that the reconciler meets too, and tells of."""
    try:
        return work()
    except (ModelUnavailableError, DatabaseError):
        return 0


def work() -> int:
    """Work on what is due for at most MAX_SECONDS; return how many rows were settled.

    Raises ModelUnavailableError.
    """
    with _working:
        return _drain()


def reconcile() -> int:
    """`work()`, unless a job is at it already."""
    if not _working.acquire(blocking=False):
        return 0
    try:
        return _drain()
    finally:
        _working.release()


def _drain() -> int:
    deadline = time.monotonic() + MAX_SECONDS

    def should_stop() -> bool:
        return stopping.is_set() or time.monotonic() > deadline

    outcome = pipeline.drain(should_stop)
    _count(outcome.batches)
    if time.monotonic() > deadline and not stopping.is_set():
        bell.ring()
    return outcome.stored + outcome.failed


def _count(batches: int) -> None:
    """Have the process start afresh when it has done its share."""
    global _batches
    _batches += batches
    limit = settings.EMBEDDING_RECYCLE_BATCHES
    if limit and _batches >= limit:
        recycling.set()
        stopping.set()
