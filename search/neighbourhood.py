"""The nearest of all products, whatever is filtered: read once for all scopes of a search."""

from functools import cached_property

from django.conf import settings

from search.scope import Scope
from search.vectors import Neighbours, PricedNeighbours, VectorSpace
from search.walk import SURPLUS, filtered_stride, walk

# Whether a query fits categories is seen from so many.
FEW = 40


class Neighbourhood:
    """What lies around a query's vector: the nearest few, and the many of one stride of a walk under a filter."""

    def __init__(self, space: VectorSpace, literal: str) -> None:
        self._space = space
        self._literal = literal

    def share_within(self, scope: Scope) -> float:
        """Which part (0..1) of the nearest few has the categories and the price asked for."""
        return len(self._few.within(scope)) / max(1, len(self._few))

    def nearest_within(self, scope: Scope, limit: int) -> Neighbours | None:
        """The nearest that have them; None where too few of the nearest many do, or are likely to."""
        needed = SURPLUS * limit
        if self.share_within(scope) * filtered_stride() < needed:
            return None
        found = self._many.within(scope)
        return found.first(limit) if len(found) >= needed else None

    @cached_property
    def _few(self) -> PricedNeighbours:
        return self._nearest(FEW)

    @cached_property
    def _many(self) -> PricedNeighbours:
        return self._nearest(filtered_stride())

    def _nearest(self, rows: int) -> PricedNeighbours:
        everything = Scope().condition("e")
        return walk(self._space, self._literal, everything, rows, rows, settings.SEARCH_MAX_SCAN_TUPLES)
