"""The bell: tells a worker through Redis that there is work. Losing a ring loses no work.

PostgreSQL holds what is to be done and every worker looks there by itself; the bell only saves the wait. So a
ring may fail, but it may never fail, hold up or roll back the save that rang.
"""

import logging
import time
from functools import cache

from django.conf import settings
from django.db import transaction
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer

logger = logging.getLogger("nearshelf.embeddings")

QUEUE = "embeddings"
DRAIN_JOB = "embeddings.jobs.drain"
# After a failed ring nobody tries for so long: a burst of saves pays a black-holed Redis only once.
SILENCE_S = 5.0
FAILURE_TTL_S = 3600

_silent_until = 0.0


def ring_on_commit() -> None:
    """Ring when the current transaction has committed; at once where there is none."""
    transaction.on_commit(ring, robust=True)


def listen() -> None:
    """Forget that Redis was away: the next ring tries it."""
    global _silent_until
    _silent_until = 0.0


def ring() -> bool:
    """Enqueue a drain job unless one is waiting already; return whether Redis was reached.

    A waiting job will start after this moment, and so see whatever was committed before it.
    """
    global _silent_until
    if time.monotonic() < _silent_until:
        return False
    try:
        queue = rope(settings.REDIS_URL)
        if queue.count == 0:
            queue.enqueue(DRAIN_JOB, result_ttl=0, failure_ttl=FAILURE_TTL_S)
    except (RedisError, OSError) as error:
        _silent_until = time.monotonic() + SILENCE_S
        logger.warning("Redis cannot be reached (%s); workers find the work by themselves.", error)
        return False
    return True


@cache
def rope(url: str) -> Queue:
    """The queue, on a connection that gives up quickly.

    The client's own retries would multiply the timeout, and django-rq's connections take neither from the
    settings when they are given as a URL.
    """
    timeout = settings.REDIS_TIMEOUT_S
    connection = Redis.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
    )
    return Queue(QUEUE, connection=connection, serializer=JSONSerializer)
