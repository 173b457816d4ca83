"""Questions that are asked of what search remembers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Lower

if TYPE_CHECKING:
    from search.models import Synonym  # noqa: F401 - named in a string below


class SynonymQuerySet(models.QuerySet["Synonym"]):
    """Synonyms by the words they stand for."""

    def meanings(self, runs: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield (run, meaning) for each of these lower-case runs of words that has a synonym."""
        wanted = set(runs)
        rows = self.annotate(low_term=Lower("term"), low_means=Lower("means")).filter(
            models.Q(low_term__in=wanted) | models.Q(low_means__in=wanted, both_ways=True)
        )
        for term, means, both_ways in rows.order_by("id").values_list("low_term", "low_means", "both_ways"):
            if term in wanted:
                yield term, means
            if both_ways and means in wanted:
                yield means, term
