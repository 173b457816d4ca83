"""A database of the benchmark's own, beside the one that is configured, which is never touched."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import call_command
from django.db import connection
from psycopg import sql
from psycopg.conninfo import make_conninfo

from search.benchmarks.exceptions import BenchmarkError

DEFAULT_NAME = "nearshelf_benchmark"
# Written on databases that are made here; one without it belongs to somebody and is left alone.
MARK = "Made by benchmark_search; may be dropped at any time."


@contextmanager
def database(name: str, keep: bool) -> Iterator[None]:
    """Within the block, Django's default connection is a migrated scratch database of this name.

    One that an earlier benchmark left is used again; afterwards it is dropped, unless it is to be kept.
    Raises BenchmarkError where a database of this name was made by someone else.
    """
    before = connection.settings_dict["NAME"]
    _create(name)
    _switch(name)
    try:
        call_command("migrate", interactive=False, verbosity=0)
        yield
    finally:
        _switch(before)
        if not keep:
            _drop(name)


def url() -> str:
    """The address of the current database, as DATABASE_URL takes it."""
    parts = connection.get_connection_params()
    return make_conninfo(
        **{key: parts[key] for key in ("dbname", "user", "password", "host", "port") if parts.get(key)}
    )


def _create(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (name,)
        )
        found = cursor.fetchone()
        if found is None:
            cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
            cursor.execute(
                sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(MARK))
            )
        elif found[0] != MARK:
            raise BenchmarkError(
                f"There is a database {name} that no benchmark made. Choose another name with --scratch."
            )


def _drop(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _switch(name: str) -> None:
    """Make the default connection one to another database of the same server."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    connection.settings_dict["NAME"] = name
