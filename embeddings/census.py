"""How many products have which status, by model and category, without reading the table.

Totals and inactive products are counted in two narrow indexes, what is unsettled in the queue's; the rest is
ready. So the figures cost milliseconds where nearly everything is embedded, which is nearly always.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, DateTimeField, Min, Q, Value
from django.db.models.functions import Cast

from catalog.models import Category
from embeddings.models import ProductEmbedding, Status
from embeddings.planning import through_indexes
from embeddings.querysets import status_expression

Counts = dict[str, int]

_TOTAL = "total"


@dataclass(frozen=True)
class Census:
    """Products by status, at one moment. Every status is a key of every `Counts`."""

    by_model: dict[int, Counts]
    by_category: dict[int, dict[int | None, Counts]]  # model -> category -> counts
    waiting_since: dict[int, datetime]  # model -> when its oldest waiting text came; only where one waits

    def of(self, model_id: int) -> Counts:
        """Counts of a model, also of one that has no rows."""
        return self.by_model.get(model_id, no_products())


def no_products() -> Counts:
    """Zero of every status."""
    return {status.value: 0 for status in Status}


def take() -> Census:
    """Count, in one query and hence one snapshot."""
    by_category: dict[int, dict[int | None, Counts]] = defaultdict(lambda: defaultdict(no_products))
    by_model: dict[int, Counts] = defaultdict(no_products)
    waiting_since: dict[int, datetime] = {}
    with through_indexes():
        rows = list(_query())
    for model, category, status, number, since in rows:
        for counts in (by_category[model][category], by_model[model]):
            if status == _TOTAL:
                counts[Status.READY] += number
            else:
                counts[status] += number
                counts[Status.READY] -= number
        if since is not None:
            waiting_since[model] = min(since, waiting_since.get(model, since))
    return Census(dict(by_model), {model: dict(found) for model, found in by_category.items()}, waiting_since)


def _query() -> Any:
    """(model, category, what is counted, how many, since when they wait)."""
    rows = ProductEmbedding.objects.order_by()
    columns = ("model_id", "category_id", "counted", "number", "since")
    whole, inactive = (
        part.values("model_id", "category_id").annotate(
            counted=Value(label), number=Count("*"), since=Cast(Value(None), DateTimeField())
        )
        for part, label in ((rows, _TOTAL), (rows.filter(is_active=False), Status.INACTIVE.value))
    )
    unsettled = (
        rows.unsettled()
        .annotate(counted=status_expression())
        .values("model_id", "category_id", "counted")
        .annotate(number=Count("*"), since=Min("wanted_at", filter=Q(next_attempt_at__isnull=False)))
    )
    return whole.values_list(*columns).union(
        inactive.values_list(*columns), unsettled.values_list(*columns), all=True
    )


def coverage(counts: Counts) -> float:
    """Share in percent of active products whose vector is up to date; 100 where there are none.

    Cut to one decimal: 100 means all of them.
    """
    active = sum(counts.values()) - counts[Status.INACTIVE]
    return 1000 * counts[Status.READY] // active / 10 if active else 100.0


def by_top_category(found: dict[int | None, Counts]) -> list[tuple[str, str | None, Counts]]:
    """Counts by the category at the root of the tree, the largest first: [(name, slug or None, counts)]."""
    paths = dict(Category.objects.order_by().values_list("pk", "path"))
    names = dict(Category.objects.filter(parent=None).order_by().values_list("slug", "name"))
    sums: dict[str | None, Counts] = defaultdict(no_products)
    for category, counts in found.items():
        path = paths.get(category) if category is not None else None
        slug = path.partition("/")[0] if path else None
        for status, number in counts.items():
            sums[slug][status] += number
    ordered = sorted(sums.items(), key=lambda item: -sum(item[1].values()))
    return [(names.get(slug, slug) if slug else "No category", slug, counts) for slug, counts in ordered]
