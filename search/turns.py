"""Who computes when many ask at once: a few searches at a time, in the order in which they came.

A search keeps a core busy from its first to its last step, here or in PostgreSQL. Where eight of them share two cores
step by step, each one's steps wait for those of the others; in turn, most take about as long as before, and the
unlucky ones a fifth less (docs/benchmarks.md).
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from django.conf import settings

from search.server_timing import add_timing

# Nobody waits for longer: one search that takes seconds must not hold up all others.
PATIENCE_S = 0.25


class Turns:
    """Lets so many threads do something at a time; 0: as many as like."""

    def __init__(self, at_once: int, patience_s: float = PATIENCE_S) -> None:
        self._at_once = at_once
        self._patience_s = patience_s
        self._taken = 0
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()

    @property
    def are_waited_for(self) -> bool:
        """Whether somebody waits for one."""
        return bool(self._waiting)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, or until patience ends, and have it."""
        if not self._at_once:
            yield
            return
        is_ours = self._wait()
        try:
            yield
        finally:
            if is_ours:
                self._pass_on()

    def _wait(self) -> bool:
        """Whether we have a turn; False where patience has ended."""
        with self._lock:
            if self._taken < self._at_once:
                self._taken += 1
                return True
            ours = threading.Event()
            self._waiting.append(ours)
        began = perf_counter()
        came = ours.wait(self._patience_s)
        add_timing("wait", 1000 * (perf_counter() - began))
        if came:
            return True
        with self._lock:
            if ours.is_set():  # just now
                return True
            self._waiting.remove(ours)
            return False

    def _pass_on(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken -= 1


turns = Turns(settings.SEARCHES_AT_ONCE)
