"""Raw SQL in one round trip, with planner settings that hold for that statement only."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from search import prepared

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# The planner does not know that a filter on search_vector fetches a big value for every row it looks at. And where the
# rows found do not fit into memory (kB), all of their pages are looked through: of a million products, a quarter.
GIN_SETTINGS = {"enable_seqscan": "off", "work_mem": 32_768}

# The place of a row in its table.
TID = np.dtype([("block", np.uint32), ("offset", np.uint16)])


class Kind(Enum):
    """What a column holds: how PostgreSQL says all of it as one value, how numpy reads that, and what it becomes."""

    ID = ("string_agg(int8send(coalesce({}, 0)), ''::bytea)", ">i8", np.int64)  # NULL is 0, which no row has
    # Of arrays, all of their members, one array after the other.
    IDS = (
        "string_agg((SELECT string_agg(int8send(one), ''::bytea) FROM unnest({}) AS one), ''::bytea)",
        ">i8",
        np.int64,
    )
    FLOAT = ("string_agg(float8send(coalesce({}, 'NaN')), ''::bytea)", ">f8", np.float64)
    FLAG = ("string_agg(boolsend(coalesce({}, false)), ''::bytea)", "?", np.bool_)
    TID = ("string_agg(tidsend({}), ''::bytea)", np.dtype([("block", ">u4"), ("offset", ">u2")]), TID)
    HALVES = ("string_agg(halfvec_send({}), ''::bytea)", ">f2", np.float32)
    TEXT = ("json_agg({}::text)::text", None, np.object_)

    def __init__(self, aggregate: str, written: npt.DTypeLike | None, becomes: npt.DTypeLike) -> None:
        self.aggregate = aggregate  # all values of a column as one, with a gap for the column
        self._written = written
        self._becomes = becomes

    def read(self, values: Any) -> Array:
        """What `aggregate` of a column brought, in the order of its rows; NULL where there were none."""
        if self._written is None:
            return np.array(orjson.loads(values or "[]"), dtype=self._becomes)
        return np.frombuffer(values or b"", dtype=self._written).astype(self._becomes)


def id_array(ids: Iterable[int]) -> str:
    """Ids as PostgreSQL reads a `bigint[]`; psycopg would take a millisecond for a thousand of them."""
    numbers = np.ascontiguousarray(ids) if isinstance(ids, np.ndarray) else list(ids)
    return f"{{{orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY).decode()[1:-1]}}}"


@dataclass(frozen=True)
class Select:
    """A SELECT whose columns are wanted as arrays."""

    kinds: Sequence[Kind]
    sql: str
    params: Sequence[Any] = ()


def fetch_columns(
    kinds: Sequence[Kind],
    sql: str,
    params: Sequence[Any] = (),
    settings: Mapping[str, object] | None = None,
    *,
    is_prepared: bool = False,
) -> list[Array]:
    """Run one SELECT and return its columns as arrays, in the order of its rows; see `fetch`.

    Each column comes as one value, numbers as their bytes next to each other: a thousand rows are read in 0.2 ms, where
    a tuple for each of them takes 2.
    """
    (columns,) = fetch_together([Select(kinds, sql, params)], settings, is_prepared=is_prepared)
    return columns


def fetch_together(
    selects: Sequence[Select], settings: Mapping[str, object] | None = None, *, is_prepared: bool = False
) -> list[list[Array]]:
    """Run several SELECTs in one round trip, none for none of them; the columns of each as arrays. See `fetch`."""
    if not selects:
        return []
    parts = ", ".join(_aggregated(select, f"t{place}") for place, select in enumerate(selects))
    params = [param for one in selects for param in one.params]
    (row,) = fetch(f"SELECT * FROM {parts}", params, settings, is_prepared=is_prepared)
    values = iter(row)
    return [[kind.read(next(values)) for kind in select.kinds] for select in selects]


def _aggregated(select: Select, name: str) -> str:
    names = [f"c{place}" for place in range(len(select.kinds))]
    columns = ", ".join(
        kind.aggregate.format(column) for kind, column in zip(select.kinds, names, strict=True)
    )
    return f"(SELECT {columns} FROM ({select.sql}) AS found({', '.join(names)})) AS {name}"


def fetch(
    sql: str,
    params: Sequence[Any] | Mapping[str, Any] = (),
    settings: Mapping[str, object] | None = None,
    *,
    is_prepared: bool = False,
) -> list[tuple[Any, ...]]:
    """Run one SELECT and return its rows.

    `settings` are set for this transaction only. They travel with the SELECT as one message, which PostgreSQL
    runs as one implicit transaction where none is open, so that nothing leaks into the pooled connection.
    Inside an open transaction they would outlive the statement, so they are put back after it.

    `is_prepared` is for statements that come again and again with parameters in a sequence, and are best planned
    without them: PostgreSQL keeps their plan (`prepared.py`).
    """
    database = connections[DEFAULT_DB_ALIAS]  # looked up once: to find a thread's own takes as long each time
    if is_prepared and (execution := prepared.execution_of(database, sql, len(params))) is not None:
        try:
            return _run(database, execution, params, {**(settings or {}), **prepared.SETTINGS})
        except Error as error:
            if not prepared.gives_up(database, error) or database.in_atomic_block:
                raise
    return _run(database, sql, params, settings)


def _run(
    database: BaseDatabaseWrapper,
    sql: str,
    params: Sequence[Any] | Mapping[str, Any],
    settings: Mapping[str, object] | None,
) -> list[tuple[Any, ...]]:
    if not settings:
        with database.cursor() as cursor:
            cursor.execute(sql, params)
            return cursor.fetchall()
    before = "".join(f"SET LOCAL {name} = {value};" for name, value in settings.items())
    after = "".join(f";SET LOCAL {name} TO DEFAULT" for name in settings) if database.in_atomic_block else ""
    with database.cursor() as cursor:
        cursor.execute(f"{before}{sql}{after}", params)
        for _ in settings:
            cursor.nextset()
        return cursor.fetchall()
