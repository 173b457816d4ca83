"""What is known of a query's surroundings, whatever is filtered: found out once for all scopes of a search."""

from collections.abc import Sequence
from functools import cached_property

from search.outlook import Outlook
from search.samples import Samples, samples_of
from search.scope import NOTHING, Condition, Scope
from search.selectivity import categories_hold, exact_rows, rows_kept
from search.statements import Floats, fetch, id_array
from search.terms import catalogue_size
from search.vectors import LEAST_COSINE, Neighbours, PricedNeighbours, Vector, VectorSpace, vector_literal
from search.walk import filtered_stride, walk

# Whether a query fits categories is seen from so many of the nearest.
FEW = 40
# The categories of so many are always compared.
NEAR = 100
# The graph does not offer the nearest first, so this many times as many as are asked for must be within.
SURPLUS = 1.25
# Of what a walk found, this part and so many at least must have no sample before them that it did not find, nearer by
# more than ALIKE: between very common words lies everything, and which of it is found makes no difference.
FIRST_TO_TELL = 0.25
LEAST_TO_TELL = 10
ALIKE = 0.02
# Products of a price or an attribute that are looked up one by one count so many times.
LOOKED_UP = 1.5


class Neighbourhood:
    """What lies around a query's vector.

    The nearest few, the many of one stride of a walk under a filter, and where within categories the nearest can be.
    Nothing with a cosine below `floor` is looked for.
    """

    def __init__(self, space: VectorSpace, vector: Vector, floor: float = LEAST_COSINE) -> None:
        self.space = space
        self.literal = vector_literal(vector)
        self.floor = floor
        self.vector = vector
        self._outlooks: dict[Scope, Outlook] = {}

    @property
    def near_enough(self) -> Condition:
        """What rows `e` that are compared must satisfy to be looked for.

        In a category that has little to do with a query, most are too far, and to put some hundreds in order and read
        their columns takes as long as to compare them.
        """
        if self.floor <= LEAST_COSINE:
            return NOTHING
        return Condition("(e.vector <=> %s::halfvec) <= %s", (self.literal, 1.0 - self.floor))

    def outlook(self, scope: Scope) -> Outlook | None:
        """Where the nearest within a scope's categories can be.

        None where it asks for brands, by which samples are not parted, and where what it keeps is compared in no time.
        """
        if scope.brands:
            return None
        rows = categories_hold(scope) if scope.category_ids is not None else LOOKED_UP * _kept(scope)
        if rows <= exact_rows(scope):
            return None
        if scope not in self._outlooks:
            self._outlooks[scope] = self._samples.outlook(self.vector, scope)
        return self._outlooks[scope]

    def passed_by(
        self, scope: Scope, found: Neighbours, exclude: Sequence[int] = (), constraint: Condition = NOTHING
    ) -> int:
        """How many samples within a scope a walk passed by that are nearer than much of what it found.

        Those are meant that satisfy a constraint on products `x`. A graph may lead to the wrong place: where a query
        lies between kinds of products, one of these may be out of sight. Samples of the catalogue would be among the
        first that are found.
        """
        first = max(LEAST_TO_TELL, int(FIRST_TO_TELL * len(found)))
        limit = found.cosines[min(first, len(found)) - 1] + ALIKE if len(found) else -1.0
        nearer = self._samples.nearer(self.vector, self._about, limit, scope)
        known = {*found.product_ids.tolist(), *exclude}
        passed_by = [pk for pk in nearer.product_ids.tolist() if pk not in known]
        return len(passed_by) if not constraint.sql else _number_of(passed_by, constraint)

    @cached_property
    def _samples(self) -> Samples:
        return samples_of(self.space)

    @cached_property
    def _about(self) -> Floats:
        return self._samples.about(self.vector)

    def is_uneven(self, scope: Scope) -> bool:
        """Whether a scope's price and attributes tell kinds of products apart, as far as samples tell."""
        return self._samples.is_uneven(scope)

    def nearest_of_all(self) -> PricedNeighbours:
        """The nearest whatever their categories: those of so many are always compared."""
        return self._near

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

    @property
    def _few(self) -> PricedNeighbours:
        return self._near.first(FEW)

    @cached_property
    def _near(self) -> PricedNeighbours:
        return self._nearest(NEAR)

    @cached_property
    def _many(self) -> PricedNeighbours:
        return self._nearest(filtered_stride())

    def _nearest(self, rows: int) -> PricedNeighbours:
        everything = Scope().condition("e")
        return walk(self.space, self.literal, everything, rows, rows)


def _number_of(product_ids: Sequence[int], constraint: Condition) -> int:
    """How many of some products `x` satisfy a constraint."""
    if not product_ids:
        return 0
    sql = f"SELECT count(*) FROM catalog_product AS x WHERE x.id = ANY(%s::bigint[]) AND {constraint.sql}"
    ((number,),) = fetch(sql, (id_array(product_ids), *constraint.params))
    return int(number)


def _kept(scope: Scope) -> int:
    kept = rows_kept(scope, NOTHING)
    return catalogue_size() if kept is None else kept
