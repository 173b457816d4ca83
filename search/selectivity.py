"""How many products filters keep, as PostgreSQL's planner sees it."""

import json
import time
from functools import lru_cache

from django.conf import settings

from search.scope import NOTHING, Condition, Scope
from search.statements import fetch
from search.terms import catalogue_size

# Shoppers use the same filters again and again.
ESTIMATE_LASTS_S = 60.0
CATEGORY_EXACT_FACTOR = 3


def rows_kept(scope: Scope, constraint: Condition) -> int | None:
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


def exact_rows(scope: Scope) -> int:
    """Up to how many rows comparing all of them is best.

    Rows of a category lie in few pages, and a query that does not fit the category finds its way through the graph
    badly.
    """
    return settings.SEARCH_EXACT_ROWS * (CATEGORY_EXACT_FACTOR if scope.category_ids is not None else 1)


def categories_hold(scope: Scope) -> int:
    """How many products the categories of a scope have, about, whatever else it asks for."""
    kept = rows_kept(Scope(category_ids=scope.category_ids), NOTHING)
    return catalogue_size() if kept is None else kept


def forget_estimates() -> None:
    """Ask the planner again at the next search."""
    _estimate.cache_clear()


def share_of(kept: int | None) -> float:
    """Which part (0..1) of the catalogue so many products are; None: all of it."""
    return 1.0 if kept is None else min(1.0, kept / catalogue_size())
