"""Reading, encoding and storing at the same time, for work in bulk.

The encoder is what takes the time. A thread before it claims the next texts, a thread behind it stores the last
vectors, and it never waits for either. Queues between them are short, so memory stays flat and leases young.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeVar

from django.conf import settings
from django.db import DatabaseError, connection

from embeddings import pipeline
from embeddings.encoders import Encoder, Vectors, encoder_for
from embeddings.exceptions import ModelUnavailableError
from embeddings.models import EmbeddingModel
from embeddings.outages import outlast
from embeddings.pipeline import Claim, Outcome, Scope

# Claims that wait before and behind the encoder.
AHEAD = 1
# A claim is so large that it keeps the encoder busy for about so long: well within the lease on any machine,
# and large enough for batches of texts of similar length.
CLAIM_S = 2.0
MAX_CLAIM = 1024
_POLL_S = 0.2

_T = TypeVar("_T")


class Overlap:
    """One pass over a model's due rows. `run` yields what became of each claim.

    When `should_stop` says so, what is being encoded is still stored, and claims ahead of it are given back.
    """

    def __init__(
        self,
        model: EmbeddingModel,
        scope: Scope,
        should_stop: Callable[[], bool],
        limit: int | None = None,
        batch_size: int | None = None,
    ) -> None:
        self._model, self._scope, self._limit, self._batch_size = model, scope, limit, batch_size
        self._should_stop = should_stop
        self._claim_size = settings.EMBEDDING_CLAIM_SIZE
        self._claimed: queue.Queue[list[Claim] | None] = queue.Queue(AHEAD)
        self._encoded: queue.Queue[tuple[list[Claim], Vectors] | None] = queue.Queue(AHEAD)
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._storing: list[Claim] = []
        self._aborted = threading.Event()
        self._error: BaseException | None = None
        # Claims that are neither stored nor given back. A text that changes meanwhile becomes due once more, so
        # there is nothing left to do only when this is 0.
        self._open = 0
        self._settled = threading.Condition()

    def run(self) -> Iterator[Outcome]:
        """Work until nothing is due. Raises what any of the threads raised, and ModelUnavailableError."""
        encoder = encoder_for(self._model)
        threads = [
            threading.Thread(target=self._guarded, args=[work], name=f"backfill-{name}", daemon=True)
            for name, work in (("reader", self._read), ("writer", self._write))
        ]
        for thread in threads:
            thread.start()
        try:
            while (claims := self._get(self._claimed, self._stopping)) is not None:
                if outcome := self._encode(encoder, claims):
                    yield outcome
                yield from self._finished()
            self._put(self._encoded, None, self._aborted.is_set)
            threads[1].join()
            yield from self._finished()
        except BaseException:
            self._aborted.set()
            raise
        finally:
            for thread in threads:
                thread.join()
            self._give_back()
        if self._error is not None:
            raise self._error

    def _encode(self, encoder: Encoder, claims: list[Claim]) -> Outcome | None:
        """Hand vectors on to the writer; where a text trips the encoder, settle the claim here."""
        started = time.monotonic()
        try:
            vectors = pipeline.encode(encoder, claims, self._batch_size)
        except Exception:  # whatever it was: text by text it shows whose fault it is
            try:
                outcome = pipeline.process(encoder, claims)
            except ModelUnavailableError:
                self._done()
                raise
            outcome.batches = 1
            self._done()
            return outcome
        if len(claims) >= settings.EMBEDDING_BATCH_SIZE:
            size = int(CLAIM_S * len(claims) / (time.monotonic() - started))
            batch = self._batch_size or settings.EMBEDDING_BATCH_SIZE
            # Whole batches: an odd one is one more shape for the runtime to prepare for.
            self._claim_size = max(1, min(size, MAX_CLAIM) // batch) * batch
        if not self._put(self._encoded, (claims, vectors), self._aborted.is_set):
            pipeline.release(claims)
        return None

    def _finished(self) -> Iterator[Outcome]:
        with suppress(queue.Empty):
            while True:
                yield self._outcomes.get_nowait()

    def _read(self) -> None:
        """Claim ahead of the encoder, until nothing is due and nothing is under way."""
        left = self._limit
        while not self._stopping() and (left is None or left > 0):
            with self._settled:
                idle = self._open == 0
            size = self._claim_size if left is None else min(self._claim_size, left)
            claims = outlast(pipeline.claim)(self._model, size, self._scope)
            if not claims:
                if idle:
                    break
                with self._settled:
                    self._settled.wait(_POLL_S)
                continue
            with self._settled:
                self._open += 1
            if not self._put(self._claimed, claims, self._stopping):
                pipeline.release(claims)
            elif left is not None:
                left -= len(claims)
        self._put(self._claimed, None, self._stopping)

    def _write(self) -> None:
        """Store behind the encoder."""
        while (item := self._get(self._encoded, self._aborted.is_set)) is not None:
            self._storing = item[0]
            outcome = outlast(pipeline.store)(*item)
            self._storing = []
            outcome.batches = 1
            self._outcomes.put(outcome)
            self._done()

    def _done(self) -> None:
        with self._settled:
            self._open -= 1
            self._settled.notify_all()

    def _stopping(self) -> bool:
        return self._aborted.is_set() or self._should_stop()

    def _guarded(self, work: Callable[[], None]) -> None:
        """Run a thread's work; its first error ends the whole pass."""
        try:
            work()
        except BaseException as error:
            self._error = self._error or error
            self._aborted.set()
        finally:
            connection.close()

    def _put(self, to: "queue.Queue[_T]", item: _T, given_up: Callable[[], bool]) -> bool:
        """Put when there is room; False when given up meanwhile."""
        while not given_up():
            with suppress(queue.Full):
                to.put(item, timeout=_POLL_S)
                return True
        return False

    def _get(self, source: "queue.Queue[_T | None]", given_up: Callable[[], bool]) -> "_T | None":
        """Get when there is something; None at the end, or when given up meanwhile."""
        while not given_up():
            with suppress(queue.Empty):
                return source.get(timeout=_POLL_S)
        return None

    def _give_back(self) -> None:
        """Release the leases of what nobody will work on. Where PostgreSQL is away, they run out."""
        # Releasing what was stored in spite of an error does nothing: the lease went with the storing.
        left, self._storing = list(self._storing), []
        with suppress(queue.Empty):
            while True:
                left += self._claimed.get_nowait() or []
        with suppress(queue.Empty):
            while True:
                item = self._encoded.get_nowait()
                left += item[0] if item else []
        if left:
            with suppress(DatabaseError):
                pipeline.release(left)
