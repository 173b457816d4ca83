"""Pages over a table that is too large to count for every page."""

from typing import Any

from django.core.paginator import Paginator
from django.db import connection
from django.utils.functional import cached_property

# Below this many rows an exact count is quick.
EXACT_BELOW = 50_000


class Estimate(int):
    """A number that says, where people read it, that it is not exact."""

    def __str__(self) -> str:
        return f"about {int(self):,}"


class EstimatingPaginator(Paginator):
    """Takes the planner's estimate for the count of a large table that no filter narrows."""

    @cached_property
    def count(self) -> int:
        """The number of rows, an `Estimate` where counting them would take long."""
        query: Any = getattr(self.object_list, "query", None)
        if query is not None and not query.where:
            estimate = _estimated_rows(query.model._meta.db_table)
            if estimate >= EXACT_BELOW:
                return Estimate(estimate)
        return super().count


def _estimated_rows(table: str) -> int:
    """Return what the planner believes, -1 for a table that was never analysed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [table])
        return cursor.fetchone()[0]
