"""Raw SQL in one round trip, with planner settings that hold for that statement only."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection


def id_array(ids: Iterable[int]) -> str:
    """Ids as PostgreSQL reads a `bigint[]`; psycopg takes a millisecond to write a thousand of them."""
    return "{" + ",".join(map(str, ids)) + "}"


def fetch(
    sql: str, params: Sequence[Any] | Mapping[str, Any] = (), settings: Mapping[str, object] | None = None
) -> list[tuple[Any, ...]]:
    """Run one SELECT and return its rows.

    `settings` are set for this transaction only. They travel with the SELECT as one message, which PostgreSQL
    runs as one implicit transaction where none is open, so that nothing leaks into the pooled connection.
    Inside an open transaction they would outlive the statement, so they are put back after it.
    """
    if not settings:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            return cursor.fetchall()
    before = "".join(f"SET LOCAL {name} = {value};" for name, value in settings.items())
    after = (
        "".join(f";SET LOCAL {name} TO DEFAULT" for name in settings) if connection.in_atomic_block else ""
    )
    with connection.cursor() as cursor:
        cursor.execute(f"{before}{sql}{after}", params)
        for _ in settings:
            cursor.nextset()
        return cursor.fetchall()
