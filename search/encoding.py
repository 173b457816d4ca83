"""The vector of a query: from a cache, or from the model within a deadline.

One thread per process owns the encoder's queue and asks Redis. Whoever waits for it can stop waiting. Queries that
arrive while it works are looked up and encoded together as its next batch; so are those of searches that wait for
their turn, for four queries together take little more than twice as long as one.
"""

import logging
import os
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import dataclass, field

from django.conf import settings

from embeddings.encoders import encoder_for, loaded
from embeddings.exceptions import EmbeddingError
from embeddings.models import EmbeddingModel
from search import vector_cache
from search.exceptions import EncodingUnavailableError
from search.server_timing import add_timing
from search.statements import fetch
from search.vector_cache import Key, Vector

logger = logging.getLogger("nearshelf.search")

MAX_BATCH = 32
# A batch takes along queries that are not needed yet until it has so many texts; one fewer are reason enough for one.
TAKEN_ALONG = 4
# How long vectors wait until they are put into Redis together: one by one, that takes four times as long.
SHARE_EVERY_S = 1.0
ACTIVE_MODEL_LASTS_S = 1.0

_MODEL_COLUMNS = [str(field.column) for field in EmbeddingModel._meta.concrete_fields]
_MODEL_SQL = f"SELECT {', '.join(_MODEL_COLUMNS)} FROM embeddings_embeddingmodel"


@dataclass(eq=False)
class _Job:
    model: EmbeddingModel
    texts: Mapping[Key, str]
    done: "Future[dict[Key, Vector]]" = field(default_factory=Future)
    began: float = 0.0
    ended: float | None = None
    looks_up: bool = True  # False: the model is to be used, whatever Redis has
    is_queued: bool = False

    def begin(self) -> None:
        """The encoder's thread will come to it."""
        self.is_queued = True
        self.began = time.monotonic()


class QueryEncoder:
    """Encodes queries in a thread of its own. One instance per process."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._announced: list[_Job] = []  # those that will be needed
        self._lock = threading.Lock()
        self._busy_since: float | None = None
        self._resting_until = 0.0
        self._unshared: dict[Key, Vector] = {}
        self._share_at = 0.0
        self._pid = os.getpid()
        threading.Thread(target=self._work, name="query-encoder", daemon=True).start()

    def warm_up(self, model: EmbeddingModel, timeout_s: float) -> None:
        """Load a model and use it once. Raises EncodingUnavailableError where that fails, or takes longer."""
        job = _Job(model, {vector_cache.key_of(model, "warm"): "warm"}, looks_up=False)
        self._queue(job)
        self.result(job, timeout_s)

    def announce(self, model: EmbeddingModel, texts: Mapping[Key, str], deadline_s: float) -> _Job:
        """Have texts encoded when that costs little, or `begin` is called."""
        job = _Job(model, texts)
        with self._lock:
            if self._is_stuck(deadline_s):
                return job  # `begin` says so; nothing piles up meanwhile
            if _size([job, *self._announced]) < TAKEN_ALONG - 1:
                self._announced.append(job)
            else:
                self._queue(job)
        return job

    def begin(self, job: _Job, deadline_s: float) -> None:
        """Have a job done now. Raises EncodingUnavailableError where that will not be by the deadline."""
        with self._lock:
            if job.is_queued:
                return
            if self._is_stuck(deadline_s):
                raise EncodingUnavailableError(
                    "The embedding model is busy for longer than a query may wait."
                )
            if job in self._announced:
                self._announced.remove(job)
            self._queue(job)

    def _is_stuck(self, deadline_s: float) -> bool:
        now = time.monotonic()
        return now - (self._busy_since or now) > deadline_s

    def _queue(self, job: _Job) -> None:
        job.begin()
        self._jobs.put(job)

    def result(self, job: _Job, deadline_s: float) -> dict[Key, Vector]:
        """The vectors of a job. Raises EncodingUnavailableError `deadline_s` after it began at the latest."""
        try:
            return job.done.result(max(0.0, job.began + deadline_s - time.monotonic()))
        except FutureTimeoutError as error:
            job.done.cancel()
            raise EncodingUnavailableError("The embedding model did not answer in time.") from error
        except Exception as error:
            raise EncodingUnavailableError(str(error)) from error

    def belongs_here(self) -> bool:
        """Whether the thread runs in this process; it does not survive a fork."""
        return self._pid == os.getpid()

    def _work(self) -> None:
        while True:
            jobs = [self._next_job()]
            self._busy_since = time.monotonic()
            with suppress(queue.Empty):
                while _size(jobs) < MAX_BATCH:
                    jobs.append(self._jobs.get_nowait())
            with self._lock:
                while self._announced and _size(jobs) < TAKEN_ALONG:
                    jobs.append(self._announced.pop(0))
                    jobs[-1].begin()
            self._encode_jobs([job for job in jobs if job.done.set_running_or_notify_cancel()])
            self._busy_since = None

    def _next_job(self) -> _Job:
        """Wait for a job; now and then tell the other processes what was encoded here."""
        while True:
            left_s = self._share_at - time.monotonic() if self._unshared else None
            if left_s is not None and left_s <= 0:
                vector_cache.share(self._unshared)
                self._unshared, left_s = {}, None
            try:
                return self._jobs.get(timeout=left_s)
            except queue.Empty:
                continue

    def _encode_jobs(self, jobs: list[_Job]) -> None:
        """Answer jobs of the same model together; a failure reaches everyone who waits for it."""
        while jobs:
            model = jobs[0].model
            together = [job for job in jobs if job.model.pk == model.pk]
            jobs = [job for job in jobs if job.model.pk != model.pk]
            texts = {key: text for job in together for key, text in job.texts.items()}
            asked = {key for job in together if job.looks_up for key in job.texts}
            found = vector_cache.found(asked, model.dimensions)
            made: dict[Key, Vector] = {}
            failure: Exception | None = None
            try:
                made = self._made(model, {key: text for key, text in texts.items() if key not in found})
            except Exception as error:  # whatever the runtime raises, the search must go on
                failure = error
            vectors = found | made
            vector_cache.remember(vectors)
            for job in together:
                _answer(job, vectors, failure)
            if made and not self._unshared:
                self._share_at = time.monotonic() + SHARE_EVERY_S
            self._unshared |= made

    def _made(self, model: EmbeddingModel, texts: Mapping[Key, str]) -> dict[Key, Vector]:
        """Vectors by the model itself, which rests for a while after a failure."""
        if not texts:
            return {}
        if time.monotonic() < self._resting_until:
            raise EncodingUnavailableError("The embedding model has just failed; it is tried again shortly.")
        try:
            return dict(zip(texts, encoder_for(model).encode_queries(list(texts.values())), strict=True))
        except Exception as error:
            if not isinstance(error, EmbeddingError):
                logger.exception("Encoding a query failed")
            self._resting_until = time.monotonic() + settings.SEARCH_MODEL_RETRY_S
            raise


def _size(jobs: Sequence[_Job]) -> int:
    return sum(len(job.texts) for job in jobs)


def _answer(job: _Job, vectors: Mapping[Key, Vector], failure: Exception | None) -> None:
    job.ended = time.monotonic()
    if failure is not None and not vectors.keys() >= job.texts.keys():
        job.done.set_exception(failure)
    else:
        job.done.set_result({key: vectors[key] for key in job.texts})


_encoder: QueryEncoder | None = None
_encoder_lock = threading.Lock()
_active: tuple[float, EmbeddingModel | None] = (0.0, None)


class QueryVectors:
    """Unit vectors `(d,)` float32 of queries, in order: those that no cache has are made.

    Whoever asks can do other things between the steps. Only vectors are remembered, never failures.
    """

    def __init__(self, model: EmbeddingModel, texts: Sequence[str], deadline_s: float | None = None) -> None:
        """Say what will be needed. `deadline_s` defaults to SEARCH_ENCODE_DEADLINE_S."""
        self._deadline_s = settings.SEARCH_ENCODE_DEADLINE_S if deadline_s is None else deadline_s
        self._keys = [vector_cache.key_of(model, text) for text in texts]
        self._found = vector_cache.remembered(self._keys)
        missing = {key: text for key, text in zip(self._keys, texts, strict=True) if key not in self._found}
        self._encoder = _this_process()
        self._job = self._encoder.announce(model, missing, self._deadline_s) if missing else None
        self.took_ms = 0.0  # to make them

    def begin(self) -> None:
        """Have them made now. Raises EncodingUnavailableError."""
        if self._job is not None:
            self._encoder.begin(self._job, self._deadline_s)

    def result(self) -> list[Vector]:
        """Wait for them. Raises EncodingUnavailableError."""
        self.begin()
        if self._job is not None:
            job, self._job = self._job, None
            self._found |= self._encoder.result(job, self._deadline_s)
            self.took_ms = 1000 * ((job.ended or time.monotonic()) - job.began)
            add_timing("encode", self.took_ms)
        return [self._found[key] for key in self._keys]


def query_vectors(
    model: EmbeddingModel, texts: Sequence[str], deadline_s: float | None = None
) -> list[Vector]:
    """Unit vectors `(d,)` float32 of queries, in order. Raises EncodingUnavailableError.

    `deadline_s` defaults to SEARCH_ENCODE_DEADLINE_S.
    """
    return QueryVectors(model, texts, deadline_s).result()


def warm_up(timeout_s: float = 120.0) -> None:
    """Load the active model into this process. Raises EncodingUnavailableError where that fails."""
    model = active_model()
    _this_process().warm_up(model, timeout_s)


def active_model() -> EmbeddingModel:
    """The model that queries are encoded with. Raises EncodingUnavailableError where there is none.

    It is asked for in every search, so that a process looks it up once in ACTIVE_MODEL_LASTS_S. The vectors of the one
    that was active before are still there when another one takes its place.
    """
    global _active
    looked_up, model = _active
    if model is None or time.monotonic() - looked_up > ACTIVE_MODEL_LASTS_S:
        began = time.monotonic()
        # As SQL: the ORM takes ten times as long to say this as PostgreSQL to answer it.
        rows = fetch(f"{_MODEL_SQL} WHERE state = 'active'")
        if not rows:
            raise EncodingUnavailableError("No embedding model is active.")
        model = EmbeddingModel.from_db("default", _MODEL_COLUMNS, rows[0])
        _active = (began, model)
    return model


def live_model(pk: int) -> EmbeddingModel:
    """A model whose vectors are kept up to date. Raises EncodingUnavailableError where it is not, or gone."""
    rows = fetch(f"{_MODEL_SQL} WHERE id = %s AND state <> 'retired'", (pk,))
    if not rows:
        raise EncodingUnavailableError(f"The embedding model {pk} is retired or removed.")
    return EmbeddingModel.from_db("default", _MODEL_COLUMNS, rows[0])


def load_beside(model: EmbeddingModel, wait_s: float) -> None:
    """Load a model into this process without holding up queries that other models encode meanwhile.

    Raises EncodingUnavailableError where it cannot be loaded, or is not there after `wait_s`; it goes on loading.
    """
    if loaded(model):
        return
    loading: Future[object] = Future()

    def load() -> None:
        try:
            loading.set_result(encoder_for(model))
        except Exception as error:  # whatever the runtime raises, it is for the one who waits
            loading.set_exception(error)

    threading.Thread(target=load, name="load-model", daemon=True).start()
    try:
        loading.result(wait_s)
    except FutureTimeoutError as error:
        raise EncodingUnavailableError(f"{model} is being loaded; try again in some seconds.") from error
    except Exception as error:
        raise EncodingUnavailableError(f"{model} cannot be loaded: {error}") from error


def knows_word(word: str) -> bool:
    """Whether the active model has a word in its vocabulary; False while it is not in memory."""
    try:
        model = active_model()
    except EncodingUnavailableError:
        return False
    return loaded(model) and encoder_for(model).has_word(word)


def vocabulary() -> int | None:
    """The id of the model whose words `knows_word` knew last; None while it knew none. Asks the database nothing."""
    _, model = _active
    return model.pk if model is not None and loaded(model) else None


def _this_process() -> QueryEncoder:
    global _encoder
    with _encoder_lock:
        if _encoder is None or not _encoder.belongs_here():
            _encoder = QueryEncoder()
        return _encoder
