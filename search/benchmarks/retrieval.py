"""Filtered vector search: ours, plain pgvector's and LanceDB's, on the same vectors, in turns."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from embeddings.encoders import encoder_for
from embeddings.models import EmbeddingModel
from search.benchmarks.lance import Lance
from search.benchmarks.workload import Filter, Query, Rows
from search.scope import Condition, Scope
from search.semantic import nearest
from search.statements import fetch
from search.vectors import VectorSpace, vector_literal

LIMIT = 20
# Searches of each contestant that bring its index into memory before anything is measured.
WARM_UP = 100
# Half precision: distances closer than this are the same.
TIE = 2e-4

Vector = npt.NDArray[np.float32]
Find = Callable[[Vector, Scope], list[int]]


@dataclass
class Measured:
    """One contestant under one filter."""

    recalls: list[float] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)

    @property
    def recall(self) -> float:
        """Mean recall@20 against comparing every row."""
        return float(np.mean(self.recalls))

    def percentile(self, share: float) -> float:
        """Milliseconds that this share (0..100) of the searches stayed below."""
        return float(np.percentile(self.times_ms, share))


def contestants(model: EmbeddingModel, lance: Lance | None) -> dict[str, Find]:
    """What is compared, by the prefix of its figures."""
    space = VectorSpace.of(model)
    found: dict[str, Find] = {
        "": lambda vector, scope: nearest(space, vector, scope, LIMIT).product_ids.tolist(),
        "pgvector_": lambda vector, scope: _plain(space, vector, scope),
    }
    if lance is not None:
        found["lancedb_"] = lambda vector, scope: lance.nearest(vector, scope, LIMIT)
    return found


def compare(
    model: EmbeddingModel,
    rows: Rows,
    filters: Sequence[Filter],
    queries: list[Query],
    finds: dict[str, Find],
    count: int,
) -> list[dict[str, Any]]:
    """Run `count` queries under each filter; one dictionary of figures a filter."""
    vectors = encoder_for(model).encode_queries([query.text for query in queries])
    for vector in vectors[:WARM_UP]:
        for find in finds.values():
            find(vector, Scope())
    return [_under(one, rows, queries, vectors, finds, count) for one in filters]


def _under(
    filter_: Filter, rows: Rows, queries: list[Query], vectors: Vector, finds: dict[str, Find], count: int
) -> dict[str, Any]:
    places = list(
        islice((place for place, query in enumerate(queries) if query.category in filter_.topics), count + 1)
    )
    measured = {prefix: Measured() for prefix in finds}
    # Before anything is timed: comparing every row empties the caches, and keeps all cores busy for a while longer.
    judges = [_judge(rows, filter_, vectors[place]) for place in places]
    for turn, (place, is_right) in enumerate(zip(places, judges, strict=True)):
        # Each goes first as often as the others: what it leaves in the processor's caches helps who comes next.
        for prefix in _rotated(list(finds), turn):
            began = time.perf_counter()
            found = finds[prefix](vectors[place], filter_.scope)
            took = 1000 * (time.perf_counter() - began)
            if turn:  # the first one warms up
                measured[prefix].recalls.append(is_right(found))
                measured[prefix].times_ms.append(took)
    ours = measured[""]
    figures: dict[str, Any] = {
        "filter": filter_.name,
        "keeps": round(filter_.keeps, 4),
        "correlated": filter_.correlated,
        "recall": round(ours.recall, 4),
        "p50_ms": round(ours.percentile(50), 2),
        "p95_ms": round(ours.percentile(95), 2),
    }
    for prefix in ("pgvector_", "lancedb_"):
        other = measured.get(prefix)
        figures[f"{prefix}recall"] = round(other.recall, 4) if other else None
        figures[f"{prefix}p50_ms"] = round(other.percentile(50), 2) if other else None
    return figures


def _rotated(names: list[str], turn: int) -> list[str]:
    first = turn % len(names)
    return names[first:] + names[:first]


def _judge(rows: Rows, filter_: Filter, vector: Vector) -> Callable[[list[int]], float]:
    """What gives recall@20 of an answer: the share of it that is as near as the 20th nearest row."""
    cosines = np.where(filter_.kept, rows.vectors @ vector, -2.0)
    wanted = min(LIMIT, int(filter_.kept.sum()))
    limit = float(np.partition(cosines, -wanted)[-wanted]) - TIE
    right = set(rows.ids[cosines >= limit].tolist())
    return lambda found: min(1.0, len(right.intersection(found)) / wanted)


def _plain(space: VectorSpace, vector: Vector, scope: Scope) -> list[int]:
    """What pgvector's guide says: filter, order by distance, iterative scan in relaxed order."""
    where = replace(scope, brands=(), attributes=()).condition("e") & scope.attribute_condition("b")
    if scope.brands:
        where &= Condition("b.brand = ANY(%s::text[])", (list(scope.brands),))
    is_joined = scope.brands or scope.attributes
    join = "JOIN catalog_product AS b ON b.id = e.product_id" if is_joined else ""
    rows = fetch(
        f"SELECT e.product_id FROM embeddings_productembedding AS e {join}"
        f" WHERE e.model_id = {space.model_id} AND {where.sql} ORDER BY {space.distance} LIMIT %s",
        (*where.params, vector_literal(vector), LIMIT),
        {"hnsw.iterative_scan": "relaxed_order"},
    )
    return [product_id for (product_id,) in rows]
