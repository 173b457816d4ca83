"""Rules and synonyms are counted, off the path of a search."""

import time
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from search.engine import search_products
from search.merchandising import preview, usage
from search.models import CurationUse, Synonym, SynonymUse
from search.query import SearchQuery

pytestmark = pytest.mark.django_db


@pytest.fixture
def rule(make_rule: Any, make_product: Any, monkeypatch: Any) -> Any:
    # What is counted in a test's transaction, no other connection sees; tests flush by themselves.
    monkeypatch.setattr(usage, "_keep_flushing", lambda: None)
    return make_rule("drill", {"kind": "pin", "product": make_product("Saw"), "position": 1})


def searches() -> int:
    usage.flush()
    return sum(CurationUse.objects.values_list("searches", flat=True))


def test_every_search_of_a_customer_counts_once_whatever_the_door(rule: Any, client: Client) -> None:
    for address in ("/api/search/?q=drill", "/?q=drill", "/?q=Drill&mode=keyword"):
        assert client.get(address).status_code == 200
    client.get("/api/search/?q=saw")
    client.get("/api/search/?q=drill&page=2")
    assert searches() == 3
    body = {"queries": ["drill", "saw", "drill"]}
    client.post("/api/search/batch/", body, content_type="application/json")
    assert searches() == 5
    assert CurationUse.objects.get().last_used_at is not None


def test_synonyms_count_where_their_words_are_typed(
    rule: Any, client: Client, make_product: Any, embed: Any
) -> None:
    telly = Synonym.objects.create(term="telly", means="television")
    make_product("Television")
    embed()
    for text in ("cheap telly", "television", "telly", "radio"):
        assert client.get("/api/search/", {"q": text}).status_code == 200
    usage.flush()
    assert SynonymUse.objects.get(synonym=telly).searches == 3
    hit = client.get("/api/search/", {"q": "cheap telly", "explain": "true"}).json()["results"][0]
    assert hit["explanation"]["matched_terms"] == ["telly"]
    assert hit["explanation"]["synonyms"] == [{"synonym": telly.pk, "words": "telly", "means": "television"}]
    telly.delete()
    assert not SynonymUse.objects.exists()


def test_who_looks_without_being_a_customer_is_not_counted(rule: Any) -> None:
    search_products(SearchQuery("drill"))
    preview.of_rule(rule, rule.actions.all())
    assert searches() == 0


def test_counting_writes_nothing_within_the_request(rule: Any, django_assert_num_queries: Any) -> None:
    results = [search_products(SearchQuery("drill"))] * 50
    with django_assert_num_queries(0):
        usage.count(results)
    with django_assert_num_queries(3):  # its transaction's two ends included
        usage.flush()
    with django_assert_num_queries(0):
        usage.flush()
    assert searches() == 50


def test_what_cannot_be_written_is_kept_and_a_rule_that_is_gone_is_dropped(
    rule: Any, monkeypatch: Any
) -> None:
    usage.count([search_products(SearchQuery("drill"))])
    with monkeypatch.context() as broken:
        broken.setitem(usage._ADD, "rule", "SELECT 1 / 0 FROM (SELECT %s, %s) AS x")
        with pytest.raises(DatabaseError), transaction.atomic():
            usage.flush()
    assert searches() == 1
    usage.count([search_products(SearchQuery("drill"))])
    rule.delete()
    assert searches() == 0


@pytest.mark.django_db(transaction=True)
def test_a_thread_writes_soon_and_ends(make_rule: Any, make_product: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(usage, "FLUSH_AFTER_S", 0.05)
    make_rule("drill", {"kind": "pin", "product": make_product("Saw"), "position": 1})
    result = search_products(SearchQuery("drill"))
    for _ in range(20):
        usage.count([result])
    for _ in range(200):
        if CurationUse.objects.filter(searches=20).exists() and usage._thread is None:
            break
        time.sleep(0.02)
    assert CurationUse.objects.get().searches == 20
    assert usage._thread is None
    usage.count([result])
    assert usage._thread is not None
    usage._thread.join(5)
    assert CurationUse.objects.get().searches == 21
