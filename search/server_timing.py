"""The Server-Timing header: where the time of a request went, for browsers' tools and the benchmark.

Off by default, for it tells strangers how the shop is made: SERVER_TIMING turns it on.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.db import connection
from django.http import HttpRequest, HttpResponse

_steps: ContextVar[dict[str, float] | None] = ContextVar("server_timing", default=None)


@contextmanager
def timing(step: str) -> Iterator[None]:
    """Add what happens inside to a step of this request, where requests are timed."""
    if _steps.get() is None:
        yield
        return
    began = time.perf_counter()
    try:
        yield
    finally:
        add_timing(step, 1000 * (time.perf_counter() - began))


def add_timing(step: str, ms: float) -> None:
    """Add milliseconds to a step of this request, where requests are timed."""
    steps = _steps.get()
    if steps is not None:
        steps[step] = steps.get(step, 0.0) + ms


class ServerTimingMiddleware:
    """Sends the milliseconds of `encode`, `sql` and the whole of each request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.SERVER_TIMING:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        steps: dict[str, float] = {}
        token = _steps.set(steps)
        try:
            with connection.execute_wrapper(_timed):
                response = self.get_response(request)
        finally:
            _steps.reset(token)
        steps["total"] = 1000 * (time.perf_counter() - began)
        response.headers["Server-Timing"] = ", ".join(f"{step};dur={ms:.3f}" for step, ms in steps.items())
        return response


def _timed(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    with timing("sql"):
        return execute(sql, params, many, context)
