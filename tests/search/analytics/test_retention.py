"""Old searches go, with their events; the others stay."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from embeddings import upkeep
from embeddings.planning import through_indexes
from search.analytics import retention
from search.analytics.retention import forget_old_searches
from search.models import SearchEvent, SearchLog

pytestmark = pytest.mark.django_db


def test_searches_are_forgotten_after_so_many_days(make_search: Any, settings: Any, monkeypatch: Any) -> None:
    settings.SEARCH_LOG_RETENTION_DAYS = 30
    monkeypatch.setattr(retention, "BATCH", 2)
    now = timezone.now()
    for days in (31, 30.01, 45, 400, 60):
        old = make_search(at=now - timedelta(days=days))
        SearchEvent.objects.create(search=old, kind="click", sku="A-1", created_at=old.created_at)
    kept = [make_search(at=now - timedelta(days=days)) for days in (29.9, 0)]
    assert forget_old_searches() == 5
    assert set(SearchLog.objects.all()) == set(kept)
    assert not SearchEvent.objects.exists()
    assert forget_old_searches() == 0


def test_one_turn_deletes_so_much_and_no_more(make_search: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(retention, "MAX_BATCHES", 2)
    for _ in range(6):
        make_search(at=timezone.now() - timedelta(days=1_000))
    assert forget_old_searches() == 4
    assert forget_old_searches() == 2


def test_old_searches_are_found_through_an_index(make_search: Any, explained: Any) -> None:
    make_search()
    rows = SearchLog.objects.filter(created_at__lt=timezone.now()).order_by("created_at").values_list("pk")
    assert "search_log_recent" in explained(rows[:10])


@pytest.mark.django_db(transaction=True)
def test_the_worker_does_it(make_search: Any, settings: Any) -> None:
    make_search(at=timezone.now() - timedelta(days=1_000))
    for chore in upkeep.CHORES:
        chore.due = 0.0
    upkeep.mend()
    assert not SearchLog.objects.exists()


@pytest.fixture
def explained() -> Any:
    def plan(rows: Any) -> str:
        with through_indexes():
            return str(rows.explain())

    return plan
