"""PostgreSQL going away in the middle of a step: the step is done again when it is back."""

import logging
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger("nearshelf.embeddings")

# A step that itself brings PostgreSQL down must not do so for ever.
ATTEMPTS = 3
PAUSE_S = 0.2
# SQLSTATEs of a lost connection and of a server that goes down or comes up; client libraries give none.
OUTAGE_CODES = ("08", "57P01", "57P02", "57P03")

# Set when the process is to end: nobody waits for PostgreSQL then.
ending = threading.Event()

_P = ParamSpec("_P")
_R = TypeVar("_R")


def outlast(step: Callable[_P, _R]) -> Callable[_P, _R]:
    """`step`, done again on a new connection where PostgreSQL was lost; it is waited for as long as a lease lasts.

    The step may have been done already when the connection broke, so twice must be as good as once. Raises the
    error of the step; at once where a new connection would not help, as within a transaction.
    """

    @wraps(step)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        for _ in range(ATTEMPTS - 1):
            try:
                return step(*args, **kwargs)
            except (OperationalError, InterfaceError) as error:
                if connection.in_atomic_block or not _is_outage(error):
                    raise
                logger.warning(
                    "PostgreSQL was lost (%s). Waiting for it; nothing is lost.", str(error).strip()
                )
                if not _is_back():
                    raise
        return step(*args, **kwargs)

    return run


def _is_outage(error: Exception) -> bool:
    """Whether PostgreSQL was away, and not just busy or asked for something it refuses.

    The connection itself does not tell: Django may have replaced it while the transaction was rolled back.
    """
    code = getattr(error.__cause__, "sqlstate", None)
    return code is None or code.startswith(OUTAGE_CODES)


def _is_back() -> bool:
    """Wait for a new connection; False where there is none within a lease, or the process is to end."""
    deadline = time.monotonic() + settings.EMBEDDING_LEASE_S
    while not ending.is_set() and time.monotonic() < deadline:
        connection.close()
        try:
            connection.ensure_connection()
        except (OperationalError, InterfaceError):
            ending.wait(PAUSE_S)
        else:
            return True
    return False
