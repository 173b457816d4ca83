"""The semantic leg: nearest products by meaning, right under any filter.

pgvector filters after the index scan, so an index scan under a filter may return too few rows, or the wrong ones.
Where the filter keeps few rows, all of them are compared (exact); where it keeps many, the HNSW index is walked
until enough rows have passed; and if that comes back short, all rows are compared after all.
"""

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from django.conf import settings

from search.scope import NOTHING, Condition, Scope, any_of
from search.similarities import Similarities
from search.statements import GIN_SETTINGS, Kind, fetch, fetch_columns, fetch_together
from search.terms import catalogue_size
from search.trace import Route, stage, took
from search.vectors import COLUMNS, NOBODY, Neighbours, Vector, VectorSpace, as_neighbours, vector_literal

CATEGORY_EXACT_FACTOR = 3
# A walk through the graph may take this many times the rows that a filter without bearing on the query would take.
WALK_PATIENCE = 1.5
# So many rows more are taken than the share that a filter keeps of SEARCH_FILTERED_ROWS: few say little.
FILTERED_MARGIN = 100
# Under a filter the graph is walked in strides that are longer by this: as right with a third fewer rows.
FILTERED_STRIDE = 3
# From this share on, a brand is looked up for each row instead of hashing the ids of its products.
LOOK_UP_SHARE = 0.25
# A row's own copy of the price is looked at where the price keeps at least one of so many rows of the categories.
PRICE_COPY_FACTOR = 30
# Whether a query fits the categories asked for is seen from so many of the nearest products of all: at least this
# part of the share that the filter keeps of the catalogue must be among them.
PROBE_ROWS = 40
PROBE_FIT = 0.5
# Shoppers use the same filters again and again.
ESTIMATE_LASTS_S = 60.0

# Other processes would take longer to start than these rows take to compare.
EXACT_SETTINGS = {
    "jit": "off",
    "max_parallel_workers_per_gather": 0,
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}
WALK_SETTINGS = {"jit": "off", "enable_seqscan": "off", "enable_sort": "off"}


@dataclass(frozen=True)
class _Way:
    """How the nearest products within a scope are looked for."""

    is_exact: bool  # every row that the filters keep is compared
    share: float  # of all products, that the filters keep


def nearest(
    space: VectorSpace,
    vector: Vector,
    scope: Scope,
    limit: int,
    constraint: Condition = NOTHING,
    exclude: Sequence[int] = (),
) -> Neighbours:
    """The `limit` nearest active products within `scope`, best first.

    `constraint` speaks of a product `x`; `exclude` are product ids that may not appear.
    """
    (found,) = nearest_in_each(space, vector, [scope], limit, constraint, exclude)
    return found


@stage("semantic")
def nearest_in_each(
    space: VectorSpace,
    vector: Vector,
    scopes: Sequence[Scope],
    limit: int,
    constraint: Condition = NOTHING,
    exclude: Sequence[int] = (),
    required: Condition = NOTHING,
) -> list[Neighbours]:
    """The nearest within each of several scopes; see `nearest`. Rows of the same categories are compared once.

    `required` is a constraint too, one that an index answers, such as a phrase. How many products have one, the
    planner cannot know: it takes words for independent of each other. So those that have it are looked up, and only
    they are compared unless they are many.
    """
    those_having = partial(
        _nearest_of_those, space, vector, limit=limit, constraint=constraint & required, exclude=exclude
    )
    if required.sql and (found := those_having(scopes, at_most=settings.SEARCH_EXACT_ROWS)) is not None:
        took(Route.EXACT)
        return found
    literal, other = vector_literal(vector), _constrained(constraint & required, exclude)
    # Many have what is required, so that only the filters can make few of them.
    ways = {scope: _way(space, literal, scope, NOTHING if required.sql else constraint) for scope in scopes}
    compared = _compared_together(space, literal, ways, other, limit)

    def compare(scope: Scope) -> Neighbours:
        if scope not in compared:
            if required.sql and not ways[scope].is_exact:
                (compared[scope],) = those_having([scope]) or [NOBODY]
            else:
                compared[scope] = _compared(space, literal, scope, other, limit)
        return compared[scope]

    return [_nearest(space, literal, scope, limit, other, ways[scope], compare) for scope in scopes]


def _compared_together(
    space: VectorSpace, literal: str, ways: Mapping[Scope, _Way], other: Condition, limit: int
) -> dict[Scope, Neighbours]:
    """The nearest within those scopes whose rows are compared category by category."""
    alike: dict[tuple[int, ...], list[Scope]] = defaultdict(list)
    for scope, way in ways.items():
        if way.is_exact and scope.category_ids is not None and _looks_at_copies(scope):
            alike[scope.category_ids].append(scope)
    compared: dict[Scope, Neighbours] = {}
    for together in alike.values():
        found = _exact(space, literal, [scope.condition("e") for scope in together], other, limit)
        compared |= zip(together, found, strict=True)
    return compared


def _nearest_of_those(
    space: VectorSpace,
    vector: Vector,
    scopes: Sequence[Scope],
    *,
    limit: int,
    constraint: Condition,
    exclude: Sequence[int],
    at_most: int | None = None,
) -> list[Neighbours] | None:
    """The nearest within each scope of the products that satisfy a constraint; None where more than `at_most` do."""
    within = [scope.condition("x") for scope in scopes]
    where = any_of(within) & constraint
    product_ids, *inside = fetch_columns(
        (Kind.ID, *(Kind.FLAG for _ in within)),
        f"SELECT x.id{''.join(f', {one.sql}' for one in within)} FROM catalog_product AS x"
        f" WHERE {where.sql} LIMIT %s",
        (
            *(param for one in within for param in one.params),
            *where.params,
            None if at_most is None else at_most + 1,
        ),
        GIN_SETTINGS,
    )
    if at_most is not None and len(product_ids) > at_most:
        return None
    asked = Similarities(space, vector, product_ids)
    near = asked.found(fetch_together(asked.selects))
    near = near.at(np.lexsort((-near.product_ids, -near.cosines)))
    stays = ~np.isin(product_ids, exclude)
    return [
        near.at(np.flatnonzero(np.isin(near.product_ids, product_ids[is_inside & stays]))).first(limit)
        for is_inside in inside
    ]


def _way(space: VectorSpace, literal: str, scope: Scope, constraint: Condition) -> _Way:
    kept = _rows_kept(scope, constraint)
    share = 1.0 if kept is None else min(1.0, kept / catalogue_size())
    is_exact = kept is not None and kept <= _exact_rows(scope)
    return _Way(is_exact or not _fits(space, literal, scope, share), share)


def _nearest(
    space: VectorSpace,
    literal: str,
    scope: Scope,
    limit: int,
    other: Condition,
    way: _Way,
    compare: Callable[[Scope], Neighbours],
) -> Neighbours:
    """The nearest within one scope. `compare` compares every row within it."""
    if way.is_exact:
        took(Route.EXACT)
        return compare(scope)
    found = _by_index(space, literal, scope, other, limit, way.share)
    if len(found) < limit:
        took(Route.FALLBACK)
        return compare(scope)
    took(Route.INDEX)
    return found


def _constrained(constraint: Condition, exclude: Sequence[int]) -> Condition:
    """What is asked of a row beside the filters."""
    other = NOTHING
    if exclude:
        other &= Condition("e.product_id <> ALL(%s::bigint[])", (list(exclude),))
    if constraint.sql:
        other &= Condition(
            f"(SELECT {constraint.sql} FROM catalog_product AS x WHERE x.id = e.product_id)",
            constraint.params,
        )
    return other


def _rows_kept(scope: Scope, constraint: Condition) -> int | None:
    """How many products the filters keep, about; None where there are no filters."""
    if scope.is_open and not constraint.sql:
        return None
    return _estimate(scope, constraint, int(time.monotonic() / ESTIMATE_LASTS_S))


@lru_cache(maxsize=1_000)
def _estimate(scope: Scope, constraint: Condition, _period: int) -> int:
    """The planner's estimate of the rows that filters keep, looked up once in a period.

    It costs half a millisecond and is close, where counting may read the whole table. It only chooses the way: an
    index scan that comes back short is done again exactly.
    """
    where = scope.condition("x") & constraint
    ((plan,),) = fetch(
        f"EXPLAIN (FORMAT JSON) SELECT FROM catalog_product AS x WHERE {where.sql}", where.params
    )
    if isinstance(plan, str):
        plan = json.loads(plan)
    return int(plan[0]["Plan"]["Plan Rows"])


def forget_estimates() -> None:
    """Ask the planner again at the next search."""
    _estimate.cache_clear()


def _exact_rows(scope: Scope) -> int:
    """Up to how many rows comparing all of them is best.

    Rows of a category lie in few pages, and a query that does not fit the category finds its way through the graph
    badly.
    """
    return settings.SEARCH_EXACT_ROWS * (CATEGORY_EXACT_FACTOR if scope.category_ids is not None else 1)


def _fits(space: VectorSpace, literal: str, scope: Scope, share: float) -> bool:
    """Whether the vector's neighbourhood has its part of the categories asked for: else the graph leads elsewhere."""
    if scope.category_ids is None:
        return True
    where = _walked(scope, share)
    ((kept,),) = fetch(
        f"SELECT count(*) FILTER (WHERE {where.sql}) FROM (SELECT e.* FROM {space.table}"
        f" ORDER BY {space.distance} LIMIT %s) AS e",
        (*where.params, literal, PROBE_ROWS),
        {**WALK_SETTINGS, "hnsw.ef_search": PROBE_ROWS},
    )
    return int(kept) >= PROBE_FIT * share * PROBE_ROWS


def _neighbours(sql: str, params: Sequence[Any], planner: Mapping[str, object] | None = None) -> Neighbours:
    """Run a statement that selects `VectorSpace.columns`."""
    return as_neighbours(*fetch_columns(COLUMNS, sql, params, planner))


def _compared(space: VectorSpace, literal: str, scope: Scope, other: Condition, limit: int) -> Neighbours:
    """Compare every row that the filters keep.

    Rows of a category lie next to each other, and looking at the price in each of them takes half a microsecond. For
    brands, and for prices that keep next to nothing of a category, products are found through the catalogue's indexes,
    which takes three microseconds for each that is kept: their ids go into one array, in whose order the index on
    vectors is read once, where a join would look each one up.
    """
    if _looks_at_copies(scope):
        where = scope.condition("e")
    else:
        chosen = scope.condition("b", with_active=False)
        where = Condition(
            f"e.is_active AND e.product_id = ANY(ARRAY(SELECT b.id FROM catalog_product AS b WHERE {chosen.sql}))",
            chosen.params,
        )
    (found,) = _exact(space, literal, [where], other, limit)
    return found


def _exact(
    space: VectorSpace, literal: str, within: Sequence[Condition], other: Condition, limit: int
) -> list[Neighbours]:
    """Compare rows `e` once, and put those in order that satisfy each of several conditions.

    Of each row only the vector and the filters' columns are read; the others, which lie behind them, are those of the
    rows found. Without the cast of `VectorSpace.distance` no HNSW index can be meant, and a seventh of the time is
    saved.
    """
    where = any_of(within) & other
    # What is read once becomes part of what reads it: only several conditions need a mark.
    marks = [Condition(f", {one.sql}", one.params) for one in within] if len(within) > 1 else []
    names = ", ".join(["place", "distance", *(f"in{number}" for number in range(len(marks)))])
    best = " UNION ALL ".join(
        f"(SELECT {number}::smallint AS scope, place, distance FROM m {f'WHERE in{number}' if marks else ''}"
        " ORDER BY distance LIMIT %s)"
        for number in range(len(within))
    )
    scopes, *columns = fetch_columns(
        (Kind.PLACE, *COLUMNS),
        f"WITH m({names}) AS (SELECT e.ctid, e.vector <=> %s::halfvec{''.join(mark.sql for mark in marks)}"
        f" FROM {space.table} AND {where.sql})"
        f" SELECT found.scope, e.product_id, found.distance, e.category_id FROM ({best}) AS found"
        " JOIN embeddings_productembedding AS e ON e.ctid = found.place ORDER BY found.distance, e.product_id DESC",
        (
            literal,
            *(param for mark in marks for param in mark.params),
            *where.params,
            *(limit for _ in within),
        ),
        EXACT_SETTINGS,
    )
    return [as_neighbours(*(column[scopes == number] for column in columns)) for number in range(len(within))]


def _looks_at_copies(scope: Scope) -> bool:
    """Whether the rows of the categories asked for are looked through for those that satisfy the other filters."""
    if scope.without("category").is_open:
        return True
    if scope.category_ids is None or scope.brands:
        return False
    kept, inside = (_rows_kept(one, NOTHING) for one in (scope, scope.without("price")))
    return PRICE_COPY_FACTOR * (kept or 0) >= (inside or 0)


def _walked(scope: Scope, share: float) -> Condition:
    """The filters on the rows `e` that a walk comes by.

    Where brands hold many products they are looked up for those rows, in five microseconds each; where few, the ids
    of all of their products are hashed first, and IS TRUE keeps the planner from making a join of it.
    """
    where = scope.without("brand").condition("e")
    if scope.brands:
        where &= Condition(
            "(SELECT b.brand = ANY(%s::text[]) FROM catalog_product AS b WHERE b.id = e.product_id)"
            if share > LOOK_UP_SHARE
            else "(e.product_id IN (SELECT b.id FROM catalog_product AS b WHERE b.brand = ANY(%s::text[]))) IS TRUE",
            (list(scope.brands),),
        )
    return where


def _by_index(
    space: VectorSpace, literal: str, scope: Scope, other: Condition, limit: int, share: float
) -> Neighbours:
    """Walk the HNSW graph until enough rows have passed the filters, then put them in order.

    The first rows that the graph offers under a filter are not always the nearest, so it is walked over as many as
    SEARCH_FILTERED_ROWS of all products, of which the filter keeps about `share`. Where that takes several times as
    long as it should, what is kept lies far from the vector, and nothing is returned: the graph would be walked
    almost to its end. Relaxed order returns rows in batches, which the planner takes for one sorted list, hence
    the `+ 0`.
    """
    where = _walked(scope, share) & other
    is_open = scope.is_open and not other.sql
    if is_open:
        fetched = max(limit, settings.SEARCH_EF_SEARCH)
    else:
        fetched = max(limit, FILTERED_MARGIN + math.ceil(share * settings.SEARCH_FILTERED_ROWS))
    patience = math.ceil(WALK_PATIENCE * fetched / max(share, 1e-6))
    found = _neighbours(
        f"SELECT * FROM (SELECT {space.columns} FROM {space.table} AND {where.sql}"
        " ORDER BY distance LIMIT %s) AS walked ORDER BY distance + 0, product_id DESC",
        (literal, *where.params, fetched),
        {
            **WALK_SETTINGS,
            "hnsw.iterative_scan": "relaxed_order",
            "hnsw.ef_search": min(
                1000, max(limit, settings.SEARCH_EF_SEARCH * (1 if is_open else FILTERED_STRIDE))
            ),
            "hnsw.max_scan_tuples": min(settings.SEARCH_MAX_SCAN_TUPLES, patience),
            "hnsw.scan_mem_multiplier": settings.SEARCH_SCAN_MEM_MULTIPLIER,
        },
    )
    return found.first(limit) if is_open or len(found) == fetched else NOBODY
