"""How near given products are to a query's vector."""

from collections.abc import Sequence

from search.fusion import places
from search.row_places import HIGHEST_ID, places_of, tid_array
from search.statements import Array, Ids, Kind, Select, fetch_columns, fetch_together, id_array
from search.vectors import COLUMNS, NOBODY, Neighbours, Vector, VectorSpace, as_neighbours, vector_literal


def survey(space: VectorSpace) -> None:
    """See where the rows of all vectors lie, which takes a second for a million of them."""
    rows = f"SELECT e.product_id, e.ctid FROM {space.table} AND e.product_id <= {HIGHEST_ID}"
    product_ids, places = fetch_columns((Kind.ID, Kind.TID), rows)
    places_of(space.model_id).learn(product_ids, places)


class Similarities:
    """The cosines of given products, in no order; those without a vector are left out.

    Others may be among them: whose row has taken the place of one that was asked for.

    `selects` are to be run by who asks, together with others, and `found` makes sense of what they bring: rows whose
    places are known are asked for by these, which takes a third of the time, and others by the index.
    """

    def __init__(self, space: VectorSpace, vector: Vector, product_ids: Ids) -> None:
        self._space = space
        self._literal = vector_literal(vector)
        places = places_of(space.model_id).of(product_ids)
        is_known = places["offset"] > 0
        self._known, self._unknown = product_ids[is_known], product_ids[~is_known]
        self.selects: list[Select] = []
        if len(self._known):
            self.selects.append(self._by_place(tid_array(places[is_known])))
        if len(self._unknown):
            self.selects.append(self._by_id(self._unknown))

    def found(self, columns: Sequence[list[Array]]) -> Neighbours:
        """The cosines from the columns of each of `selects`."""
        brought = iter(columns)
        near = NOBODY
        if len(self._known):
            near = as_neighbours(*next(brought))
            # Rows that have moved since they were seen.
            if len(moved := self._known[places(self._known, near.product_ids) < 0]):
                (moved_columns,) = fetch_together([self._by_id(moved)])
                near += self._learned(*moved_columns)
        if len(self._unknown):
            near += self._learned(*next(brought))
        return near

    def _by_place(self, places: str) -> Select:
        sql = f"SELECT {self._space.columns} FROM {self._space.table} AND e.ctid = ANY(%s::tid[])"
        return Select(COLUMNS, sql, (self._literal, places))

    def _by_id(self, product_ids: Ids) -> Select:
        sql = f"SELECT {self._space.columns}, e.ctid FROM {self._space.table} AND e.product_id = ANY(%s::bigint[])"
        return Select((*COLUMNS, Kind.TID), sql, (self._literal, id_array(product_ids)))

    def _learned(self, product_ids: Ids, distances: Array, category_ids: Ids, places: Array) -> Neighbours:
        places_of(self._space.model_id).learn(product_ids, places)
        return as_neighbours(product_ids, distances, category_ids)
