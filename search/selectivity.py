"""How many products filters keep, as PostgreSQL's planner sees it."""

import json
import math
import time
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from django.conf import settings

from search.scope import NOTHING, Condition, Scope
from search.statements import fetch
from search.terms import catalogue_size, counted_at

# Shoppers use the same filters again and again. What they keep changes slowly where nobody has counted anew.
ESTIMATE_LASTS_S = 600.0
CATEGORY_EXACT_FACTOR = 2
# SEARCH_EXACT_ROWS is for the nearest of so many products; fewer than this many are as far to walk for.
USUAL_LIMIT = 100
USUAL_SIZE = 100_000


def rows_kept(scope: Scope, constraint: Condition) -> int | None:
    """How many products the filters keep, about; None where there are no filters."""
    if scope.is_open and not constraint.sql:
        return None
    if not scope.attributes:
        return _kept(scope, constraint, counted_at(), _period())
    kept = rows_kept(replace(scope, attributes=()), constraint)
    conditions = zip(scope.hash_conditions(), scope.attributes, strict=True)
    share = math.prod(_share_having(condition, len(values)) for condition, (_, values) in conditions)
    return round(share * (catalogue_size() if kept is None else kept))


def _share_having(condition: Condition, values: int) -> float:
    """Which part (0..1) of the products has one of so many values of an attribute.

    The statistics of their hashes tell it better than those of jsonb, where a value of one product of 170 is not known.
    The planner takes values for independent, so that of n which 1/k of the rows have each, 1 - (1 - 1/k)^n have one;
    but a product has no more than one, so that n/k do.
    """
    those, everything = (_rows_having(one, counted_at(), _period()) for one in (condition, NOTHING))
    share = min(1.0, those / max(1, everything))
    return min(1.0, values * (1 - (1 - share) ** (1 / values)))


def _period() -> int:
    return int(time.monotonic() / ESTIMATE_LASTS_S)


# What the planner expects is looked up once in a period, and after each count.


@lru_cache(maxsize=1_000)
def _kept(scope: Scope, constraint: Condition, _counted_at: datetime | None, _period: int) -> int:
    return _planned("catalog_product AS x", scope.condition("x") & constraint)


@lru_cache(maxsize=1_000)
def _rows_having(condition: Condition, _counted_at: datetime | None, _period: int) -> int:
    return _planned("embeddings_productembedding AS e", condition)


def _planned(table: str, where: Condition) -> int:
    """How many rows of a table the planner expects to satisfy a condition.

    It costs half a millisecond and is close, where counting may read the whole table. It only chooses the way: an
    index scan that comes back short is done again exactly.
    """
    condition = f" WHERE {where.sql}" if where.sql else ""
    ((plan,),) = fetch(f"EXPLAIN (FORMAT JSON) SELECT FROM {table}{condition}", where.params)
    if isinstance(plan, str):
        plan = json.loads(plan)
    return int(plan[0]["Plan"]["Plan Rows"])


def exact_rows(scope: Scope, limit: int = 0) -> float:
    """Up to how many rows comparing all of them is best where the nearest `limit` are looked for.

    Rows of a category lie in few pages, and a query that does not fit the category finds its way through the graph
    badly. Elsewhere comparing takes as long as there are rows, and a walk the longer the fewer they are: it comes by
    about `limit` times the products there are for each of them. So the number at which both take as long grows with the
    square root of these.
    """
    if scope.category_ids is not None:
        return CATEGORY_EXACT_FACTOR * settings.SEARCH_EXACT_ROWS
    length = max(limit, USUAL_LIMIT) / USUAL_LIMIT * catalogue_size() / USUAL_SIZE
    return settings.SEARCH_EXACT_ROWS * max(1.0, math.sqrt(length))


def growth() -> float:
    """So many times further a walk goes than among 100,000 products, to find as much of what is nearest."""
    return max(1.0, math.sqrt(catalogue_size() / USUAL_SIZE))


def categories_hold(scope: Scope) -> int:
    """How many products the categories of a scope have, about, whatever else it asks for."""
    kept = rows_kept(Scope(category_ids=scope.category_ids), NOTHING)
    return catalogue_size() if kept is None else kept


def forget_estimates() -> None:
    """Ask the planner again at the next search."""
    _kept.cache_clear()
    _rows_having.cache_clear()


def share_of(kept: int | None) -> float:
    """Which part (0..1) of the catalogue so many products are; None: all of it."""
    return 1.0 if kept is None else min(1.0, kept / catalogue_size())
