"""Comparing every row that filters keep and that can be among the nearest: the exact way to these."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial, reduce
from operator import add, and_

from search.effort import (
    are_many_of,
    effort,
    effort_of_indexed,
    effort_of_parting,
    effort_of_products,
    effort_of_rows,
    looks_at_copies,
)
from search.neighbourhood import Neighbourhood
from search.outlook import Outlook
from search.scope import NOTHING, Condition, Scope
from search.selectivity import categories_hold, exact_rows, rows_kept
from search.side_by_side import may_have_help, side_by_side
from search.statements import Flags, fetch_columns
from search.vectors import NOBODY_PRICED, PRICED_COLUMNS, Neighbours, PricedNeighbours, as_neighbours

# Rows of categories are compared once for several ranges of prices where so many hold enough of each: the nearest have
# other prices than the rest. With 1.25 times as many, a quarter of the comparisons had to be made again.
PRICED_SURPLUS = 2.0
MOST_PRICED = 2_000
# Where a second session may help, so many rows are compared at a time: twice as long as a statement takes anyway.
ROWS_OF_A_SHARE = 4_000
# Of more rows that are looked up one by one it does half, those with so many ids in turns.
IDS_TOGETHER = 64

# Other processes would take longer to start than these rows take to compare.
INDEXED_SETTINGS = {"jit": "off", "max_parallel_workers_per_gather": 0, "enable_seqscan": "off"}
# The index of attributes is read by a bitmap alone. All others need none.
EXACT_SETTINGS = {**INDEXED_SETTINGS, "enable_bitmapscan": "off"}


def compare_all(around: Neighbourhood, scope: Scope, other: Condition, limit: int) -> Neighbours:
    """Compare every row that the filters keep and that can be among the nearest.

    Rows of a category lie next to each other, and looking at the price in each of them takes half a microsecond, or one
    for rows of a brand. For prices alone, brands within categories, and prices that keep next to nothing of a category,
    products are found through the catalogue's indexes, which takes two to four microseconds for each that is kept:
    their ids go into one array, in whose order the index on vectors is read once, where a join would look each one up.
    What has an attribute is found by an index of its own, which takes one to one and a half.
    """
    if not looks_at_copies(scope):
        is_in_few = _is_in_few_parts(around, scope, limit, effort_of_products(scope))
        way = _by_parts if is_in_few else _by_products
    elif scope.category_ids is None and scope.attributes:
        is_in_few = _is_in_few_parts(around, scope, limit, effort_of_rows(scope))
        way = _by_parts if is_in_few else _by_rows
    else:
        way = _by_parts
    return way(around, scope, other, limit).neighbours


def _is_in_few_parts(around: Neighbourhood, scope: Scope, limit: int, effort_of_all: float) -> bool:
    """Whether it takes less to compare what is kept of likely parts than all that is kept."""
    if (outlook := around.outlook(scope)) is None:
        return False
    likely = outlook.likely(limit) & outlook.within_reach(around.floor)
    return effort_of_parting(outlook, likely) <= effort_of_all


def _by_rows(around: Neighbourhood, scope: Scope, other: Condition, limit: int) -> PricedNeighbours:
    """Compare what a scope keeps of the rows of its attributes, brands or categories."""
    is_indexed = bool(scope.attributes) and (
        scope.category_ids is None or effort_of_indexed(scope) < categories_hold(scope)
    )
    return _exact(around, scope.row_condition() & other, limit, is_indexed=is_indexed)


def _by_products(around: Neighbourhood, scope: Scope, other: Condition, limit: int) -> PricedNeighbours:
    """Compare what a scope keeps, looked up product by product."""
    rows = rows_kept(scope, NOTHING) or 0
    number = 2 if rows > ROWS_OF_A_SHARE and may_have_help() else 1
    conditions = [_looked_up(scope, share, number) & other for share in range(number)]
    found = side_by_side([partial(_exact, around, where, limit) for where in conditions])
    return reduce(add, found).first(limit)


def _looked_up(scope: Scope, share: int, number: int) -> Condition:
    """One of so many shares of what a scope keeps, as the catalogue's indexes find it.

    What they say of active products is the values of categories and brands together, or the price alone of all.
    """
    found = replace(scope, attributes=())
    chosen = found.condition("b", with_active=found.category_ids is not None or bool(found.brands))
    if number > 1:  # products with close ids lie next to each other
        chosen &= Condition("mod(b.id / %s, %s) = %s", (IDS_TOGETHER, number, share))
    return reduce(and_, scope.hash_conditions(), _with_ids_of(chosen))


def _by_parts(around: Neighbourhood, scope: Scope, other: Condition, limit: int) -> PricedNeighbours:
    """Compare what seems to hold the nearest, and then what can hold nearer ones, until nothing is left that can.

    Samples may miss a few products among many that are unlike them. Where these are near, they are among the nearest of
    all, too. What can hold nothing that is near enough counts as compared.
    """
    if (outlook := around.outlook(scope)) is None:
        return _by_rows(around, scope, other, limit)
    rest = scope.without("category")
    near_enough = outlook.within_reach(around.floor)
    compared = outlook.likely(limit) & near_enough
    shares = _shares(around, outlook, compared, rest, other, limit)
    if scope.category_ids is None:
        uncategorised = Condition("e.category_id IS NULL") & rest.row_condition()
        is_indexed = bool(rest.attributes)
        shares.append(partial(_exact, around, uncategorised & other, limit, is_indexed=is_indexed))
    nearest_of_all, *likely = side_by_side([around.nearest_of_all, *shares])
    holding = outlook.holding(nearest_of_all.neighbours.category_ids.tolist())
    compared |= ~(near_enough | holding)
    found, expected = reduce(add, likely, NOBODY_PRICED), limit
    while len(found) < limit and not compared.all():
        expected *= 4
        found += _new(around, outlook, outlook.likely(expected) | holding, compared, rest, other, limit)
    if len(found) >= limit:
        nearer = outlook.within_reach(float(found.neighbours.cosines[limit - 1]))
        found += _new(around, outlook, nearer | holding, compared, rest, other, limit)
    return found.first(limit)


def _new(
    around: Neighbourhood,
    outlook: Outlook,
    parts: Flags,
    compared: Flags,
    rest: Scope,
    other: Condition,
    limit: int,
) -> PricedNeighbours:
    """Compare those of some parts that were not yet, and note it."""
    new = parts & ~compared
    compared |= new
    return reduce(add, side_by_side(_shares(around, outlook, new, rest, other, limit)), NOBODY_PRICED)


def _shares(
    around: Neighbourhood, outlook: Outlook, parts: Flags, rest: Scope, other: Condition, limit: int
) -> list[Callable[[], PricedNeighbours]]:
    """What compares some parts: where a second session may help, in shares."""
    if not parts.any():
        return []
    number = 1 + int(effort(outlook, parts) / ROWS_OF_A_SHARE) if may_have_help() else 1
    is_indexed = outlook.indexed is not None and effort(outlook, parts) < outlook.rows_in(parts)
    if is_indexed:
        number = min(number, 2)  # each reads the index of attributes anew
    conditions = [_of_parts(outlook, share, rest) & other for share in outlook.shares(parts, number)]
    return [partial(_exact, around, where, limit, is_indexed=is_indexed) for where in conditions]


def _of_parts(outlook: Outlook, parts: Flags, rest: Scope) -> Condition:
    """What is in some parts and in a scope of their categories, looked up where the scope keeps next to nothing."""
    if outlook.indexed is not None or effort(outlook, parts) == outlook.rows_in(parts):
        return outlook.condition(parts, "e") & rest.row_condition()
    return _with_ids_of(outlook.condition(parts, "b") & rest.condition("b"))


def _with_ids_of(products: Condition) -> Condition:
    """Rows `e` of products `b`, as the catalogue's indexes find them."""
    return Condition(
        f"e.is_active AND e.product_id = ANY(ARRAY(SELECT b.id FROM catalog_product AS b WHERE {products.sql}))",
        products.params,
    )


def _exact(
    around: Neighbourhood, where: Condition, limit: int, *, is_indexed: bool = False
) -> PricedNeighbours:
    """Compare all rows `e` that satisfy a condition, and put them in order.

    Of each row only the vector and what the condition asks for are read; the other columns, which lie behind the
    vector, are those of the rows found. Without the cast of `VectorSpace.distance` no HNSW index can be meant, and a
    seventh of the time is saved. What `is_indexed` is found by the index of attributes.
    """
    near = where & around.near_enough
    *columns, prices = fetch_columns(
        PRICED_COLUMNS,
        "SELECT e.product_id, found.distance, e.category_id, e.price::float8 FROM"
        " (SELECT e.ctid AS place, e.vector <=> %s::halfvec AS distance"
        f" FROM {around.space.table} AND {near.sql} ORDER BY distance LIMIT %s) AS found"
        " JOIN embeddings_productembedding AS e ON e.ctid = found.place ORDER BY found.distance, e.product_id DESC",
        (around.literal, *near.params, limit),
        INDEXED_SETTINGS if is_indexed else EXACT_SETTINGS,
        is_prepared=not (where.looks_up or is_indexed),
    )
    return PricedNeighbours(as_neighbours(*columns), prices)


def _every(around: Neighbourhood, where: Condition, *, is_indexed: bool) -> PricedNeighbours:
    """Compare all rows `e` that satisfy a condition, which are few: all of them, nearest first."""
    near = where & around.near_enough
    *columns, prices = fetch_columns(
        PRICED_COLUMNS,
        "SELECT e.product_id, e.vector <=> %s::halfvec, e.category_id, e.price::float8"
        f" FROM {around.space.table} AND {near.sql}",
        (around.literal, *near.params),
        INDEXED_SETTINGS if is_indexed else EXACT_SETTINGS,
    )
    return NOBODY_PRICED + PricedNeighbours(as_neighbours(*columns), prices)


def in_common(scope: Scope) -> Scope | None:
    """What is compared once for all scopes that have it in common: brands, or categories, with the same attributes."""
    if scope.brands:
        return Scope(brands=scope.brands, attributes=scope.attributes)
    if scope.category_ids is not None and looks_at_copies(scope):
        return Scope(category_ids=scope.category_ids, attributes=scope.attributes)
    return None


def compare_together(
    around: Neighbourhood, common: Scope, scopes: Sequence[Scope], other: Condition, limit: int
) -> dict[Scope, Neighbours]:
    """Compare what some scopes have in common once for all; those that are better compared apart are left out."""
    if common.brands:
        return _of_brands(around, common, scopes, other, limit)
    return _of_categories(around, common, scopes, other, limit)


def _of_brands(
    around: Neighbourhood, brands: Scope, scopes: Sequence[Scope], other: Condition, limit: int
) -> dict[Scope, Neighbours]:
    """Rows of brands are all over the table, so that to come by them takes longer than to compare them.

    So all of them are, unless they are many, or something is looked up for each that is compared.
    """
    if other.looks_up or not are_many_of(brands, scopes):
        return {}
    if (rows_kept(brands, NOTHING) or 0) > exact_rows(brands, limit):
        return {}
    near = _every(around, brands.row_condition() & other, is_indexed=bool(brands.attributes))
    return {scope: near.within(scope).first(limit) for scope in scopes}


def _of_categories(
    around: Neighbourhood, categories: Scope, scopes: Sequence[Scope], other: Condition, limit: int
) -> dict[Scope, Neighbours]:
    """Compare the rows of some categories once for scopes that differ in the price.

    So many are taken of the categories that enough of them are likely to have the price asked for. Scopes of which
    that does not tell the nearest `limit` are left out.
    """
    inside, fewest = (
        rows_kept(categories, NOTHING) or 0,
        min(rows_kept(scope, NOTHING) or 0 for scope in scopes),
    )
    taken = math.ceil(limit * max(1.0, PRICED_SURPLUS * inside / max(1, fewest)))
    if taken > MOST_PRICED:
        return {}
    near = _by_parts(around, categories, other, taken)
    found = {scope: near.within(scope).first(limit) for scope in scopes}
    return {scope: best for scope, best in found.items() if len(best) == limit or len(near) < taken}
