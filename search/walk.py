"""A walk through the HNSW graph: the rows that it offers first, put in order."""

import math

from django.conf import settings

from search.scope import Condition
from search.selectivity import growth
from search.statements import fetch_columns
from search.vectors import PRICED_COLUMNS, PricedNeighbours, VectorSpace, as_neighbours

# Under a filter one stride is longer by this at most.
FILTERED_STRIDE = 3
LONGEST_STRIDE = 1000  # pgvector allows no longer one

SETTINGS = {
    "jit": "off",
    "enable_seqscan": "off",
    "enable_sort": "off",
    "hnsw.iterative_scan": "relaxed_order",
}


def filtered_stride() -> int:
    """How many rows the graph is walked over under a filter, where one stride is to be enough."""
    return min(LONGEST_STRIDE, FILTERED_STRIDE * usual_stride())


def usual_stride() -> int:
    """How many rows the graph is walked over where nothing is filtered."""
    return min(LONGEST_STRIDE, math.ceil(growth() * settings.SEARCH_EF_SEARCH))


def walk(space: VectorSpace, literal: str, where: Condition, taken: int, stride: int) -> PricedNeighbours:
    """The first `taken` rows `e` that satisfy a condition, in order.

    It is walked over `stride` rows at a time, and over SEARCH_MAX_SCAN_TUPLES in all.
    Relaxed order returns rows in batches, which the planner takes for one sorted list, hence the `+ 0`.
    """
    *columns, prices = fetch_columns(
        PRICED_COLUMNS,
        f"SELECT * FROM (SELECT {space.columns}, e.price::float8 FROM {space.table} AND {where.sql}"
        " ORDER BY distance LIMIT %s) AS walked ORDER BY distance + 0, product_id DESC",
        (literal, *where.params, taken),
        {
            **SETTINGS,
            "hnsw.ef_search": stride,
            "hnsw.max_scan_tuples": settings.SEARCH_MAX_SCAN_TUPLES,
            "hnsw.scan_mem_multiplier": settings.SEARCH_SCAN_MEM_MULTIPLIER,
        },
        is_prepared=not where.looks_up,
    )
    return PricedNeighbours(as_neighbours(*columns), prices)
