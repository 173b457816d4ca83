"""Redis as something that may be away: a request asks it once and then leaves it alone for a while."""

import logging
import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

logger = logging.getLogger("nearshelf.search")

# How long Redis is not asked after it failed: of all requests meanwhile, none waits for its timeout.
PAUSE_S = 5.0

T = TypeVar("T")

_paused_until = 0.0


@cache
def client(url: str) -> Redis:
    """This process's client; redis-py's own retries would keep a request waiting for seconds."""
    return Redis.from_url(
        url,
        socket_timeout=settings.REDIS_TIMEOUT_S,
        socket_connect_timeout=settings.REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


def attempt(action: Callable[[Redis], T], otherwise: T) -> T:
    """Return what `action` gets from Redis, or `otherwise` when Redis is away, without waiting for it twice."""
    global _paused_until
    if time.monotonic() < _paused_until:
        return otherwise
    try:
        return action(client(settings.REDIS_URL))
    except (RedisError, OSError) as error:
        _paused_until = time.monotonic() + PAUSE_S
        logger.warning("Redis cannot be reached (%s); going on without it for %g s.", error, PAUSE_S)
        return otherwise


def try_again() -> None:
    """End a pause early."""
    global _paused_until
    _paused_until = 0.0
