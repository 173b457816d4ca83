"""The reports, as queries: what is counted of searches within a period.

Only first pages count, so that who turns a page has searched once.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from django.contrib.postgres.fields import ArrayField
from django.db.models import (
    Avg,
    CharField,
    Count,
    DateTimeField,
    F,
    FloatField,
    Func,
    IntegerField,
    Max,
    Min,
    Q,
    QuerySet,
    Value,
)
from django.db.models.functions import Cast

# Queries that were asked less often than this say little of themselves.
LEAST_SEARCHES = 5
# A query is listed as seldom clicked below this share.
LOW_CLICK_RATE = 0.2

_CLICKS = Count("pk", filter=Q(clicked=True))
_CLICK_RATE = Cast(F("clicks"), FloatField()) / F("searches")


class SearchLogQuerySet(QuerySet[Any]):
    """Searches, counted."""

    def since(self, start: datetime) -> Self:
        """Searches from `start` on."""
        return self.filter(page=1, created_at__gte=start)

    def trend(self, times: Sequence[datetime]) -> Any:
        """Figures by the steps that begin at `times`, oldest first: {"step" (from 1), "searches", "found_nothing",
        "unmatched" (with a word that no product had), "clicks", "degraded", "average_ms"}; none for steps without a
        search."""
        # Where each falls among the times is found in half the time that date_trunc takes in a time zone.
        starts = Value(list(times), ArrayField(DateTimeField()))
        step = Func("created_at", starts, function="width_bucket", output_field=IntegerField())
        return (
            self.since(times[0])
            .annotate(step=step)
            .order_by()
            .values("step")
            .annotate(
                searches=Count("*"),
                found_nothing=Count("pk", filter=Q(total=0)),
                unmatched=Count("pk", filter=~Q(unmatched=[])),
                clicks=Count("pk", filter=Q(clicked=True)),
                degraded=Count("pk", filter=Q(degraded=True)),
                average_ms=Avg("latency_ms"),
            )
            .order_by("step")
        )

    def by_query(self) -> Any:
        """Figures by query: {"normalized", "searches"}."""
        return self.order_by().values("normalized").annotate(searches=Count("*"))

    def top_queries(self) -> Any:
        """Queries by how often they were asked, with `found_nothing`, `clicks` and `click_rate` (0..1)."""
        return (
            self.by_query()
            .annotate(found_nothing=Count("pk", filter=Q(total=0)), clicks=_CLICKS)
            .annotate(click_rate=_CLICK_RATE)
            .order_by("-searches", "normalized")
        )

    def without_results(self) -> Any:
        """Queries that found nothing, by how often; `filtered` of them under filters, `last_at` for the last time."""
        return (
            self.filter(total=0)
            .by_query()
            .annotate(filtered=Count("pk", filter=~Q(filters={})), last_at=Max("created_at"))
            .order_by("-searches", "normalized")
        )

    def unmatched_words(self) -> Any:
        """Words that no product had, by how often they were searched for: `word`, `query` (one that it was in),
        `clicks` and `click_rate` (0..1), and `last_at`."""
        return (
            self.exclude(unmatched=[])
            .annotate(word=Func("unmatched", function="unnest", output_field=CharField()))
            .order_by()
            .values("word")
            .annotate(searches=Count("*"), query=Min("normalized"), last_at=Max("created_at"), clicks=_CLICKS)
            .annotate(click_rate=_CLICK_RATE)
            .order_by("-searches", "word")
        )

    def low_click_rate(self) -> Any:
        """Queries that `found` something (at most) which hardly anybody clicked, the worst first."""
        return (
            self.filter(total__gt=0)
            .by_query()
            .annotate(clicks=_CLICKS, found=Max("total"))
            .annotate(click_rate=_CLICK_RATE)
            .filter(searches__gte=LEAST_SEARCHES, click_rate__lt=LOW_CLICK_RATE)
            .order_by("click_rate", "-searches", "normalized")
        )

    def slowest(self) -> Any:
        """Queries by how long they take: `average_ms`, and `slowest_ms` of a single one."""
        return (
            self.by_query()
            .annotate(average_ms=Avg("latency_ms"), slowest_ms=Max("latency_ms"))
            .filter(searches__gte=LEAST_SEARCHES)
            .order_by("-average_ms", "normalized")
        )
