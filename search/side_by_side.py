"""Parts of one search at the same time, some of them in a second session of PostgreSQL.

PostgreSQL answers a session with one core. Where parts take long and nobody waits for the other cores, a search is
done in less time; where others wait, their searches use the cores as well (docs/benchmarks.md).
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from django.db import Error, connection

from search.server_timing import timing
from search.turns import turns

logger = logging.getLogger("nearshelf.search")

Found = TypeVar("Found")


class SecondSession:
    """A thread that does one thing at a time in its own session, which it gives back after each. One per process."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "second-session")
        self._free = threading.Lock()
        self._pid = os.getpid()

    def belongs_here(self) -> bool:
        """Whether the thread runs in this process; it does not survive a fork."""
        return self._pid == os.getpid()

    def begin(self, work: Callable[[], None]) -> "Future[None] | None":
        """Have it do something; None where it is busy."""
        return self._executor.submit(self._do, work) if self._free.acquire(blocking=False) else None

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            try:
                connection.close()
            finally:
                self._free.release()


class _Parts(Generic[Found]):
    """Parts that two threads take one by one: the one that asks from the front, its helper from the back."""

    def __init__(self, parts: Sequence[Callable[[], Found]]) -> None:
        self._parts = parts
        self._left = deque(range(len(parts)))
        self._found: dict[int, Found] = {}

    def found(self) -> list[Found]:
        """What the parts return, in their order. Raises what they raise."""
        helping: Future[None] | None = None
        try:
            while self._left:
                if len(self._left) > 1 and (helping is None or helping.done()) and may_have_help():
                    helping = _this_process().begin(self._help)
                self._do(self._left.popleft)
        finally:
            self._left.clear()
            if helping is not None:
                with timing("sql"):
                    error = helping.exception()
        if helping is not None and error is not None:
            if not isinstance(error, Error):
                raise error
            logger.warning("The second session of a search failed, so the first does its part: %s", error)
        return [
            self._found[place] if place in self._found else part() for place, part in enumerate(self._parts)
        ]

    def _do(self, take: Callable[[], int]) -> None:
        try:
            place = take()
        except IndexError:  # the other one has taken the last
            return
        self._found[place] = self._parts[place]()

    def _help(self) -> None:
        while self._left:
            self._do(self._left.pop)


def side_by_side(parts: Sequence[Callable[[], Found]]) -> list[Found]:
    """What functions return, in their order, which read from the database and do not need each other.

    Where it may help, a second session does some of them, but not the first. Raises what they raise.
    """
    return _Parts(parts).found()


def may_have_help() -> bool:
    """Whether a second session may help the search of this thread, if it has nothing else to do.

    It could not see what an open transaction has written. Where others wait for a turn, they use the cores. Of the
    pool's sessions one must be at hand: to make one takes longer than it saves.
    """
    if connection.in_atomic_block or turns.are_waited_for:
        return False
    pool = connection.pool  # type: ignore[attr-defined]
    return pool is not None and pool.get_stats().get("pool_available", 0) > 0


_second: SecondSession | None = None
_lock = threading.Lock()


def _this_process() -> SecondSession:
    global _second
    with _lock:
        if _second is None or not _second.belongs_here():
            _second = SecondSession()
        return _second
