"""Statements that a session of PostgreSQL keeps: parsed and planned once, not in every search.

What is dear in a short statement is to say what is wanted: of 2 ms for the scores of a thousand products a quarter is
parsing and planning. Plans are made without looking at parameters, so this is for statements that have but one good
plan, or whose settings leave but one.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.errors import DuplicatePreparedStatement, FeatureNotSupported, InvalidSqlStatementName

SETTINGS = {"plan_cache_mode": "force_generic_plan"}
# A session keeps the latest, each of which takes about 0.1 MB there.
MOST = 32

_PLACEHOLDER = re.compile("%([%s])")


class _Kept:
    """What one session keeps."""

    def __init__(self) -> None:
        self.names: OrderedDict[str, str] = OrderedDict()  # by statement, the latest last
        self.gives_up = False


_by_session: "WeakKeyDictionary[psycopg.Connection, _Kept]" = WeakKeyDictionary()
_lock = Lock()


def execution_of(database: BaseDatabaseWrapper, sql: str, parameters: int) -> str | None:
    """What runs a statement that this session has prepared, or now prepares; None where it is to be sent itself."""
    kept = _kept(database)
    if kept.gives_up:
        return None
    name = kept.names.get(sql)
    if name is None:
        if len(kept.names) >= MOST:
            _forget(database, kept.names.popitem(last=False)[1])
        name = kept.names[sql] = _prepare(database, sql)
    kept.names.move_to_end(sql)
    return f"EXECUTE {name}({', '.join(['%s'] * parameters)})" if parameters else f"EXECUTE {name}"


def gives_up(database: BaseDatabaseWrapper, error: Error) -> bool:
    """Whether a statement is to be sent itself after an error; then this connection keeps none any more.

    That is so where the session is not the one that prepared the statement, as behind a pooler that gives each
    transaction another one, or where the columns of the result have changed.
    """
    is_lost = isinstance(error.__cause__, InvalidSqlStatementName | FeatureNotSupported)
    if is_lost:
        _kept(database).gives_up = True
    return is_lost


def _kept(database: BaseDatabaseWrapper) -> _Kept:
    if database.connection is None:
        database.ensure_connection()
    kept = _by_session.get(database.connection)
    if kept is None:
        with _lock:
            kept = _by_session.setdefault(database.connection, _Kept())
    return kept


def _prepare(database: BaseDatabaseWrapper, sql: str) -> str:
    """Prepare a statement in this session. Its name is that of its text, so that no other can be taken for it."""
    name = f"search_{hashlib.blake2b(sql.encode(), digest_size=12).hexdigest()}"
    numbers = iter(range(1, sql.count("%s") + 1))
    numbered = _PLACEHOLDER.sub(lambda found: "%" if found[1] == "%" else f"${next(numbers)}", sql)
    if not _is_there(database, name):
        _unless(database, DuplicatePreparedStatement, f"PREPARE {name} AS {numbered}")
    return name


def _forget(database: BaseDatabaseWrapper, name: str) -> None:
    if _is_there(database, name):
        _unless(database, InvalidSqlStatementName, f"DEALLOCATE {name}")


def _is_there(database: BaseDatabaseWrapper, name: str) -> bool:
    return _execute(database, "SELECT FROM pg_prepared_statements WHERE name = %s", (name,)).rowcount > 0


def _unless(database: BaseDatabaseWrapper, done: type[psycopg.Error], sql: str) -> None:
    """Execute a statement that may be done already: a pooler may have changed sessions since that was looked at."""
    try:
        _execute(database, sql)
    except Error as error:
        if not isinstance(error.__cause__, done):
            raise


def _execute(
    database: BaseDatabaseWrapper, sql: str, params: Sequence[Any] | None = None
) -> "psycopg.Cursor[Any]":
    """Past Django's cursors, which count the queries of a request, but with its errors."""
    with database.wrap_database_errors:
        cursor: psycopg.Cursor[Any] = database.connection.execute(sql, params)
        return cursor
