"""The plans that PostgreSQL makes for what code asks."""

from collections.abc import Callable
from typing import Any

from django.db import connection


def plans(ask: Callable[[], Any]) -> list[str]:
    """The plan of every SELECT that `ask` sends, under the settings that it sends along."""
    sent: list[tuple[str, Any]] = []

    def record(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        sent.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(record):
        ask()
    found = []
    for sql, params in sent:
        begins = ("SELECT", "WITH", "EXECUTE", "\n")
        at = max(sql.rfind(f";{word}", 0, 500) for word in begins) + 1
        if sql[at:].lstrip().startswith(begins[:3]):
            with connection.cursor() as cursor:
                cursor.execute(f"{sql[:at]}EXPLAIN {sql[at:]}", params)
                for _ in range(sql[:at].count(";")):
                    cursor.nextset()
                found.append("\n".join(line for (line,) in cursor.fetchall()))
    return found
