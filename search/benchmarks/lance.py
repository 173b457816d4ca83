"""LanceDB on the same vectors, where it is installed (requirements-bench.txt)."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from search.benchmarks.workload import Rows
from search.scope import Scope

# LanceDB's guide recommends IVF_PQ where searches are filtered, and this step to make up for its compression.
INDEX_TYPE = "IVF_PQ"
REFINE_FACTOR = 10


def is_installed() -> bool:
    """Whether the comparison can be made."""
    return importlib.util.find_spec("lancedb") is not None


class Lance:
    """The catalogue in a LanceDB table with the indexes that its guide describes."""

    def __init__(self, folder: Path, rows: Rows) -> None:
        import lancedb
        import pyarrow

        width = rows.vectors.shape[1]
        table = pyarrow.table(
            {
                "id": rows.ids,
                "category_id": rows.categories,
                "brand": rows.brands.tolist(),
                "price": rows.prices,
                **{name: values.tolist() for name, values in rows.attributes.items()},
                "vector": pyarrow.FixedSizeListArray.from_arrays(rows.vectors.reshape(-1), width),
            }
        )
        self._table = lancedb.connect(folder).create_table("products", table)
        self._table.create_index(metric="cosine", vector_column_name="vector", index_type=INDEX_TYPE)
        bitmaps = [(column, "BITMAP") for column in ("category_id", "brand", *rows.attributes)]
        for column, kind in (*bitmaps, ("price", "BTREE")):
            self._table.create_scalar_index(column, index_type=kind)

    def nearest(self, vector: npt.NDArray[np.float32], scope: Scope, limit: int) -> list[int]:
        """Ids of the products nearest to a vector within a scope."""
        query: Any = self._table.search(vector).distance_type("cosine").refine_factor(REFINE_FACTOR)
        if where := _where(scope):
            query = query.where(where, prefilter=True)
        return query.limit(limit).select(["id", "_distance"]).to_arrow()["id"].to_pylist()


def _where(scope: Scope) -> str:
    conditions = []
    if scope.category_ids is not None:
        conditions.append(f"category_id IN ({', '.join(map(str, scope.category_ids))})")
    for column, values in (*((("brand", scope.brands),) if scope.brands else ()), *scope.attributes):
        quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
        conditions.append(f"{column} IN ({quoted})")
    if scope.price_min is not None:
        conditions.append(f"price >= {scope.price_min}")
    if scope.price_max is not None:
        conditions.append(f"price <= {scope.price_max}")
    return " AND ".join(conditions)
