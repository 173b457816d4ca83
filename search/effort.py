"""What it takes to compare rows, in the way that takes least: as how many rows of categories, one after the other.

Rows of a category lie next to each other, and one takes about half a microsecond.
"""

from collections.abc import Sequence
from dataclasses import replace

from search.outlook import Outlook
from search.scope import NOTHING, Scope
from search.selectivity import categories_hold, rows_kept
from search.statements import Flags

# A row's own copy of the price is looked at where the price keeps at least one of so many rows of the categories.
PRICE_COPY_FACTOR = 6
# So much longer it takes to look up a product by its id than to read one after the other of a brand.
LOOKING_UP = 3
# So much longer a row that the index of attributes finds takes than one of a category, which lie next to each other;
# and so long to find it, if it is then not compared.
INDEXED_FACTOR = 2.5
INDEX_FACTOR = 0.2
# As many rows it takes to find out which parts can hold the nearest.
PARTING = 8_000


def looks_at_copies(scope: Scope) -> bool:
    """Whether rows of the attributes, brands or categories asked for are looked through for what else is asked for."""
    if scope.attributes:
        if scope == scope.without("price"):
            return True
        return effort_of_rows(scope) <= effort_of_products(replace(scope, attributes=()))
    if scope.without("category").is_open:
        return True
    if scope.brands:
        return scope.category_ids is None and are_many_of(Scope(brands=scope.brands), [scope])
    if scope.category_ids is None:
        return False
    return PRICE_COPY_FACTOR * (rows_kept(scope, NOTHING) or 0) >= categories_hold(scope)


def effort_of_products(scope: Scope) -> float:
    """As how many rows of categories it takes to look up what a scope keeps, product by product."""
    return LOOKING_UP * (rows_kept(scope, NOTHING) or 0)


def effort_of_rows(scope: Scope) -> float:
    """The same to look through the rows of the attributes or categories asked for."""
    by_index = effort_of_indexed(scope)
    return by_index if scope.category_ids is None else min(by_index, categories_hold(scope))


def effort_of_indexed(scope: Scope) -> float:
    """The same to look through those that the index of attributes finds, which knows no prices."""
    found = rows_kept(Scope(attributes=scope.attributes), NOTHING) or 0
    return INDEX_FACTOR * found + INDEXED_FACTOR * (rows_kept(scope.without("price"), NOTHING) or 0)


def are_many_of(common: Scope, scopes: Sequence[Scope]) -> bool:
    """Whether looking up what scopes keep of what they have in common takes longer than reading all of that."""
    kept = sum(rows_kept(scope, NOTHING) or 0 for scope in scopes)
    return LOOKING_UP * kept >= (rows_kept(common, NOTHING) or 0)


def effort(outlook: Outlook, parts: Flags) -> float:
    """As how many rows of categories it takes to compare what is asked for in some parts.

    All of these are looked through, or an index finds what is asked for: that of attributes, or the catalogue's of
    prices.
    """
    if outlook.indexed is None:
        found = PRICE_COPY_FACTOR * outlook.kept_in(parts)
    else:
        found = INDEX_FACTOR * outlook.indexed + INDEXED_FACTOR * outlook.kept_in(parts)
    return min(outlook.rows_in(parts), found)


def effort_of_parting(outlook: Outlook, parts: Flags) -> float:
    """The same where which parts these are is found out of the whole catalogue."""
    return PARTING + effort(outlook, parts)
