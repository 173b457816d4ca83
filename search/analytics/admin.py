"""The analytics in the admin: an overview, and lists of queries that want a look."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from embeddings.admin_base import PageAdmin
from search.admin_links import Target, links, targets_for
from search.analytics.models import SearchLog
from search.analytics.overview import overview
from search.analytics.periods import DEFAULT_PERIOD, PERIODS, Period
from search.analytics.reports import LEAST_SEARCHES, LOW_CLICK_RATE, SearchLogQuerySet

SHOWN = 100
OVERVIEW = "overview"


@dataclass(frozen=True)
class Report:
    """A list of queries, or of words in them."""

    key: str
    title: str
    about: str
    empty: str
    rows: Callable[[SearchLogQuerySet], Any]
    subject: str = "normalized"  # the column that says what each row is about


REPORTS = {
    report.key: report
    for report in (
        Report(
            "top-queries",
            "Top queries",
            "What is searched for most.",
            "Nobody has searched in this time.",
            lambda searches: searches.top_queries(),
        ),
        Report(
            "without-results",
            "Without results",
            "Searches that found nothing. A synonym helps where the catalogue calls it something else; what is "
            "searched for under filters may well exist without them.",
            "Every search has found something in this time.",
            lambda searches: searches.without_results(),
        ),
        Report(
            "unknown-words",
            "Unknown words",
            "Words of searches that no product had, whatever was found by meaning or by other words: what you do not "
            "sell, or call something else, for which a synonym helps.",
            "Every word that was searched for is in some product.",
            lambda searches: searches.unmatched_words(),
            "word",
        ),
        Report(
            "low-click-rate",
            "Low click rate",
            f"Queries that found products which hardly anybody wanted to see: asked at least {LEAST_SEARCHES} times, "
            f"and fewer than {LOW_CLICK_RATE:.0%} of the searches led to a click, a cart or a purchase.",
            "There is no such query in this time.",
            lambda searches: searches.low_click_rate(),
        ),
        Report(
            "slowest",
            "Slowest",
            f"Queries by how long the shop took to answer on average; asked at least {LEAST_SEARCHES} times.",
            f"No query was asked {LEAST_SEARCHES} times in this time.",
            lambda searches: searches.slowest(),
        ),
    )
}


@admin.register(SearchLog)
class SearchLogAdmin(PageAdmin):
    """Reports. Nobody edits what was searched; it is deleted when it is old."""

    view_permission = "search.view_searchlog"

    def get_urls(self) -> list[URLPattern]:
        """The overview, and an address for each report."""
        return [
            path("", self.admin_site.admin_view(self.changelist_view), name="search_searchlog_changelist"),
            path("<slug:key>/", self.admin_site.admin_view(self.report_view), name="search_searchlog_report"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The overview."""
        period = self._period(request)
        return self._page(request, "overview", period, {"key": OVERVIEW, **overview(period)})

    def report_view(self, request: HttpRequest, key: str) -> HttpResponse:
        """A list of queries."""
        period = self._period(request)
        if (report := REPORTS.get(key)) is None:
            raise Http404
        targets = targets_for(request.user)
        rows = report.rows(SearchLog.objects.since(period.start()))[:SHOWN]
        context = {
            "key": key,
            "report": report,
            "most": SHOWN,
            "rows": [_with_links(row, row[report.subject], targets) for row in rows],
        }
        return self._page(request, "report", period, context)

    def _period(self, request: HttpRequest) -> Period:
        """The period that was asked for. Raises PermissionDenied for who may not look."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return PERIODS.get(request.GET.get("period", ""), DEFAULT_PERIOD)

    def _page(
        self, request: HttpRequest, template: str, period: Period, context: dict[str, Any]
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Search analytics",
            "opts": self.model._meta,
            "period": period,
            "periods": PERIODS.values(),
            "reports": REPORTS.values(),
            "is_logging": settings.SEARCH_LOG,
            "sample_percent": 100 * settings.SEARCH_LOG_SAMPLE,
            "retention_days": settings.SEARCH_LOG_RETENTION_DAYS,
            **context,
        }
        return TemplateResponse(request, f"admin/search/analytics/{template}.html", context)


def _with_links(row: dict[str, Any], subject: str, targets: Sequence[tuple[Target, str]]) -> dict[str, Any]:
    return row | {"subject": subject, "links": links(targets, subject)}
