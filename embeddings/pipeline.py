"""How a product becomes a vector: claim, encode, store.

PostgreSQL alone knows what is to be done: a row wants work when its stored digest is not its wanted one. A
worker claims rows in a short transaction, encodes outside any, and stores with compare-and-set on the digest
that it read together with the text. Whatever dies in between, the lease runs out and someone else does it.
"""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from django.conf import settings
from django.db import DataError, connection, transaction
from pgvector import HalfVector
from pgvector.psycopg.halfvec import register_halfvec_info
from psycopg.types import TypeInfo

from embeddings.documents import ProductText, product_text
from embeddings.encoders import Encoder, Vectors, encoder_for
from embeddings.exceptions import ModelUnavailableError
from embeddings.models import EmbeddingModel, Priority
from embeddings.outages import outlast

logger = logging.getLogger("nearshelf.embeddings")

# Backoff before attempt n + 1: 5 s, 20 s, 80 s, 5 min ..., each up to half as long again.
BACKOFF_BASE_S = 5
BACKOFF_FACTOR = 4
BACKOFF_MAX_S = 3600
MAX_ERROR_LENGTH = 2000

# So many failed attempts of a row are remembered, each with the beginning of its message.
MAX_FAILURES = 10
MAX_NOTED_ERROR_LENGTH = 300

WORKER_SILENT = "The worker ended without a word."
WORKER_DIED = (
    "The worker died {attempts} times while it embedded this text. Shorten or mend the text, then retry."
)


@dataclass(frozen=True)
class Claim:
    """A row that this worker has the lease of, with the text as it was when `digest` was read."""

    row: int
    digest: str
    lease: datetime
    attempts: int  # this one included
    text: ProductText


@dataclass
class Outcome:
    """What became of claimed rows."""

    stored: int = 0
    failed: int = 0
    moved: int = 0  # text changed, or product gone, while it was encoded
    batches: int = 0
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def claimed(self) -> int:
        """How many rows were worked on."""
        return self.stored + self.failed + self.moved

    def add(self, other: "Outcome") -> None:
        """Count another outcome in."""
        self.stored += other.stored
        self.failed += other.failed
        self.moved += other.moved
        self.batches += other.batches
        for message, count in other.errors.items():
            self.errors[message] = self.errors.get(message, 0) + count


@dataclass(frozen=True)
class Scope:
    """Which rows of a model to work on."""

    category_path: str = ""  # only products in this category or below it
    only_failed: bool = False  # rows that were tried before

    @property
    def narrow(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.category_path) or self.only_failed

    def sql(self) -> tuple[str, list[str]]:
        """An extra condition on the row `e`, and its parameters."""
        conditions = ""
        values: list[str] = []
        if self.category_path:
            conditions += (
                " AND e.category_id IN (SELECT id FROM catalog_category"
                " WHERE path = %s OR starts_with(path, %s))"
            )
            values += [self.category_path, f"{self.category_path}/"]
        if self.only_failed:
            conditions += " AND (e.attempts > 0 OR e.last_error <> '')"
        return conditions, values


EVERYTHING = Scope()

UNSETTLED_SQL = """e.is_active AND (e.stored_digest IS NULL
    OR NOT (e.stored_digest = e.wanted_digest AND e.stored_digest IS NOT NULL))"""


# Word for word the index `embedding_queue_order`.
QUEUE_ORDER = (
    f"e.priority, (CASE WHEN e.priority = {Priority.BULK:d} THEN e.category_id END), e.next_attempt_at"
)


def due_sql(model: EmbeddingModel, extra: str = "") -> str:
    """SQL for the due rows of a model, live edits first: (id, attempts). Its last parameter is their number."""
    # `model_id` stands as a literal so that the partial queue index is used.
    return f"""
        SELECT e.id, e.attempts FROM embeddings_productembedding AS e
        WHERE e.model_id = {model.pk:d} AND {UNSETTLED_SQL} AND e.next_attempt_at <= statement_timestamp()
            AND (e.lease_until IS NULL OR e.lease_until < statement_timestamp()){extra}
        ORDER BY {QUEUE_ORDER}
        LIMIT %s FOR UPDATE SKIP LOCKED
    """


def _noting(at: str, error: str) -> str:
    """SQL for a row's `failures` with its present attempt on top, from SQL for when and why that failed."""
    return f"""jsonb_path_query_array(
        jsonb_build_array(jsonb_build_object('at', {at}, 'attempt', attempts, 'error', {error}))
        || coalesce(failures, '[]'), '$[0 to {MAX_FAILURES - 1}]')"""


# A lease that has run out when the row is taken again was a dead worker's.
_NOTING_THE_DEAD = f"""failures = CASE WHEN lease_until IS NULL THEN failures
    ELSE {_noting("lease_until", f"'{WORKER_SILENT}'")} END"""


def claim(model: EmbeddingModel, limit: int, scope: Scope = EVERYTHING) -> list[Claim]:
    """Lease up to `limit` due rows of a model, live edits first, and count the attempt.

    Rows that failed before come alone, so that one poisonous text cannot take its neighbours down. Rows whose
    workers died at their last attempt are marked failed on the way.
    """
    extra, values = scope.sql()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(due_sql(model, extra), [*values, limit])
        due: list[tuple[int, int]] = cursor.fetchall()
        exhausted = [row for row, attempts in due if attempts >= settings.EMBEDDING_MAX_ATTEMPTS]
        if exhausted:
            _give_up(exhausted)
        fresh = [row for row, attempts in due if attempts == 0]
        tried = [row for row, attempts in due if 0 < attempts < settings.EMBEDDING_MAX_ATTEMPTS]
        rows = fresh or tried[:1]
        if not rows:
            # Nothing but exhausted rows here: what is behind them may still be due.
            return claim(model, limit, scope) if exhausted else []
        cursor.execute(
            f"""
            WITH leased AS (
                UPDATE embeddings_productembedding
                SET {_NOTING_THE_DEAD}, attempts = attempts + 1,
                    lease_until = clock_timestamp() + make_interval(secs => %s)
                WHERE id = ANY(%s)
                RETURNING id, product_id, wanted_digest, lease_until, attempts
            )
            SELECT l.id, l.wanted_digest, l.lease_until, l.attempts,
                p.name, p.brand, coalesce(c.full_name, ''), p.short_description, p.description, p.attributes
            FROM leased AS l
            JOIN catalog_product AS p ON p.id = l.product_id
            LEFT JOIN catalog_category AS c ON c.id = p.category_id
            """,
            [settings.EMBEDDING_LEASE_S, rows],
        )
        return [_claim(columns) for columns in cursor.fetchall()]


def _claim(columns: Sequence[Any]) -> Claim:
    """A row of claim()'s query."""
    row, digest, lease, attempts, name, brand, category, short_description, description, attributes = columns
    if isinstance(attributes, str):  # Django leaves jsonb as text for its own fields to parse
        attributes = json.loads(attributes, parse_int=float)  # a number of 5,000 digits is no reason to stop
    text = ProductText(name, brand, category, short_description, description, attributes)
    return Claim(row, digest, lease, attempts, text)


def _give_up(rows: list[int]) -> None:
    """Mark rows failed whose worker died at their last attempt."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE embeddings_productembedding
            SET {_NOTING_THE_DEAD}, next_attempt_at = NULL, lease_until = NULL,
                last_error = CASE WHEN last_error = '' THEN replace(%s, '{{attempts}}', attempts::text)
                    ELSE last_error END
            WHERE id = ANY(%s)
            """,
            [WORKER_DIED, rows],
        )


def encode(encoder: Encoder, claims: Sequence[Claim], batch_size: int | None = None) -> Vectors:
    """Vectors `(n, d)` of the claimed texts, in their order. Raises ModelUnavailableError."""
    return encoder.encode_documents([product_text(claim.text) for claim in claims], batch_size)


_STORE = """
UPDATE embeddings_productembedding AS e
SET vector = v.vector, stored_digest = v.digest, embedded_at = statement_timestamp(), attempts = 0,
    next_attempt_at = statement_timestamp(), lease_until = NULL, last_error = ''
FROM unnest(%s::bigint[], %s::text[], %b::halfvec[]) AS v(id, digest, vector)
WHERE e.id = v.id AND e.wanted_digest = v.digest
"""


def store(claims: Sequence[Claim], vectors: Vectors) -> Outcome:
    """Store vectors of texts that are still the products' texts; others are left to whoever claims them next.

    Never waits for one row while it holds another: a shop's transaction that writes many products can
    therefore not deadlock with it.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM embeddings_productembedding WHERE id = ANY(%s) FOR UPDATE SKIP LOCKED",
                [[claim.row for claim in claims]],
            )
            free = {row for (row,) in cursor.fetchall()}
        chosen = [index for index, claim in enumerate(claims) if claim.row in free]
        stored = _write([claims[index] for index in chosen], vectors[chosen])
    for index, claim in enumerate(claims):
        if claim.row not in free:
            # Someone is writing the row: wait for them, holding nothing.
            stored += _write([claim], vectors[[index]])
    return Outcome(stored=stored, moved=len(claims) - stored)


def _write(claims: Sequence[Claim], vectors: Vectors) -> int:
    """Write vectors where the digest is still wanted; return how many.

    Vectors travel in binary: as text, writing and parsing them costs ten times as much as storing them.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute("SELECT oid, typarray FROM pg_type WHERE oid = 'halfvec'::regtype")
        oid, array_oid = cursor.fetchone() or (0, 0)
        # For this cursor alone: on the connection it would also change what Django's fields read.
        register_halfvec_info(cursor, TypeInfo("halfvec", oid, array_oid))  # type: ignore[arg-type]
        cursor.execute(
            _STORE,
            [
                [claim.row for claim in claims],
                [claim.digest for claim in claims],
                [HalfVector(vector) for vector in vectors],
            ],
        )
        return cursor.rowcount


def fail(claim: Claim, message: str) -> Outcome:
    """Note why a text could not be embedded, and when it is tried again; after the last attempt, never."""
    delay = min(BACKOFF_BASE_S * BACKOFF_FACTOR ** (claim.attempts - 1), BACKOFF_MAX_S)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE embeddings_productembedding
            SET failures = {_noting("statement_timestamp()", "%s::text")}, lease_until = NULL, last_error = %s,
                next_attempt_at = CASE WHEN attempts >= %s THEN NULL
                ELSE statement_timestamp() + make_interval(secs => %s * (1 + random() / 2)) END,
                priority = CASE WHEN priority = %s THEN %s ELSE priority END
            WHERE id = %s AND wanted_digest = %s AND lease_until = %s
            """,
            [
                message[:MAX_NOTED_ERROR_LENGTH],
                message[:MAX_ERROR_LENGTH],
                settings.EMBEDDING_MAX_ATTEMPTS,
                delay,
                Priority.BULK,
                Priority.BULK_RETRY,
                claim.row,
                claim.digest,
                claim.lease,
            ],
        )
        moved = cursor.rowcount == 0
    if moved:
        return Outcome(moved=1)
    return Outcome(failed=1, errors={message: 1})


def release(claims: Sequence[Claim]) -> None:
    """Give leases back and take the attempts back with them: the texts were not at fault."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE embeddings_productembedding AS e SET lease_until = NULL, attempts = e.attempts - 1
            FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[]) AS c(id, digest, lease)
            WHERE e.id = c.id AND e.wanted_digest = c.digest AND e.lease_until = c.lease AND e.attempts > 0
            """,
            [[c.row for c in claims], [c.digest for c in claims], [c.lease for c in claims]],
        )


def process(encoder: Encoder, claims: Sequence[Claim]) -> Outcome:
    """Encode and store claimed rows.

    A text that the encoder refuses fails by itself, and so does one whose vector PostgreSQL refuses; when the
    encoder refuses any text, all leases are given back and ModelUnavailableError is raised. Where PostgreSQL
    goes away meanwhile, the vectors are kept until it is back.
    """
    try:
        vectors = encode(encoder, claims)
    except Exception as error:  # a text may trip any library below; the cause is kept on the row
        if not _works(encoder):
            outlast(release)(claims)
            raise ModelUnavailableError(f"The embedding model does not work: {error}") from error
        return _one_by_one(encoder, claims, error)
    try:
        return outlast(store)(claims, vectors)
    except DataError as error:  # such as a vector with NaN
        return _one_by_one(encoder, claims, error)


def _one_by_one(encoder: Encoder, claims: Sequence[Claim], error: Exception) -> Outcome:
    """Find out which text was at fault; a single one fails with the error."""
    if len(claims) == 1:
        return outlast(fail)(claims[0], f"{type(error).__name__}: {error}")
    outcome = Outcome()
    for claim_ in claims:
        outcome.add(process(encoder, [claim_]))
    return outcome


def _works(encoder: Encoder) -> bool:
    """Whether the encoder can encode a text that is certainly harmless."""
    try:
        return bool(encoder.encode_documents(["hammer"]).shape[0] == 1)
    except Exception:  # any failure means the same: it does not work
        return False


def batches(
    model: EmbeddingModel,
    scope: Scope = EVERYTHING,
    should_stop: Callable[[], bool] = lambda: False,
    limit: int | None = None,
) -> Iterator[Outcome]:
    """Work on a model's due rows until none (or `limit` of them) is done, yielding what became of each claim.

    Raises ModelUnavailableError before anything is claimed when the model cannot be loaded.
    """
    encoder = encoder_for(model)
    left = limit
    while not should_stop() and (left is None or left > 0):
        size = settings.EMBEDDING_CLAIM_SIZE
        claims = claim(model, size if left is None else min(size, left), scope)
        if not claims:
            return
        outcome = process(encoder, claims)
        outcome.batches = 1
        if left is not None:
            left -= len(claims)
        yield outcome


def drain(should_stop: Callable[[], bool] = lambda: False) -> Outcome:
    """Work on everything that is due, the active model first.

    A model that cannot be used does not hold up the others; its ModelUnavailableError is raised at the end.
    """
    total = Outcome()
    unavailable: dict[int, ModelUnavailableError] = {}
    while not should_stop():
        outcome = _next_batch(unavailable)
        if outcome is None:
            break
        total.add(outcome)
    for error in unavailable.values():
        raise error
    return total


def _next_batch(unavailable: dict[int, ModelUnavailableError]) -> Outcome | None:
    """One batch of the first model with due rows, or None; notes models that cannot be used.

    Models are looked at anew for each batch: while one fills up, the edits of the active one go in between, and
    one that is retired is left alone from then on.
    """
    for model in EmbeddingModel.objects.live():
        if model.pk in unavailable:
            continue
        try:
            for outcome in batches(model):
                return outcome
        except ModelUnavailableError as error:
            unavailable[model.pk] = error
    return None
