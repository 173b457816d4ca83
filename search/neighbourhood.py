"""The nearest of all products, whatever is filtered: read once for all scopes of a search."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from django.conf import settings

from search.scope import Scope
from search.statements import Floats, Kind, fetch_columns
from search.vectors import COLUMNS, Neighbours, VectorSpace, as_neighbours

# Whether a query fits categories is seen from so many.
FEW = 40
# What is taken of categories that it fits is among so many, which is one stride of a walk under a filter.
MANY = 600
# Rows that are right leave others out: so many times as many must be there as are asked for.
SURPLUS = 1.25

WALK_SETTINGS = {"jit": "off", "enable_seqscan": "off", "enable_sort": "off"}


@dataclass(frozen=True)
class PricedNeighbours:
    """Products nearest first, with what filters look at. The arrays run parallel."""

    neighbours: Neighbours
    prices: Floats  # NaN: none

    def __len__(self) -> int:
        return len(self.prices)

    def within(self, scope: Scope) -> Neighbours:
        """Those that have the categories and the price asked for; brands are not known here."""
        inside = np.ones(len(self), dtype=np.bool_)
        if scope.category_ids is not None:
            inside &= np.isin(self.neighbours.category_ids, scope.category_ids)
        if scope.price_min is not None:
            inside &= self.prices >= float(scope.price_min)
        if scope.price_max is not None:
            inside &= self.prices <= float(scope.price_max)
        return self.neighbours.at(np.flatnonzero(inside))


PRICED_COLUMNS = (*COLUMNS, Kind.FLOAT)


class Neighbourhood:
    """What lies around a query's vector."""

    def __init__(self, space: VectorSpace, literal: str) -> None:
        self._space = space
        self._literal = literal

    def share_within(self, scope: Scope) -> float:
        """Which part (0..1) of the nearest few has the categories and the price asked for."""
        return len(self._few.within(scope)) / max(1, len(self._few))

    def nearest_within(self, scope: Scope, limit: int) -> Neighbours | None:
        """The nearest that have them; None where too few of the nearest many do, or are likely to."""
        needed = SURPLUS * limit
        if self.share_within(scope) * MANY < needed:
            return None
        found = self._many.within(scope)
        return found.first(limit) if len(found) >= needed else None

    @cached_property
    def _few(self) -> PricedNeighbours:
        return self._walk(FEW)

    @cached_property
    def _many(self) -> PricedNeighbours:
        return self._walk(MANY)

    def _walk(self, rows: int) -> PricedNeighbours:
        *columns, prices = fetch_columns(
            PRICED_COLUMNS,
            f"SELECT * FROM (SELECT {self._space.columns}, e.price::float8 FROM {self._space.table} AND e.is_active"
            " ORDER BY distance LIMIT %s) AS walked ORDER BY distance + 0, product_id DESC",
            (self._literal, rows),
            {
                **WALK_SETTINGS,
                "hnsw.iterative_scan": "relaxed_order",
                "hnsw.ef_search": rows,
                "hnsw.max_scan_tuples": settings.SEARCH_MAX_SCAN_TUPLES,
                "hnsw.scan_mem_multiplier": settings.SEARCH_SCAN_MEM_MULTIPLIER,
            },
        )
        return PricedNeighbours(as_neighbours(*columns), prices)
