"""Vectors as they are stored: which rows have them, how far they are from one, and what comes back of that."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import orjson

from embeddings.models import EmbeddingModel
from search.fusion import places
from search.scope import Scope
from search.statements import Flags, Floats, Ids, Kind, fetch_columns, id_array

Vector = npt.NDArray[np.float32]

LEAST_COSINE = -1.0


@dataclass(frozen=True)
class VectorSpace:
    """The table and the model whose vectors are searched, said as literals that meet the partial index."""

    model_id: int
    dimensions: int

    @classmethod
    def of(cls, model: EmbeddingModel) -> "VectorSpace":
        """The space of a model's vectors."""
        return cls(model.pk, model.dimensions)

    @property
    def distance(self) -> str:
        """Cosine distance to one parameter, word for word the index's expression."""
        return f"(e.vector::halfvec({self.dimensions})) <=> %s::halfvec({self.dimensions})"

    @property
    def columns(self) -> str:
        """What is selected of each row; takes the vector as one parameter."""
        return f"e.product_id, {self.distance} AS distance, e.category_id"

    @property
    def table(self) -> str:
        """The rows that have a vector under the model."""
        return f"embeddings_productembedding AS e WHERE e.model_id = {int(self.model_id)} AND e.vector IS NOT NULL"


@dataclass(frozen=True)
class Neighbours:
    """Products near a vector, the nearest first where they were looked for. The arrays run parallel."""

    product_ids: Ids
    cosines: Floats  # -1..1
    category_ids: Ids  # 0: none

    def __len__(self) -> int:
        return len(self.product_ids)

    def __add__(self, other: "Neighbours") -> "Neighbours":
        return Neighbours(
            np.concatenate([self.product_ids, other.product_ids]),
            np.concatenate([self.cosines, other.cosines]),
            np.concatenate([self.category_ids, other.category_ids]),
        )

    def first(self, number: int) -> "Neighbours":
        """The first of them."""
        return self.at(slice(number))

    def at(self, places: slice | npt.NDArray[np.intp]) -> "Neighbours":
        """Those at some places."""
        return Neighbours(self.product_ids[places], self.cosines[places], self.category_ids[places])


@dataclass(frozen=True)
class PricedNeighbours:
    """Products nearest first, with what filters look at. The arrays run parallel."""

    neighbours: Neighbours
    prices: Floats  # NaN: none

    def __len__(self) -> int:
        return len(self.prices)

    def __add__(self, other: "PricedNeighbours") -> "PricedNeighbours":
        """Both, nearest first."""
        together = self.neighbours + other.neighbours
        order = np.lexsort((-together.product_ids, -together.cosines))
        return PricedNeighbours(together.at(order), np.concatenate([self.prices, other.prices])[order])

    def first(self, number: int) -> "PricedNeighbours":
        """The first of them."""
        return PricedNeighbours(self.neighbours.first(number), self.prices[:number])

    def within(self, scope: Scope) -> Neighbours:
        """Those that have the categories and the price asked for; brands and attributes are not known here."""
        inside = is_in_categories(self.neighbours, scope) & has_price(self.prices, scope)
        return self.neighbours.at(np.flatnonzero(inside))


def is_in_categories(neighbours: Neighbours, scope: Scope) -> Flags:
    """Which of some products are in the categories asked for."""
    if scope.category_ids is None:
        return np.ones(len(neighbours), dtype=np.bool_)
    return places(neighbours.category_ids, np.array(scope.category_ids, dtype=np.int64)) >= 0


def has_price(prices: Floats, scope: Scope) -> Flags:
    """Which prices are in the range asked for; NaN, which is none, is in no range."""
    inside = np.ones(len(prices), dtype=np.bool_)
    if scope.price_min is not None:
        inside &= prices >= float(scope.price_min)
    if scope.price_max is not None:
        inside &= prices <= float(scope.price_max)
    return inside


NOBODY = Neighbours(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0, dtype=np.int64))
NOBODY_PRICED = PricedNeighbours(NOBODY, np.empty(0))
COLUMNS = (Kind.ID, Kind.FLOAT, Kind.ID)  # those of `VectorSpace.columns`
PRICED_COLUMNS = (*COLUMNS, Kind.FLOAT)  # and the price


def as_neighbours(product_ids: Ids, distances: Floats, category_ids: Ids) -> Neighbours:
    """Neighbours from the values of `VectorSpace.columns`."""
    return Neighbours(product_ids, 1.0 - distances, category_ids)


def read_vectors(space: VectorSpace, product_ids: Sequence[int]) -> dict[int, Vector]:
    """The stored unit vectors `(d,)` float32 of products; those without one are left out."""
    if not product_ids:
        return {}
    found, halves = fetch_columns(
        (Kind.ID, Kind.HALVES),
        f"SELECT e.product_id, e.vector::halfvec({space.dimensions}) FROM {space.table}"
        " AND e.product_id = ANY(%s::bigint[])",
        (id_array(product_ids),),
        is_prepared=True,
    )
    return dict(zip(found.tolist(), as_vectors(halves, space.dimensions), strict=True))


def as_vectors(halves: Vector, dimensions: int) -> Vector:
    """Stored vectors as `(n, dimensions)` from their bytes: before each, its length and a reserved number."""
    return halves.reshape(-1, dimensions + 2)[:, 2:]


def vector_literal(vector: Vector) -> str:
    """A vector as pgvector reads it."""
    return orjson.dumps(
        np.ascontiguousarray(vector, dtype=np.float32), option=orjson.OPT_SERIALIZE_NUMPY
    ).decode()
