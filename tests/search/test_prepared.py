"""Statements that sessions keep are planned once, and do without where they are lost."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection

from catalog.models import Product
from search import prepared
from search.engine import search_products
from search.query import Filters, SearchQuery
from search.statements import fetch

ECHO = "SELECT %s::text, %s::int4[], %s::numeric, 7 %% 4, '%%s'"
VALUES = ('it\'s 100 % \\ "so" $1', [1, 2, None], Decimal("3.50"))
ECHOED = [(*VALUES, 3, "%s")]


@pytest.fixture
def session() -> Iterator[None]:
    """A session that has prepared nothing, and is left behind."""
    connection.close()
    yield
    connection.close()


def kept() -> list[tuple[str, int, int]]:
    return fetch("SELECT name, custom_plans, generic_plans FROM pg_prepared_statements ORDER BY prepare_time")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("session")
def test_a_statement_is_planned_once_and_takes_any_parameters() -> None:
    for _ in range(3):
        assert fetch(ECHO, VALUES, {"work_mem": "'8MB'"}, is_prepared=True) == ECHOED
    assert fetch(ECHO, VALUES) == ECHOED
    ((_, custom, generic),) = kept()
    assert (custom, generic) == (0, 3)
    assert fetch("SHOW plan_cache_mode") == [("auto",)]
    assert fetch("SHOW work_mem") == [("4MB",)]


@pytest.mark.django_db
def test_settings_are_put_back_inside_a_transaction() -> None:
    before = fetch("SHOW work_mem")
    assert fetch(ECHO, VALUES, {"work_mem": "'8MB'"}, is_prepared=True) == ECHOED
    assert fetch("SHOW work_mem") == before
    assert fetch("SHOW plan_cache_mode") == [("auto",)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("session")
def test_a_session_that_prepared_nothing_is_asked_in_full() -> None:
    """As behind a pooler that gives each transaction another session."""
    fetch(ECHO, VALUES, is_prepared=True)
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    assert fetch(ECHO, VALUES, is_prepared=True) == ECHOED
    assert fetch("SELECT %s::text", ["other"], is_prepared=True) == [("other",)]
    assert kept() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("session")
def test_what_the_session_has_of_somebody_else_is_used() -> None:
    fetch(ECHO, VALUES, is_prepared=True)
    ((name, *_),) = kept()
    prepared._by_session.clear()  # another connection of a pooler, which is given the same session
    assert fetch(ECHO, VALUES, is_prepared=True) == ECHOED
    assert [one for one, *_ in kept()] == [name]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("session")
def test_a_lost_connection_is_an_error_of_django() -> None:
    ((pid,),) = fetch("SELECT pg_backend_pid()")
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises(OperationalError):
        fetch(ECHO, VALUES, is_prepared=True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("session")
def test_a_result_that_changes_its_columns_is_read_as_it_is() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE changing (one int)")
        try:
            assert fetch("SELECT * FROM changing", is_prepared=True) == []
            cursor.execute("ALTER TABLE changing ADD two int DEFAULT 2; INSERT INTO changing VALUES (1)")
            assert fetch("SELECT * FROM changing", is_prepared=True) == [(1, 2)]
        finally:
            cursor.execute("DROP TABLE changing")


@pytest.mark.django_db
def test_a_session_keeps_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared._by_session.clear()
    monkeypatch.setattr(prepared, "MOST", 2)
    before = {name for name, *_ in kept()}
    for number in (1, 2, 1, 3):
        assert fetch(f"SELECT {number}, 'limited'", is_prepared=True) == [(number, "limited")]
    assert [generic for name, _, generic in kept() if name not in before] == [2, 1]


@pytest.mark.django_db
@pytest.mark.usefixtures("demo")
def test_a_search_is_the_same_with_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    brand = Product.objects.exclude(brand="").values_list("brand", flat=True)[0]
    queries = [
        SearchQuery(text, filters=filters, facets=("category", "brand", "price"))
        for text in ("drill for concrete", '"hammer drill" -bit', "o'neil \\ 100%", "lamp")
        for filters in (
            Filters(),
            Filters(categories=("tools",), price_max=Decimal(90)),
            Filters(brands=(brand,), price_min=Decimal(5)),
        )
    ]

    def answers() -> list[Any]:
        found = [search_products(query) for query in queries]
        return [(one.total, [hit.fields["sku"] for hit in one.hits], one.facets) for one in found]

    with_plans = answers()
    monkeypatch.setattr(prepared, "execution_of", lambda *_: None)
    assert answers() == with_plans
    assert any(total for total, *_ in with_plans)


@pytest.mark.django_db
@pytest.mark.usefixtures("demo")
def test_candidates_scores_and_hits_come_from_kept_statements() -> None:
    sent: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        sent.append(sql)
        return execute(sql, params, many, context)

    query = SearchQuery("drill for concrete")
    search_products(query)  # which learns the words and the vector
    with connection.execute_wrapper(note):
        search_products(query)
    assert len([sql for sql in sent if "EXECUTE search_" in sql]) == 4
