"""The semantic leg: nearest products by meaning, right under any filter.

pgvector filters after the index scan, so an index scan under a filter may return too few rows, or the wrong ones.
Where the filter keeps few rows, or samples tell that the nearest are in few places, these are compared (exact); where
it keeps many, the HNSW index is walked until enough rows have passed; and if that comes back short, rows are compared
after all.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial, reduce
from operator import or_

from django.conf import settings

from search.comparison import compare_all, compare_together, in_common
from search.effort import effort, effort_of_parting
from search.neighbourhood import Neighbourhood
from search.outlook import Outlook
from search.product_conditions import ProductConditions, nearest_having
from search.scope import NOTHING, Condition, Scope
from search.selectivity import exact_rows, growth, rows_kept, share_of
from search.side_by_side import side_by_side
from search.trace import Route, stage, took
from search.vectors import LEAST_COSINE, NOBODY, Neighbours, Vector, VectorSpace
from search.walk import LONGEST_STRIDE, filtered_stride, usual_stride, walk

# So many times as many rows as usual are compared where a price or an attribute keeps some kinds of products and not
# others: what is near to most queries is of another kind, and the walk to what it keeps long.
UNEVEN_FACTOR = 2
# From this share on, one stride is enough: so long that this part of what should pass in it is enough. Less passes
# in it than in a stride without a filter, but it is longer, and so misses no more.
WIDE_SHARE = 0.25
STRIDE_YIELD = 0.8
WIDE_PASSING = 0.8
# Below it, so many rows more are taken than the share of SEARCH_FILTERED_ROWS that a filter keeps: few say little.
FILTERED_MARGIN = 40
# Strides are longer by this than without a filter: with shorter ones more is missed, with longer ones more is in vain.
NARROW_STRIDE = 1.5
# A row that a walk comes by takes as long as so many that are compared one after the other.
ROWS_FOR_A_STEP = 6
# As so many where no category is asked for, and samples of the whole catalogue tell how long the walk is.
ROWS_OF_ALL_FOR_A_STEP = 11
# What a filter keeps lies far from a vector where samples tell that so many times as many products as elsewhere are
# nearer. There a walk offers less of the nearest first, so that more rows are taken, the more the farther they lie.
FAR = 1.5
SURPLUS_OF_FAR = 4 / 3
MOST_SURPLUS = 4
# A walk that passed by more samples than are allowed for strides of its length is made again with longer ones, which
# leaves most wrong places. The longest takes a quarter of what comparing takes.
PASSED_BY_ALLOWED = ((0, 0), (400, 1), (LONGEST_STRIDE, 4))
# A query fits categories where its nearest products of all hold at least this part of the share that the categories
# hold of the catalogue. Where those are at least so much of the nearest, they are taken from them.
FIT = 0.5
NEAR_SHARE = 0.5


@dataclass(frozen=True)
class _Way:
    """How the nearest products within a scope are looked for."""

    limit: int  # so many of them
    is_exact: bool = False  # every row that the filters keep and that can be among the nearest is compared
    is_near: bool = False  # most of the nearest products of all are within the filters
    stride: int = 0  # so many rows the graph is walked over at a time
    taken: int = 0  # until so many have passed the filters


def nearest(
    space: VectorSpace,
    vector: Vector,
    scope: Scope,
    limit: int,
    constraint: Condition = NOTHING,
    exclude: Sequence[int] = (),
    floor: float = LEAST_COSINE,
) -> Neighbours:
    """The `limit` nearest active products within `scope`, best first.

    `constraint` speaks of a product `x`; `exclude` are product ids that may not appear. What has a cosine below
    `floor` need not be found.
    """
    return nearest_in_each(space, vector, {scope: limit}, constraint, exclude, floor=floor)[scope]


@stage("semantic")
def nearest_in_each(
    space: VectorSpace,
    vector: Vector,
    limits: Mapping[Scope, int],
    constraint: Condition = NOTHING,
    exclude: Sequence[int] = (),
    required: Condition = NOTHING,
    floor: float = LEAST_COSINE,
    believed: Collection[Scope] = (),
) -> dict[Scope, Neighbours]:
    """The nearest within each of several scopes; see `nearest`. Rows of the same categories are compared once.

    `limits` says how many are wanted within each. Within those that are `believed`, a walk that leads to the wrong
    place does little harm, and is not looked into.

    `required` is a constraint too, one that an index answers, such as a phrase. Those that have it are looked up first,
    and only they are compared unless they are many.
    """
    around = Neighbourhood(space, vector, floor)
    asked = ProductConditions(constraint, required, exclude)
    those_having = partial(nearest_having, around, asked)
    if required.sql and (found := those_having(limits, settings.SEARCH_EXACT_ROWS)) is not None:
        took(Route.EXACT)
        return found
    ways = {scope: _way(around, scope, asked, limit, scope in believed) for scope, limit in limits.items()}
    return _Search(around, ways, asked, believed, those_having).found()


@dataclass
class _Search:
    """The nearest within several scopes, each looked for in its way."""

    around: Neighbourhood
    ways: Mapping[Scope, _Way]
    asked: ProductConditions
    believed: Collection[Scope]  # where walks are
    those_having: Callable[[Mapping[Scope, int]], dict[Scope, Neighbours] | None]
    compared: dict[Scope, Neighbours] = field(default_factory=dict)

    @cached_property
    def other(self) -> Condition:
        """What is asked of rows `e` beside the scopes."""
        return self.asked.of_rows

    def found(self) -> dict[Scope, Neighbours]:
        """The nearest within each scope. For the sets of facets the graph is walked while rows are compared.

        Rows of brands lie elsewhere than those of categories.
        """
        first = next(iter(self.ways), None)
        apart: dict[tuple[bool, bool], list[Scope]] = defaultdict(list)
        for scope, way in self.ways.items():
            apart[scope != first and not way.is_exact, bool(scope.brands)].append(scope)
        return reduce(or_, side_by_side([partial(self._find_each, some) for some in apart.values()]), {})

    def _find_each(self, scopes: Sequence[Scope]) -> dict[Scope, Neighbours]:
        ways = {scope: self.ways[scope] for scope in scopes}
        self.compared |= _compared(self.around, ways, self.other)
        return {scope: self._find(scope) for scope in scopes}

    def _find(self, scope: Scope) -> Neighbours:
        way = self.ways[scope]
        if way.is_near and not self.other.sql:
            near = self.around.nearest_within(scope, way.limit)
            if near is not None and not self._passed_by(scope, near):
                took(Route.INDEX)
                return near
        if way.is_exact:
            took(Route.EXACT)
            return self._compare(scope)
        if (found := self._walked(scope)) is not None:
            took(Route.INDEX)
            return found
        took(Route.FALLBACK)
        return self._compare(scope)

    def _walked(self, scope: Scope) -> Neighbours | None:
        """The nearest by walking the HNSW graph until enough rows have passed the filters, put in order then.

        The first rows that the graph offers under a filter are not always the nearest, so that it is walked over more
        of them. Where what is kept lies far from the vector, that takes several strides: where the walk is cut short,
        pgvector hands out what it came by on its way instead, most of which is not among the nearest. None where too
        few pass all the same, and where walks of any stride lead to the wrong place.
        """
        way = self.ways[scope]
        limit, taken = way.limit, way.taken
        where = scope.row_condition() & self.other
        for stride in (way.stride, *(longer for longer, _ in PASSED_BY_ALLOWED if longer > way.stride)):
            found = walk(self.around.space, self.around.literal, where, taken, stride).neighbours
            if len(found) < taken:
                return None
            nearest_found = found.first(limit)
            allowed = max(number for least, number in PASSED_BY_ALLOWED if least <= stride)
            if self._passed_by(scope, nearest_found) <= allowed:
                return nearest_found
        return None

    def _passed_by(self, scope: Scope, found: Neighbours) -> int:
        """How many samples tell that the graph led to the wrong place."""
        if scope in self.believed:
            return 0
        return self.around.passed_by(scope, found, self.asked.exclude, self.asked.of_products)

    def _compare(self, scope: Scope) -> Neighbours:
        """Compare every row within a scope, unless that was done."""
        if scope not in self.compared:
            way = self.ways[scope]
            if self.asked.required.sql and not way.is_exact:
                self.compared |= self.those_having({scope: way.limit}) or {scope: NOBODY}
            else:
                self.compared[scope] = compare_all(self.around, scope, self.other, way.limit)
        return self.compared[scope]


def _compared(around: Neighbourhood, ways: Mapping[Scope, _Way], other: Condition) -> dict[Scope, Neighbours]:
    """The nearest within those scopes that have brands or categories in common, each compared once."""
    alike: dict[Scope, list[Scope]] = defaultdict(list)
    for scope, way in ways.items():
        if way.is_exact and (common := in_common(scope)) is not None:
            alike[common].append(scope)
    compared: dict[Scope, Neighbours] = {}
    for common, together in alike.items():
        if len(together) > 1:
            most = max(ways[scope].limit for scope in together)
            near = compare_together(around, common, together, other, most)
            compared |= {scope: found.first(ways[scope].limit) for scope, found in near.items()}
    return compared


def _way(
    around: Neighbourhood, scope: Scope, asked: ProductConditions, limit: int, is_believed: bool
) -> _Way:
    kept = rows_kept(scope, asked.narrowing)
    if kept is not None and _are_few(around, scope, limit, kept):
        return _Way(limit, is_exact=True)
    share = share_of(kept)
    stride, taken = _length_of_walk(limit, share, is_open=scope.is_open and not asked.of_rows.sql)
    # What is looked up for each row that is compared takes ten times as long as comparing it.
    if not asked.of_products.sql and (outlook := _outlook(around, scope, share)) is not None:
        if scope.category_ids is None and not is_believed:
            taken = max(taken, math.ceil(_surplus(outlook, taken, share) * _taken(share)))
        if _is_better_compared(
            outlook, around.floor, scope, limit, max(stride, _length(outlook, scope, taken, share))
        ):
            return _Way(limit, is_exact=True)
    if scope.category_ids is None:
        return _Way(limit, stride=stride, taken=taken)
    seen = replace(scope, brands=(), attributes=())  # what of the scope is seen of neighbours
    near = around.share_within(seen)
    if near < FIT * share_of(rows_kept(seen, NOTHING)):
        return _Way(limit, is_exact=True)  # the graph leads elsewhere
    return _Way(limit, stride=stride, taken=taken, is_near=near >= NEAR_SHARE and seen == scope)


def _are_few(around: Neighbourhood, scope: Scope, limit: int, kept: float) -> bool:
    """Whether a scope keeps so few rows that comparing all of them is best."""
    if kept <= exact_rows(scope, limit):
        return True
    is_anywhere = scope.category_ids is None and not scope.brands and not scope.is_open
    return is_anywhere and kept <= UNEVEN_FACTOR * exact_rows(scope) and around.is_uneven(scope)


def _outlook(around: Neighbourhood, scope: Scope, share: float) -> Outlook | None:
    """What samples tell of a scope; None where a walk is the best way anyway, or they know nothing."""
    return None if scope.category_ids is None and share >= WIDE_SHARE else around.outlook(scope)


def _length(outlook: Outlook, scope: Scope, taken: int, share: float) -> float:
    """How many rows a walk comes by until so many have passed: samples tell, if they are of the whole catalogue."""
    return outlook.passed(taken) if scope.category_ids is None else taken / max(share, 1e-6)


def _surplus(outlook: Outlook, taken: int, share: float) -> float:
    """How many times as many rows are taken as where what is kept lies as near as all of the catalogue."""
    farness = outlook.passed(taken) / max(1.0, taken / max(share, 1e-6))
    return min(MOST_SURPLUS, SURPLUS_OF_FAR * farness) if farness >= FAR else 1.0


def _is_better_compared(outlook: Outlook, floor: float, scope: Scope, limit: int, length: float) -> bool:
    """Whether samples tell that comparing what can hold the nearest takes less than a walk of this length."""
    parts = outlook.likely(limit) & outlook.within_reach(floor)
    if scope.category_ids is None:
        return effort_of_parting(outlook, parts) <= ROWS_OF_ALL_FOR_A_STEP * length
    return effort(outlook, parts) <= ROWS_FOR_A_STEP * length


def _length_of_walk(limit: int, share: float, is_open: bool) -> tuple[int, int]:
    """How many rows the graph is walked over at a time, and how many that pass the filters are taken.

    A filter that keeps nearly everything asks for little more than none at all; to begin a second stride for the last
    few rows takes as long as the first.
    """
    usual = max(limit, usual_stride())
    if is_open:
        return min(LONGEST_STRIDE, usual), limit
    if share < WIDE_SHARE:
        return min(LONGEST_STRIDE, math.ceil(NARROW_STRIDE * usual)), max(limit, math.ceil(_taken(share)))
    stride = max(
        limit / share / STRIDE_YIELD, min(max(limit, filtered_stride()), WIDE_PASSING * usual / share)
    )
    stride = min(LONGEST_STRIDE, math.ceil(stride))
    return stride, max(limit, math.ceil(STRIDE_YIELD * share * stride))


def _taken(share: float) -> float:
    """How many rows that pass a narrow filter are taken, so that the nearest few are among them."""
    return growth() * (FILTERED_MARGIN + share * settings.SEARCH_FILTERED_ROWS)
