"""Saved rules reach every process soon, and cost nothing in between."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from search.engine import search_products
from search.merchandising import book
from search.models import CurationRule, Synonym
from search.query import SearchQuery

pytestmark = pytest.mark.django_db


def queries(ask: Any) -> int:
    with CaptureQueriesContext(connection) as captured:
        ask()
    return len(captured)


def test_between_two_looks_the_database_is_not_asked(monkeypatch: Any) -> None:
    assert queries(book.current) > 1
    assert queries(book.current) == 0
    monkeypatch.setattr(book._shelf, "fresh_until", 0.0)
    assert queries(book.current) == 1
    assert queries(book.current) == 0


@pytest.mark.parametrize("table", ["search_synonym", "search_curationrule", "search_curationaction"])
def test_whatever_writes_is_noticed_at_the_next_look(
    table: str, make_rule: Any, make_product: Any, monkeypatch: Any
) -> None:
    make_rule("drill", {"kind": "pin", "product": make_product(), "position": 1})
    Synonym.objects.create(term="telly", means="television")
    before = book.current()
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {'search_curationaction' if table != 'search_synonym' else table}")
        if table == "search_curationrule":
            cursor.execute("UPDATE search_curationrule SET query = 'saw'")
    assert book.current() is before
    monkeypatch.setattr(book._shelf, "fresh_until", 0.0)
    after = book.current()
    assert (after.rules, after.synonyms) != (before.rules, before.synonyms)


def test_the_process_that_saves_sees_it_at_once(make_rule: Any, make_product: Any) -> None:
    drill, saw = make_product("Drill"), make_product("Saw")
    assert [hit.fields["name"] for hit in search_products(SearchQuery("drill")).hits] == ["Drill"]
    rule = make_rule("drill", {"kind": "pin", "product": saw, "position": 1})
    result = search_products(SearchQuery("DRILL"))
    assert [hit.fields["sku"] for hit in result.hits] == [saw.sku, drill.sku]
    assert result.rule_ids == (rule.pk,)
    rule.is_active = False
    rule.save()
    assert [hit.fields["name"] for hit in search_products(SearchQuery("drill")).hits] == ["Drill"]


def test_thousands_of_rules_are_read_in_a_constant_number_of_queries(make_product: Any) -> None:
    CurationRule.objects.bulk_create([CurationRule(name="x", query=f"query {n}") for n in range(2_000)])
    assert queries(book.read) == 3
    assert len(book.current().rules) == 2_000
    assert [r.key for r in book.current().matching(["query 1999"], [], 0.0)] == ["query 1999"]
