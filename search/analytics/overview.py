"""The first page of the analytics: figures of a period, and how they developed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count
from django.utils import timezone

from embeddings import charts
from search.analytics.models import SearchEvent, SearchLog
from search.analytics.periods import Period


@dataclass(frozen=True)
class Figures:
    """Searches of one step of a period, or of all of it."""

    at: datetime
    searches: int = 0
    found_nothing: int = 0
    unmatched: int = 0
    clicks: int = 0
    degraded: int = 0
    total_ms: float = 0.0

    def share(self, number: int) -> float | None:
        """`number` as a share of the searches, 0..1; None where there are none."""
        return number / self.searches if self.searches else None

    @property
    def nothing_rate(self) -> float | None:
        """Share of searches that found nothing."""
        return self.share(self.found_nothing)

    @property
    def unmatched_rate(self) -> float | None:
        """Share of searches with a word that no product has."""
        return self.share(self.unmatched)

    @property
    def click_rate(self) -> float | None:
        """Share of searches after which a product was clicked, put into the cart or bought."""
        return self.share(self.clicks)

    @property
    def degraded_rate(self) -> float | None:
        """Share of searches that were answered from keywords alone, for want of the model."""
        return self.share(self.degraded)

    @property
    def average_ms(self) -> float | None:
        """Milliseconds that a search took."""
        return self.total_ms / self.searches if self.searches else None


def overview(period: Period) -> dict[str, Any]:
    """The page's figures, in two queries."""
    steps = _steps(period)
    return {
        "sum": _sum(steps),
        "steps": steps,
        "events": _events(period.start()),
        "charts": _charts(steps, period),
    }


def _steps(period: Period) -> list[Figures]:
    """Figures of every step, those without a search included."""
    times = period.times()
    found = {row["step"]: row for row in SearchLog.objects.trend(times)}
    return [_figures(at, found.get(number)) for number, at in enumerate(times, start=1)]


def _figures(at: datetime, row: dict[str, Any] | None) -> Figures:
    if row is None:
        return Figures(at)
    return Figures(
        at,
        row["searches"],
        row["found_nothing"],
        row["unmatched"],
        row["clicks"],
        row["degraded"],
        row["average_ms"] * row["searches"],
    )


def _sum(steps: Sequence[Figures]) -> Figures:
    return Figures(
        steps[0].at,
        sum(step.searches for step in steps),
        sum(step.found_nothing for step in steps),
        sum(step.unmatched for step in steps),
        sum(step.clicks for step in steps),
        sum(step.degraded for step in steps),
        sum(step.total_ms for step in steps),
    )


def _events(start: datetime) -> list[tuple[str, int]]:
    """How many events of each kind came in."""
    rows = SearchEvent.objects.filter(created_at__gte=start).values_list("kind").annotate(number=Count("*"))
    found = dict(rows)
    return [(str(kind.label), found.get(kind.value, 0)) for kind in SearchEvent.Kind]


def _charts(steps: Sequence[Figures], period: Period) -> list[tuple[str, charts.Chart]]:
    unit = f"Searches per {period.unit}"
    return [
        (unit, _chart(period, [(step.at, step.searches) for step in steps], _number)),
        ("Found nothing", _rates(period, [(step.at, step.nothing_rate) for step in steps])),
        ("Clicked", _rates(period, [(step.at, step.click_rate) for step in steps])),
    ]


def _rates(period: Period, points: Sequence[tuple[datetime, float | None]]) -> charts.Chart:
    """Shares; a step without a search is a gap."""
    return _chart(period, [point for point in points if point[1] is not None], _percent, tops=(0.1, 0.5, 1.0))


def _chart(
    period: Period,
    points: Sequence[tuple[datetime, float | None]],
    label: Callable[[float], str],
    tops: Sequence[float] = (),
) -> charts.Chart:
    return charts.line_chart(points, period.start(), timezone.localtime(), period.step, label, tops)


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
