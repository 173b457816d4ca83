"""What happened to one query on its way through the engine: how long each stage took, and the route to its vectors.

Stages are marked where they happen; while nobody traces, a mark does nothing. A stage inside another one counts as a
part of that.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum


class Route(StrEnum):
    """How the nearest vectors were found."""

    EXACT = "exact"  # every row that the filters keep and that can be among the nearest was compared
    INDEX = "index"  # the HNSW graph was walked
    FALLBACK = "index, then exact"  # the walk came back short, so rows were compared after all


@dataclass
class Trace:
    """Milliseconds by stage, in the order in which the stages began, and the semantic leg's route."""

    stages_ms: dict[str, float] = field(default_factory=dict)
    route: Route | None = None  # None: no vectors were compared
    stage: str = ""  # that is going on


_trace: ContextVar[Trace | None] = ContextVar("search_trace", default=None)


@contextmanager
def tracing() -> Iterator[Trace]:
    """Trace what this thread asks the engine inside the block."""
    trace = Trace()
    token = _trace.set(trace)
    try:
        yield trace
    finally:
        _trace.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Add what happens inside to a stage; also a decorator."""
    trace = _trace.get()
    if trace is None or trace.stage:
        yield
        return
    trace.stage = name
    began = time.perf_counter()
    try:
        yield
    finally:
        trace.stages_ms[name] = trace.stages_ms.get(name, 0.0) + 1000 * (time.perf_counter() - began)
        trace.stage = ""


def note_stage(name: str, ms: float) -> None:
    """Add what went on beside other stages to one of its own."""
    trace = _trace.get()
    if trace is not None:
        trace.stages_ms[name] = trace.stages_ms.get(name, 0.0) + ms


def took(route: Route) -> None:
    """Note the route of the result set itself, which is the first to be found; those of facets' wider sets follow."""
    trace = _trace.get()
    if trace is not None and trace.route is None:
        trace.route = route
