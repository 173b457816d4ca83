"""Locks and waits between processes. PostgreSQL keeps them, and ends them with the session that holds them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

# First key of every advisory lock of this app.
NAMESPACE = 1_853_191_529
# Second keys. Building and dropping of indexes is one at a time: two concurrent builds on a table wait for each
# other's snapshots and deadlock.
INDEXES = 0
# One worker at a time loads models that someone asked for.
ADDITIONS = 1
_LOADING = 1_000_000

_POLL_S = 0.1

# Sessions that may write products or categories without seeing what was committed before the marks were taken:
# they hold a write lock on the tables, or work on an older snapshot (REPEATABLE READ).
_MARKS_SQL = """
SELECT pg_snapshot_xmax(pg_current_snapshot())::text,
    ARRAY(
        SELECT DISTINCT l.virtualtransaction FROM pg_locks AS l
        WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.pid <> pg_backend_pid()
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND l.relation IN ('catalog_product'::regclass, 'catalog_category'::regclass)
    )
"""
_OLDER_SQL = """
SELECT EXISTS (
    SELECT FROM pg_locks AS l
    WHERE l.locktype = 'virtualxid' AND l.virtualtransaction = ANY(%s) AND l.pid <> pg_backend_pid()
) OR EXISTS (
    SELECT FROM pg_stat_activity AS a
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
        AND a.backend_type NOT IN ('walsender', 'autovacuum worker')
        AND age(a.backend_xmin) > age(%s::xid8::xid)
)
"""


def loading(model_id: int) -> int:
    """Key of the lock that is held while a model's vectors are loaded in bulk and its index is away."""
    return _LOADING + model_id


@contextmanager
def advisory(key: int, wait_s: float = 0.0) -> Iterator[bool]:
    """Hold a lock for the block; yields False where another session still has it after `wait_s` seconds.

    It asks again and again instead of waiting inside PostgreSQL: a session that waits there holds a snapshot,
    and a concurrent index build would wait for it in turn.
    """
    deadline = time.monotonic() + wait_s
    while not (held := _try_lock(key)) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    try:
        yield held
    finally:
        # A session that broke has lost its locks already.
        if held and connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [NAMESPACE, key])


def _try_lock(key: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [NAMESPACE, key])
        return bool(cursor.fetchone()[0])


def wait_for_older_writers(wait_s: float) -> bool:
    """Wait until every writer of the catalogue sees what is committed now; return whether that came true.

    A transaction that began earlier may still add a product without knowing of a model that came to life since.
    Nobody is held up meanwhile.
    """
    deadline = time.monotonic() + wait_s
    with connection.cursor() as cursor:
        cursor.execute(_MARKS_SQL)
        newest, writers = cursor.fetchone()
        while True:
            # Inside a transaction PostgreSQL would answer with what it saw at the first look.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(_OLDER_SQL, [writers, newest])
            if not cursor.fetchone()[0]:
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
