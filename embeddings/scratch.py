"""A database and a Redis database of one's own on the shop's servers, for as long as a benchmark runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.db import connection
from django.db.utils import Error as DatabaseError
from psycopg.conninfo import make_conninfo
from redis import Redis
from redis.exceptions import RedisError

from embeddings.exceptions import EmbeddingError

SUFFIX = "_benchmark"
# An address where nothing listens: workers then find their work without the bell.
_NO_REDIS = "redis://127.0.0.1:1/0"


class ScratchError(EmbeddingError):
    """No scratch database can be made."""


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """Environment variables for processes that must not touch the shop's data; all is dropped at the end.

    Raises ScratchError where the role may not create databases, or another benchmark is running.
    """
    name = f"{connection.settings_dict['NAME']}{SUFFIX}"
    _create(name)
    try:
        with _redis() as redis_url:
            yield {
                **os.environ,
                "DATABASE_URL": make_conninfo(settings.DATABASE_URL, dbname=name),
                "REDIS_URL": redis_url,
                "DATABASE_POOL": "false",
            }
    finally:
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {connection.ops.quote_name(name)} WITH (FORCE)")


def _create(name: str) -> None:
    """Create the database, in place of one that a killed benchmark left behind."""
    quoted = connection.ops.quote_name(name)
    try:
        with connection._nodb_cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [name])
            if cursor.fetchone()[0]:
                raise ScratchError(f"The database {name} is in use: another benchmark is running.")
            cursor.execute(f"DROP DATABASE IF EXISTS {quoted}")
            cursor.execute(f"CREATE DATABASE {quoted}")
    except DatabaseError as error:
        raise ScratchError(
            f"The scratch database {name} cannot be created: {error} Allow it with ALTER ROLE ... CREATEDB."
        ) from error


@contextmanager
def _redis() -> Iterator[str]:
    """The address of an empty database of the shop's Redis, emptied again at the end; or one where none is."""
    try:
        url = next(
            (url for url in map(_numbered, range(15, 0, -1)) if not Redis.from_url(url).dbsize()), None
        )
    except (RedisError, OSError):
        url = None
    try:
        yield url or _NO_REDIS
    finally:
        if url is not None:
            Redis.from_url(url).flushdb()


def _numbered(number: int) -> str:
    """The shop's Redis address, with another database."""
    parts = urlsplit(settings.REDIS_URL)
    if parts.scheme == "unix":
        query = urlencode({**dict(parse_qsl(parts.query)), "db": str(number)})
        return f"unix://{parts.netloc}{parts.path}?{query}"
    return urlunsplit(parts._replace(path=f"/{number}"))
