"""The worker process: answers the bell, and looks for work by itself when no bell rings."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import SimpleWorker
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.worker.base import StopRequested

from embeddings import additions, bell, jobs, runs, samples, upkeep
from embeddings.encoders import encoder_for
from embeddings.exceptions import EmbeddingError, ModelUnavailableError
from embeddings.models import EmbeddingModel

logger = logging.getLogger("nearshelf.embeddings")

REDIS_RETRY_S = 2.0
# RQ lets a command take this long, less five seconds, before it believes that Redis is gone.
WORKER_TTL_S = 45
UPKEEP_S = 5.0
PROGRESS_S = 5.0
ADDITIONS_S = 2.0


class EmbeddingWorker(SimpleWorker):
    """An RQ worker that keeps its model in memory (no fork per job) and runs nothing but the allowed jobs."""

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run an allowed job; drop any other message before anything it names is imported or called."""
        if reason := refusal(job):
            logger.warning("Refused a message in the queue %s: %s.", queue.name, reason)
            job.delete()
            return
        close_old_connections()
        super().execute_job(job, queue)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Also have a running drain stop after its batch."""
        jobs.stopping.set()
        super().request_stop(signum, frame)

    def check_for_suspension(self, burst: bool) -> None:
        """Called before each wait for a message: also notice a stop that came while no handler listened."""
        if jobs.stopping.is_set():
            raise StopRequested
        super().check_for_suspension(burst)

    def teardown(self) -> None:
        """Sign off from Redis in a moment or not at all; the entry of a worker that did not expires by itself."""
        pool = self.connection.connection_pool
        pool.connection_kwargs |= {
            "socket_timeout": settings.REDIS_TIMEOUT_S,
            "socket_connect_timeout": settings.REDIS_TIMEOUT_S,
        }
        pool.reset()  # connections that are open keep the timeout they were made with
        with suppress(RedisError, OSError):
            super().teardown()


def refusal(job: Job) -> str:
    """Why a message may not be run; empty where it may.

    RQ messages can name callbacks and webhooks as well as the function: none of them is wanted here.
    """
    try:
        if job.func_name not in jobs.ALLOWED_JOBS:
            return f"it calls {job.func_name!r}"
        if job.args or job.kwargs or job.instance is not None:
            return "it carries arguments"
    except Exception as error:  # a forged payload may break the decoder in any way
        return f"it cannot be read ({type(error).__name__})"
    named = ("_success_callback_name", "_failure_callback_name", "_stopped_callback_name", "webhooks")
    if any(getattr(job, name, None) for name in named):
        return "it names callbacks"
    return ""


def run(burst: bool = False) -> None:
    """Work until SIGTERM or SIGINT; with `burst` until nothing is due.

    Redis may be away at any time: the reconciler thread works from PostgreSQL alone.
    """
    jobs.stopping.clear()
    if burst:
        while jobs.work():
            pass
        return
    _install_signals()
    reconciler = threading.Thread(target=_reconcile_forever, name="reconciler", daemon=True)
    reconciler.start()
    complain = _Complaints()
    # Apart from the reconciler and each other: a large index takes minutes to build, or a model to fetch from the
    # hub, and edits go on meanwhile.
    for name, work, interval_s in (
        ("upkeep", upkeep.mend, UPKEEP_S),
        ("additions", additions.work, ADDITIONS_S),
        ("progress", runs.note_queue_runs, PROGRESS_S),
        ("samples", samples.sample, samples.INTERVAL_S),
        *((sideline.name, sideline.do, sideline.interval_s) for sideline in upkeep.SIDELINES),
    ):
        threading.Thread(target=_repeat, args=(work, interval_s), name=name, daemon=True).start()
    while not jobs.stopping.is_set():
        try:
            # Asked on a connection that gives up quickly, which the worker's own does not.
            bell.rope(settings.REDIS_URL).connection.ping()
            complain.settle()
            _listener().work(logging_level="WARNING")
        except (RedisError, OSError) as error:
            complain(f"Redis cannot be reached ({error}); working without the bell.")
        _install_signals()
        jobs.stopping.wait(REDIS_RETRY_S)
    reconciler.join()
    connection.close()
    if jobs.recycling.is_set():
        logger.info("Starting afresh after %d batches.", settings.EMBEDDING_RECYCLE_BATCHES)
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - our own command line, no shell


def _listener() -> EmbeddingWorker:
    """An RQ worker on a connection of its own, which waits for messages longer than others wait for answers."""
    connection = Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=settings.REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    queue = Queue(bell.QUEUE, connection=connection, serializer=JSONSerializer)
    return EmbeddingWorker([queue], connection=connection, serializer=JSONSerializer, worker_ttl=WORKER_TTL_S)


def _install_signals() -> None:
    """RQ leaves its own handlers behind when it returns; ours work whether it runs or not."""

    def stop(signum: int, frame: FrameType | None) -> None:
        jobs.stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _reconcile_forever() -> None:
    """Look for due rows every second: lost bells, expired leases, rows written by raw SQL, retries."""
    complain = _Complaints()
    while not jobs.stopping.is_set():
        try:
            close_old_connections()
            encoder_for(EmbeddingModel.objects.active())  # preloaded, so that the first save finds it warm
            jobs.reconcile()
            complain.settle()
        except ModelUnavailableError as error:
            complain(str(error))
        except EmbeddingModel.DoesNotExist:
            complain("No embedding model is active. Run `manage.py embedding_models activate ID`.")
        except (OperationalError, InterfaceError) as error:
            complain(f"PostgreSQL cannot be reached: {error}")
            connection.close()
        except Exception as error:  # were the thread to end here, nobody would look for work any more
            complain(f"Looking for work failed ({type(error).__name__}: {error}).", with_traceback=True)
            connection.close()
        jobs.stopping.wait(settings.EMBEDDING_RECONCILE_S)
    connection.close()
    if jobs.recycling.is_set():
        os.kill(os.getpid(), signal.SIGTERM)  # the main thread may be waiting for a message


def _repeat(work: Callable[[], object], interval_s: float) -> None:
    """Do something beside the rows again and again. Not waited for at the end: building an index takes its time."""
    while not jobs.stopping.wait(interval_s):
        try:
            close_old_connections()
            work()
        except (DatabaseError, EmbeddingError) as error:
            logger.warning("%s failed, and is tried again: %s", threading.current_thread().name, error)
            connection.close()
    connection.close()


class _Complaints:
    """Logs a lasting trouble once, and again each ten minutes, instead of at every look."""

    INTERVAL_S = 600.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: tuple[str, float] | None = None

    def __call__(self, message: str, with_traceback: bool = False) -> None:
        now = self._clock()
        if self._last is None or self._last[0] != message or now - self._last[1] > self.INTERVAL_S:
            logger.error("%s", message, exc_info=with_traceback)
            self._last = (message, now)

    def settle(self) -> None:
        """The trouble is over."""
        if self._last is not None:
            logger.info("Working again.")
            self._last = None


def alive() -> list[dict[str, Any]]:
    """The workers that Redis has heard of lately: name, host, state, last heartbeat. Raises RedisError."""
    workers = EmbeddingWorker.all(queue=bell.rope(settings.REDIS_URL))
    return [
        {"name": w.name, "host": w.hostname, "state": w.get_state(), "last_heartbeat": w.last_heartbeat}
        for w in workers
    ]
