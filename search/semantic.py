"""The semantic leg: nearest products by meaning, right under any filter.

pgvector filters after the index scan, so an index scan under a filter may return too few rows, or the wrong ones.
Where the filter keeps few rows, all of them are compared (exact); where it keeps many, the HNSW index is walked
until enough rows have passed; and if that comes back short, all rows are compared after all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from django.conf import settings

from embeddings.models import EmbeddingModel
from search.scope import NOTHING, Condition, Scope
from search.statements import fetch

Vector = npt.NDArray[np.float32]

# A sort key that is not the index's expression keeps the planner from the HNSW index.
EXACT_SETTINGS = {"jit": "off"}


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


class Neighbour(NamedTuple):
    """A product near a vector."""

    product_id: int
    cosine: float  # -1..1
    category_id: int | None


def nearest(
    space: VectorSpace,
    vector: Vector,
    scope: Scope,
    limit: int,
    constraint: Condition = NOTHING,
    exclude: Sequence[int] = (),
) -> list[Neighbour]:
    """The `limit` nearest active products within `scope`, best first.

    `constraint` speaks of a product `x`; `exclude` are product ids that may not appear.
    """
    where = _where(space, scope, constraint)
    if exclude:
        where &= Condition("e.product_id <> ALL(%s::bigint[])", (list(exclude),))
    literal = vector_literal(vector)
    kept = rows_kept(space, scope, where)
    if kept <= settings.SEARCH_EXACT_ROWS:
        return _exact(space, literal, where, limit)
    found = _by_index(space, literal, where, limit)
    if len(found) < min(limit, kept):
        return _exact(space, literal, where, limit)
    return found


def similarities(space: VectorSpace, vector: Vector, product_ids: Sequence[int]) -> list[Neighbour]:
    """How near given products are, in no order; those without a vector are left out."""
    if not product_ids:
        return []
    return _neighbours(
        f"SELECT {space.columns} FROM {space.table} AND e.product_id = ANY(%s::bigint[])",
        (vector_literal(vector), list(product_ids)),
    )


def _neighbours(
    sql: str, params: Sequence[Any], planner: Mapping[str, object] | None = None
) -> list[Neighbour]:
    """Run a statement that selects `VectorSpace.columns`."""
    return [Neighbour(pk, 1.0 - distance, category) for pk, distance, category in fetch(sql, params, planner)]


def read_vectors(space: VectorSpace, product_ids: Sequence[int]) -> dict[int, Vector]:
    """The stored unit vectors `(d,)` float32 of products; those without one are left out."""
    if not product_ids:
        return {}
    rows = fetch(
        f"SELECT e.product_id, e.vector::halfvec({space.dimensions})::real[] FROM {space.table}"
        " AND e.product_id = ANY(%s::bigint[])",
        (list(product_ids),),
    )
    return {product_id: np.array(values, dtype=np.float32) for product_id, values in rows}


def vector_literal(vector: Vector) -> str:
    """A vector as pgvector reads it, with the precision that a halfvec keeps."""
    return "[" + ",".join(f"{value:.5g}" for value in vector.tolist()) + "]"


def rows_kept(space: VectorSpace, scope: Scope, where: Condition) -> int:
    """How many rows the filters keep, counted no further than routing needs."""
    ceiling = settings.SEARCH_EXACT_ROWS + 1
    if scope.is_open and where.sql.count("AND") == 0:
        return ceiling
    rows = fetch(
        f"SELECT count(*) FROM (SELECT FROM {space.table} AND {where.sql} LIMIT {ceiling}) AS kept",
        where.params,
    )
    return rows[0][0]


def _where(space: VectorSpace, scope: Scope, constraint: Condition) -> Condition:
    """The filters on the copies beside the vector; what is not copied is asked of the product."""
    where = scope.without("brand").condition("e")
    if scope.brands:
        where &= Condition(
            "e.product_id IN (SELECT b.id FROM catalog_product AS b WHERE b.brand = ANY(%s::text[]))",
            (list(scope.brands),),
        )
    if constraint.sql:
        where &= Condition(
            f"EXISTS (SELECT FROM catalog_product AS x WHERE x.id = e.product_id AND {constraint.sql})",
            constraint.params,
        )
    return where


def _exact(space: VectorSpace, literal: str, where: Condition, limit: int) -> list[Neighbour]:
    """Compare every row that the filters keep."""
    return _neighbours(
        f"SELECT {space.columns} FROM {space.table} AND {where.sql}"
        f" ORDER BY ({space.distance}) + 0, e.product_id DESC LIMIT %s",
        (literal, *where.params, literal, limit),
        EXACT_SETTINGS,
    )


def _by_index(space: VectorSpace, literal: str, where: Condition, limit: int) -> list[Neighbour]:
    """Walk the HNSW graph until enough rows have passed the filters, then put them in order."""
    found = _neighbours(
        f"SELECT {space.columns} FROM {space.table} AND {where.sql} ORDER BY {space.distance} LIMIT %s",
        (literal, *where.params, literal, limit),
        {
            "jit": "off",
            "enable_seqscan": "off",
            "enable_sort": "off",
            "hnsw.iterative_scan": "relaxed_order",
            "hnsw.ef_search": min(1000, max(limit, settings.SEARCH_EF_SEARCH)),
            "hnsw.max_scan_tuples": settings.SEARCH_MAX_SCAN_TUPLES,
            "hnsw.scan_mem_multiplier": settings.SEARCH_SCAN_MEM_MULTIPLIER,
        },
    )
    # Relaxed order returns batches, each in order, but not all of them together.
    return sorted(found, key=lambda one: (-one.cosine, -one.product_id))
