"""Questions that are asked of judgments and evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Count, Q
from django.db.models.functions import Now

if TYPE_CHECKING:
    from search.lab.models import (  # noqa: F401 - named in strings below
        EvaluatedQuery,
        EvaluationRun,
        JudgmentList,
    )


class JudgmentListQuerySet(models.QuerySet["JudgmentList"]):
    """Lists with what is in them."""

    def with_sizes(self) -> Any:
        """Annotate `size`, judgments, and `query_number`, distinct queries."""
        return self.annotate(size=Count("judgments"), query_number=Count("judgments__query", distinct=True))


class EvaluationRunQuerySet(models.QuerySet["EvaluationRun"]):
    """Evaluations by how far they are."""

    def open(self) -> EvaluationRunQuerySet:
        """Runs that have not ended."""
        return self.filter(finished_at__isnull=True)

    def due(self) -> EvaluationRunQuerySet:
        """Open runs that no worker holds, the oldest first."""
        free = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())
        return self.open().filter(free).order_by("pk")

    def with_progress(self) -> Any:
        """Annotate `total` and `done`, both in queries."""
        return self.annotate(
            total=Count("queries"), done=Count("queries", filter=Q(queries__measured__isnull=False))
        )


class EvaluatedQueryQuerySet(models.QuerySet["EvaluatedQuery"]):
    """Queries of runs."""

    def left(self) -> EvaluatedQueryQuerySet:
        """Those still to be measured, in order."""
        return self.filter(measured__isnull=True).order_by("pk")

    def done(self) -> EvaluatedQueryQuerySet:
        """Those that were measured, in order."""
        return self.filter(measured__isnull=False).order_by("pk")
