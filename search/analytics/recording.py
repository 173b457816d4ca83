"""The buffer between requests and the database.

A request only appends to a list in memory. A thread in the same process writes what is there every second, over a
connection of its own, so that no visitor waits for it and none is refused for it.
"""

import atexit
import logging
import os
import random
import threading
from collections import deque
from datetime import timedelta

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest
from django.utils import timezone
from prometheus_client import Counter

from search.analytics import ids
from search.analytics.models import SearchLog
from search.analytics.records import EventRecord, Record, SearchRecord, write
from search.query import SearchQuery
from search.results import SearchResult

logger = logging.getLogger("nearshelf.search")

INTERVAL_S = 1.0
BATCH = 500
# Two minutes of a busy shop, some megabytes; what is older gives way while the database is away.
CAPACITY = 20_000
# The process that answered the search may write it later than another one hears of the click.
PATIENCE = timedelta(minutes=1)
# How long the end of a process waits for the last batch.
STOP_S = 3.0

_WRITTEN = Counter("nearshelf_search_log_written", "Searches and events that were written down.")
_DROPPED = Counter(
    "nearshelf_search_log_dropped", "Searches and events that were not, for want of a database."
)


class Recorder:
    """A bounded list of records and the thread that writes them, which starts with the first."""

    def __init__(self, interval_s: float = INTERVAL_S, capacity: int = CAPACITY) -> None:
        self._interval_s = interval_s
        self._capacity = capacity
        self.forget()

    def forget(self) -> None:
        """Begin anew, with nothing waiting and no thread."""
        self._waiting: deque[Record] = deque(maxlen=self._capacity)
        self._batch: list[Record] = []  # being written
        self._early: list[EventRecord] = []  # their searches are not written yet
        self._thread: threading.Thread | None = None
        self._starting, self._writing = threading.Lock(), threading.Lock()
        self._wake, self._stopping = threading.Event(), threading.Event()

    def put(self, record: Record) -> None:
        """Have a record written soon. Never waits; the oldest gives way to it where there is no room."""
        if len(self._waiting) == self._capacity:
            _DROPPED.inc()
        self._waiting.append(record)
        if self._thread is None:
            self._start()
        elif len(self._waiting) >= BATCH:
            self._wake.set()

    def flush(self) -> None:
        """Write what is waiting, now; what cannot be written because the database is away goes on waiting."""
        with self._writing:
            self._batch += self._early
            self._early = []
            while self._fill() and self._write_batch():
                pass

    def stop(self) -> None:
        """Write what is left and end the thread; gives up after STOP_S."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="search-log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self._interval_s)
            self._wake.clear()
            if not (self._waiting or self._batch or self._early):
                continue
            try:
                self.flush()
            except Exception:  # the thread must outlive whatever happens
                logger.exception("Searches could not be written down")
            finally:
                connection.close()

    def _fill(self) -> list[Record]:
        """The batch to write, with as many as are there; one that could not be written comes first."""
        while len(self._batch) < BATCH and self._waiting:
            self._batch.append(self._waiting.popleft())
        return self._batch

    def _write_batch(self) -> bool:
        """Write the batch; False where the database is away."""
        try:
            self._written(self._batch, write(self._batch))
        except (OperationalError, InterfaceError) as error:
            logger.warning("Searches wait to be written down; the database is away: %s", error)
            return False
        except DatabaseError:  # one of them is at fault: the others are not to suffer
            for record in self._batch:
                self._write_alone(record)
        self._batch = []
        return True

    def _write_alone(self, record: Record) -> None:
        try:
            self._written([record], write([record]))
        except DatabaseError:
            _DROPPED.inc()
            logger.exception("A %s could not be written down", type(record).__name__)

    def _written(self, records: list[Record], early: list[EventRecord]) -> None:
        oldest = timezone.now() - PATIENCE
        patient = [event for event in early if event.at > oldest]
        self._early += patient
        _DROPPED.inc(len(early) - len(patient))
        _WRITTEN.inc(len(records) - len(early))


recorder = Recorder()
# In a forked process what waits is the parent's, and so is the thread.
os.register_at_fork(after_in_child=lambda: recorder.forget())
atexit.register(lambda: recorder.stop())


def record_search(
    request: HttpRequest, query: SearchQuery, result: SearchResult, source: SearchLog.Source
) -> str | None:
    """Have a visitor's search written down; return the id to hand out, None for a search that is not.

    Whatever goes wrong here is logged, and the search is answered all the same.
    """
    if not settings.SEARCH_LOG or not _is_visitors(request, query):
        return None
    try:
        if random.random() >= settings.SEARCH_LOG_SAMPLE:  # noqa: S311 - no secret
            return None
        search_id = ids.new_id()
        recorder.put(
            SearchRecord(
                id=search_id,
                query=query,
                total=result.total,
                latency_ms=result.timings_ms.get("total", 0.0),
                degraded=result.degraded,
                corrected=result.corrected,
                unmatched=result.unmatched,
                source=source.value,
                at=timezone.now(),
            )
        )
        return ids.sign(search_id)
    except Exception:
        logger.exception("A search could not be written down")
        return None


def _is_visitors(request: HttpRequest, query: SearchQuery) -> bool:
    """Whether somebody looked for something: browsing, explanations and what browsers fetch ahead are no searches."""
    ahead = "prefetch" in request.headers.get("Sec-Purpose", "")
    return bool(query.text.strip()) and not query.explain and request.method != "HEAD" and not ahead
