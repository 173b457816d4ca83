"""What tests of search and of the API may use."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from psycopg_pool import ConnectionPool

from embeddings import pipeline
from search import attributes, categories, encoding, facets, redis_client, samples, selectivity, terms
from search.merchandising import book, usage
from search.terms import forget_frequencies, refresh_terms

DEMO = Path(__file__).parents[2] / "catalog" / "demo" / "products.jsonl"
# Every table that its import, embedding and counting write to.
DEMO_TABLES = (
    "catalog_category",
    "catalog_product",
    "embeddings_productembedding",
    "search_term",
    "search_word",
    "search_suggestion",
    "search_termstatistics",
)


@pytest.fixture(autouse=True)
def _start_afresh() -> None:
    """Forget what this process remembers of the catalogue and of Redis."""
    attributes.names.forget()
    forget_frequencies()
    categories.forget()
    facets.forget()
    samples.forget()
    selectivity.forget_estimates()
    redis_client.try_again()
    book.forget()
    usage.forget()


@pytest.fixture(scope="session")
def demo_rows(django_db_setup: None, django_db_blocker: Any) -> None:
    """The demo catalogue, imported, embedded with the real model and counted once, in tables beside the shop's."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        call_command("import_products", str(DEMO), verbosity=0)
        pipeline.drain()
        refresh_terms()
        cursor.execute("CREATE SCHEMA demo")
        for table in DEMO_TABLES:
            cursor.execute(f"CREATE TABLE demo.{table} AS TABLE {table}")
        _remove_demo()


@pytest.fixture
def pool(transactional_db: None) -> Iterator[ConnectionPool[Any]]:
    """Two sessions as a shop has them, of which this thread uses one."""
    with pytest.MonkeyPatch.context() as patch:
        connection.close()
        patch.setitem(connection.settings_dict["OPTIONS"], "pool", {"min_size": 2, "max_size": 2})
        patch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
        found: ConnectionPool[Any] = connection.pool  # type: ignore[attr-defined]
        found.open(wait=True)
        connection.ensure_connection()
        yield found
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process remembers for a second or some, it remembers longer: counts of queries depend on no clock."""
    monkeypatch.setattr(book, "FRESH_FOR_S", 600.0)
    monkeypatch.setattr(terms, "FREQUENCIES_LAST_S", 600.0)


@pytest.fixture(scope="module")
def demo(demo_rows: None, django_db_blocker: Any) -> Iterator[None]:
    """The demo catalogue with its vectors, for all tests of a file.

    Plans do not depend on what was there before, nor on when the server comes to look at the tables.
    """
    with django_db_blocker.unblock():
        _remove_demo()  # what other tests took back still fills pages
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")  # the rows are complete
            for table in DEMO_TABLES:
                cursor.execute(
                    "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
                    " WHERE attrelid = %s::regclass AND attnum > 0 AND attgenerated = '' AND NOT attisdropped",
                    [table],
                )
                (columns,) = cursor.fetchone()
                cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM demo.{table}")
            cursor.execute(f"ANALYZE {', '.join(DEMO_TABLES)}")
        encoding.warm_up()
        yield
        _remove_demo()


def _remove_demo() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(DEMO_TABLES)} CASCADE")


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_user("staff", password="long enough 7", is_staff=True)


@pytest.fixture
def customer(db: None) -> User:
    return User.objects.create_user("customer", password="long enough 7")


@pytest.fixture
def staff_client(staff: User) -> Client:
    client = Client()
    client.force_login(staff)
    return client


def problem(response: Any, status: int) -> dict[str, Any]:
    """The body of a problem; fails where the response is none."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert {"type", "title", "detail", "instance"} <= body.keys()
    return body


def bad_fields(response: Any) -> list[str]:
    """The fields that a 400 names."""
    return [error["field"] for error in problem(response, 400)["errors"]]
