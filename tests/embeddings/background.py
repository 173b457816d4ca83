"""Work beside a test, as another process of the shop would do it."""

import threading
import time
from collections.abc import Callable

from django.db import connection

PATIENCE_S = 30.0


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


def wait_until_blocked(count: int = 1) -> None:
    """Return once so many sessions wait for a lock."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if cursor.fetchone()[0] >= count:
                return
        assert time.monotonic() < deadline, "nobody waits for a lock"
        time.sleep(0.01)
