"""Work beside a test, as another process of the shop would do it."""

import threading
from collections.abc import Callable

from django.db import connection


def in_background(work: Callable[[], object], delay_s: float = 0.0) -> threading.Thread:
    """Start `work` in a thread with a database session of its own, which it closes; return the thread."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Timer(delay_s, run)
    thread.start()
    return thread
