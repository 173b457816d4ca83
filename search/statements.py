"""Raw SQL in one round trip, with planner settings that hold for that statement only."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection


def fetch(
    sql: str, params: Sequence[Any] = (), settings: Mapping[str, object] | None = None
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
