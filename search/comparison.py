"""Comparing every row that filters keep: the exact way to the nearest products."""

import math
from collections.abc import Sequence

from search.scope import NOTHING, Condition, Scope
from search.selectivity import rows_kept
from search.statements import fetch_columns
from search.vectors import PRICED_COLUMNS, Neighbours, PricedNeighbours, VectorSpace, as_neighbours

# A row's own copy of the price is looked at where the price keeps at least one of so many rows of the categories.
PRICE_COPY_FACTOR = 30
# Rows of categories are compared once for several ranges of prices where so many hold enough of each.
PRICED_SURPLUS = 1.25
MOST_PRICED = 2_000

# Other processes would take longer to start than these rows take to compare.
EXACT_SETTINGS = {
    "jit": "off",
    "max_parallel_workers_per_gather": 0,
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}


def compare_all(space: VectorSpace, literal: str, scope: Scope, other: Condition, limit: int) -> Neighbours:
    """Compare every row that the filters keep.

    Rows of a category lie next to each other, and looking at the price in each of them takes half a microsecond. For
    brands, and for prices that keep next to nothing of a category, products are found through the catalogue's indexes,
    which takes three microseconds for each that is kept: their ids go into one array, in whose order the index on
    vectors is read once, where a join would look each one up.
    """
    if looks_at_copies(scope):
        where = scope.condition("e")
    else:
        chosen = scope.condition("b", with_active=False)
        where = Condition(
            f"e.is_active AND e.product_id = ANY(ARRAY(SELECT b.id FROM catalog_product AS b WHERE {chosen.sql}))",
            chosen.params,
        )
    return _exact(space, literal, where, other, limit).neighbours


def _exact(
    space: VectorSpace, literal: str, within: Condition, other: Condition, limit: int
) -> PricedNeighbours:
    """Compare all rows `e` that satisfy two conditions, and put them in order.

    Of each row only the vector and what the conditions ask for are read; the other columns, which lie behind the
    vector, are those of the rows found. Without the cast of `VectorSpace.distance` no HNSW index can be meant, and a
    seventh of the time is saved.
    """
    where = within & other
    *columns, prices = fetch_columns(
        PRICED_COLUMNS,
        "SELECT e.product_id, found.distance, e.category_id, e.price::float8 FROM"
        f" (SELECT e.ctid AS place, e.vector <=> %s::halfvec AS distance FROM {space.table} AND {where.sql}"
        " ORDER BY distance LIMIT %s) AS found"
        " JOIN embeddings_productembedding AS e ON e.ctid = found.place ORDER BY found.distance, e.product_id DESC",
        (literal, *where.params, limit),
        EXACT_SETTINGS,
        is_prepared=not where.looks_up,
    )
    return PricedNeighbours(as_neighbours(*columns), prices)


def looks_at_copies(scope: Scope) -> bool:
    """Whether the rows of the categories asked for are looked through for those that satisfy the other filters."""
    if scope.without("category").is_open:
        return True
    if scope.category_ids is None or scope.brands:
        return False
    kept, inside = (rows_kept(one, NOTHING) for one in (scope, scope.without("price")))
    return PRICE_COPY_FACTOR * (kept or 0) >= (inside or 0)


def compare_together(
    space: VectorSpace, literal: str, scopes: Sequence[Scope], other: Condition, limit: int
) -> dict[Scope, Neighbours]:
    """Compare the rows of some categories once for scopes that have these in common, and differ in the price.

    So many are taken of the categories that enough of them are likely to have the price asked for. Scopes of which
    that does not tell the nearest `limit` are left out.
    """
    categories = Scope(category_ids=scopes[0].category_ids)
    inside, fewest = rows_kept(categories, NOTHING), min(rows_kept(scope, NOTHING) or 0 for scope in scopes)
    taken = math.ceil(limit * max(1.0, PRICED_SURPLUS * (inside or 0) / max(1, fewest)))
    if taken > MOST_PRICED:
        return {}
    near = _exact(space, literal, categories.condition("e"), other, taken)
    found = {scope: near.within(scope).first(limit) for scope in scopes}
    return {scope: best for scope, best in found.items() if len(best) == limit or len(near) < taken}
