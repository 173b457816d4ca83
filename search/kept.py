"""Something about the whole catalogue that takes long to find out and is asked for again and again."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

# Counting 100,000 products takes tens of milliseconds; clients keep the answer for a minute anyway.
KEPT_FOR_S = 5.0

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """What `read` returned `for_s` seconds ago at most (None: KEPT_FOR_S).

    While one thread reads, the others use what is there.
    """

    def __init__(self, read: Callable[[], Value], for_s: float | None = None) -> None:
        self._read = read
        self._for_s = for_s
        self._kept: tuple[float, Value] | None = None
        self._reading = threading.Lock()

    def value(self) -> Value:
        """What is kept, read anew where that is too old. Raises what `read` raises."""
        kept = self._kept
        if kept is not None and (time.monotonic() < kept[0] or self._reading.locked()):
            return kept[1]
        with self._reading:
            if self._kept is None or time.monotonic() >= self._kept[0]:
                self._kept = (
                    time.monotonic() + (KEPT_FOR_S if self._for_s is None else self._for_s),
                    self._read(),
                )
            return self._kept[1]

    def forget(self) -> None:
        """Read anew on the next question."""
        self._kept = None
