"""How long each step of an answer took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Times the steps of one answer, in milliseconds. Steps may overlap."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._steps = {"encode": 0.0, "retrieve": 0.0}

    @contextmanager
    def timing(self, step: str) -> Iterator[None]:
        """Add what happens inside to a step."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(step, 1000 * (time.perf_counter() - started))

    def add(self, step: str, ms: float) -> None:
        """Add what went on beside other steps."""
        self._steps[step] = self._steps.get(step, 0.0) + ms

    def read(self) -> dict[str, float]:
        """Milliseconds by step, and `total` since the start."""
        total = 1000 * (time.perf_counter() - self._started)
        return {step: round(value, 2) for step, value in {**self._steps, "total": total}.items()}
