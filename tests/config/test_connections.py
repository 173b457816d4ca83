"""A pool's connections are asked whether they are alive only where there is reason to doubt."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg_pool import ConnectionPool

from config import settings
from config.connections import WatchedConnection

pytestmark = pytest.mark.django_db


@pytest.fixture
def pool() -> Iterator[ConnectionPool[WatchedConnection]]:
    """One connection to the tests' database, checked whenever it is handed out."""
    known = connection.settings_dict
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    with ConnectionPool(
        kwargs={**{name: known[key] for name, key in names.items() if known[key]}, "autocommit": True},
        connection_class=WatchedConnection,
        check=ConnectionPool.check_connection,
        min_size=1,
        max_size=1,
    ) as pool:
        yield pool


def test_a_quiet_connection_is_not_asked(
    pool: ConnectionPool[WatchedConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(psycopg.Connection, "execute", lambda self, query: sent.append(query))
    for _ in range(3):
        with pool.connection():
            pass
    assert sent == []


def test_one_that_the_server_has_closed_is_not_handed_out(pool: ConnectionPool[WatchedConnection]) -> None:
    with pool.connection() as found:
        before = found.info.backend_pid
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [before])
    with pool.connection() as found:
        assert found.execute("SELECT pg_backend_pid()").fetchone() != (before,)


def test_one_that_is_closed_here_says_so() -> None:
    found = WatchedConnection.connect(connection.connection.info.dsn)
    found.close()
    with pytest.raises(psycopg.OperationalError):
        found.execute("")


def test_the_shops_pool_has_such_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_POOL", "true")
    assert settings._database()["OPTIONS"]["pool"]["connection_class"] is WatchedConnection


@pytest.mark.parametrize(("size", "least"), [("1", 1), ("16", 2)])
def test_a_pool_of_any_size_opens(size: str, least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_POOL", "true")
    monkeypatch.setenv("DATABASE_POOL_SIZE", size)
    pool = ConnectionPool(open=False, **settings._database()["OPTIONS"]["pool"])
    assert (pool.min_size, pool.max_size) == (least, int(size))
