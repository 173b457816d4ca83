"""The reports agree with a count by hand."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from embeddings.planning import through_indexes
from search.analytics import ids
from search.analytics.overview import overview
from search.analytics.periods import PERIODS
from search.analytics.reports import LEAST_SEARCHES, LOW_CLICK_RATE
from search.models import SearchEvent, SearchLog

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 30, 10, 20, tzinfo=UTC)


@pytest.fixture
def now(monkeypatch: Any) -> datetime:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    return NOW


@pytest.fixture
def searches(now: datetime, settings: Any) -> list[SearchLog]:
    """A thousand searches of forty days."""
    chance = random.Random(4)
    rows = [
        SearchLog(
            id=ids.new_id(),
            text="x",
            normalized=f"query {int(60 * chance.random() ** 3)}",
            mode="hybrid",
            filters={"brands": ["Bormund"]} if chance.random() < 0.3 else {},
            page=1 if chance.random() < 0.8 else 2,
            total=0 if chance.random() < 0.2 else chance.randint(1, 99),
            latency_ms=chance.uniform(1, 90),
            degraded=chance.random() < 0.1,
            unmatched=sorted({f"word {int(9 * chance.random() ** 2)}" for _ in range(chance.randint(0, 2))}),
            source="api",
            created_at=now - timedelta(minutes=chance.uniform(0, 40 * 24 * 60)),
            clicked=chance.random() < 0.15,
        )
        for _ in range(1_000)
    ]
    SearchLog.objects.bulk_create(rows)
    SearchEvent.objects.bulk_create(
        SearchEvent(search=row, kind="click", sku="A-1", created_at=row.created_at)
        for row in rows
        if row.clicked
    )
    return rows


def within(searches: list[SearchLog], start: datetime) -> list[SearchLog]:
    return [row for row in searches if row.page == 1 and row.created_at >= start]


def grouped(rows: list[SearchLog]) -> dict[str, list[SearchLog]]:
    groups: dict[str, list[SearchLog]] = defaultdict(list)
    for row in rows:
        groups[row.normalized].append(row)
    return groups


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns"])
@pytest.mark.parametrize("key", PERIODS)
def test_the_overview_agrees_with_a_count_by_hand(
    searches: list[SearchLog], key: str, zone: str, django_assert_num_queries: Any
) -> None:
    period = PERIODS[key]
    with timezone.override(zone), django_assert_num_queries(2):
        found = overview(period)
    tz = ZoneInfo(zone)
    unit = "%Y%m%d%H" if period.unit == "hour" else "%Y%m%d"
    counted = within(searches, found["steps"][0].at)
    assert len(found["steps"]) == period.steps
    for step in found["steps"]:
        label = step.at.astimezone(tz).strftime(unit)
        rows = [row for row in counted if row.created_at.astimezone(tz).strftime(unit) == label]
        assert step.searches == len(rows)
        assert step.found_nothing == sum(row.total == 0 for row in rows)
        assert step.unmatched == sum(bool(row.unmatched) for row in rows)
        assert step.clicks == sum(row.clicked for row in rows)
        assert step.degraded == sum(row.degraded for row in rows)
        assert step.total_ms == pytest.approx(sum(row.latency_ms for row in rows))
    assert found["sum"].searches == len(counted) > 10
    clicks = [row for row in searches if row.clicked and row.created_at >= found["steps"][0].at]
    assert dict(found["events"])["Click"] == len(clicks)
    assert NOW - found["steps"][-1].at < period.step


def test_days_are_whole_where_clocks_change(now: datetime) -> None:
    with timezone.override("Europe/Berlin"):  # summer time began on 29 March 2026
        times = PERIODS["7d"].times()
    assert [(at.day, at.hour) for at in times] == [(day, 0) for day in (24, 25, 26, 27, 28, 29, 30)]
    assert times[-1] - times[-2] == timedelta(days=1)
    assert times[-1].astimezone(UTC) - times[-2].astimezone(UTC) == timedelta(hours=23)


def test_queries_are_counted_as_by_hand(searches: list[SearchLog]) -> None:
    start = PERIODS["30d"].start()
    log = SearchLog.objects.since(start)
    groups = grouped(within(searches, start))

    top = list(log.top_queries())
    assert [row["normalized"] for row in top] == sorted(
        groups, key=lambda query: (-len(groups[query]), query)
    )
    for row in top:
        rows = groups[row["normalized"]]
        assert row["searches"] == len(rows)
        assert row["found_nothing"] == sum(one.total == 0 for one in rows)
        assert row["click_rate"] == pytest.approx(sum(one.clicked for one in rows) / len(rows))

    nothing = grouped([row for row in within(searches, start) if row.total == 0])
    found = list(log.without_results())
    assert [row["normalized"] for row in found] == sorted(nothing, key=lambda q: (-len(nothing[q]), q))
    for row in found:
        rows = nothing[row["normalized"]]
        assert row["filtered"] == sum(bool(one.filters) for one in rows)
        assert row["last_at"] == max(one.created_at for one in rows)

    something = grouped([row for row in within(searches, start) if row.total])
    rates = {query: sum(one.clicked for one in rows) / len(rows) for query, rows in something.items()}
    low = [
        query
        for query, rows in something.items()
        if len(rows) >= LEAST_SEARCHES and rates[query] < LOW_CLICK_RATE
    ]
    expected = sorted(low, key=lambda query: (rates[query], -len(something[query]), query))
    assert [row["normalized"] for row in log.low_click_rate()] == expected
    assert expected

    averages = {query: sum(one.latency_ms for one in rows) / len(rows) for query, rows in groups.items()}
    slow = sorted((q for q in groups if len(groups[q]) >= LEAST_SEARCHES), key=lambda q: -averages[q])
    rows_found = list(log.slowest())
    assert [row["normalized"] for row in rows_found] == slow
    assert [row["average_ms"] for row in rows_found] == pytest.approx([averages[query] for query in slow])


def test_words_that_no_product_had_are_counted_as_by_hand(searches: list[SearchLog]) -> None:
    start = PERIODS["30d"].start()
    having: dict[str, list[SearchLog]] = defaultdict(list)
    for row in within(searches, start):
        for word in row.unmatched:
            having[word].append(row)
    found = list(SearchLog.objects.since(start).unmatched_words())
    assert [row["word"] for row in found] == sorted(having, key=lambda word: (-len(having[word]), word))
    for row in found:
        rows = having[row["word"]]
        assert row["searches"] == len(rows) > 1
        assert row["query"] in {one.normalized for one in rows}
        assert row["last_at"] == max(one.created_at for one in rows)
        assert row["click_rate"] == pytest.approx(sum(one.clicked for one in rows) / len(rows))


def test_a_period_reads_its_own_rows_only(searches: list[SearchLog]) -> None:
    with through_indexes():
        plan = SearchLog.objects.since(PERIODS["24h"].start()).top_queries().explain()
    assert "search_log_recent" in plan


def test_an_empty_log_has_an_empty_overview(db: None) -> None:
    found = overview(PERIODS["7d"])
    assert found["sum"].searches == 0
    assert found["sum"].click_rate is None
    assert [number for _, number in found["events"]] == [0, 0, 0]
