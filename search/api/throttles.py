"""How many requests a client may make: counted in Redis, so that all processes count together."""

import hashlib
import re
import time
from functools import cache
from typing import Any

from django.conf import settings
from redis import Redis
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from search.redis_client import attempt

_PERIODS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_RATE = re.compile(r"(\d{1,9})/(s|sec|second|m|min|minute|h|hour|d|day)")


@cache
def parse_rate(rate: str) -> tuple[int, int] | None:
    """`300/min` as (300 requests, 60 seconds); None for an empty rate, which is no limit.

    Raises ValueError for anything else.
    """
    if not rate:
        return None
    if not (match := _RATE.fullmatch(rate.strip())) or not int(match[1]):
        raise ValueError(f"“{rate}” is not a rate such as 300/min.")
    return int(match[1]), _PERIODS[match[2][0]]


class ClientThrottle(BaseThrottle):
    """Counts a client's requests in windows of fixed length. Lets everyone in while Redis is away.

    A view's `throttle_scope` names the setting, `SEARCH_THROTTLE_<SCOPE>`; without one it is ANON or USER.
    """

    def __init__(self) -> None:
        self._wait: float | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count this request; return whether it is within the client's rate."""
        known = request.user is not None and request.user.is_authenticated
        scope = getattr(view, "throttle_scope", None) or ("user" if known else "anon")
        if not (rate := parse_rate(getattr(settings, f"SEARCH_THROTTLE_{scope.upper()}"))):
            return True
        allowed, period_s = rate
        client = f"user {request.user.pk}" if known else f"address {self.get_ident(request)}"
        now = time.time()
        window = int(now // period_s)
        # An address may be a header's text, of any length.
        digest = hashlib.sha256(client.encode(errors="replace")).hexdigest()[:32]
        count = _count(f"nearshelf:throttle:{scope}:{window}:{digest}", period_s)
        self._wait = (window + 1) * period_s - now
        return count <= allowed

    def wait(self) -> float | None:
        """Seconds until the client's window ends."""
        return self._wait


def _count(key: str, period_s: int) -> int:
    """Requests under this key, this one included; 0 while Redis is away."""

    def increment(redis: Redis) -> int:
        pipeline: Any = redis.pipeline(transaction=False)
        count, _ = pipeline.incr(key).expire(key, period_s + 1).execute()
        return int(count)

    return attempt(increment, otherwise=0)
