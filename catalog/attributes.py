"""Products by the values of their attributes, said so that an index answers it (`product_attributes`).

A value is meant by its text, as it is shown: `18` is the text "18" and the number 18, `true` the text and the flag.
For copies beside something else each attribute with its value is one number (`attribute_hash`), 64 bits of a SHA-256:
among a million different ones, that any two are the same is less likely than 1 : 30,000,000.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from django.db import models

# Values by name, any of which may be the one, for all names.
AttributeValues = Mapping[str, Sequence[str]]

# The hashes of all of a product's attributes; how long the name is tells it from the value.
HASHES_FUNCTION_SQL = """
CREATE OR REPLACE FUNCTION public.catalog_attribute_hashes(attributes jsonb) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    -- The same numbers as `attribute_hash`.
    SELECT coalesce(array_agg(('x' || encode(substr(sha256(convert_to(
        length(a.key)::text || ':' || a.key || (a.value #>> '{}'), 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint), '{}')
    FROM jsonb_each(CASE jsonb_typeof(attributes) WHEN 'object' THEN attributes ELSE '{}' END) AS a(key, value)
    WHERE jsonb_typeof(a.value) IN ('string', 'number', 'boolean')
$$;
"""
DROP_HASHES_FUNCTION_SQL = "DROP FUNCTION IF EXISTS public.catalog_attribute_hashes(jsonb);"

# How jsonb writes a number. To paths 18 and 18.0 are the same one, but as texts these are two.
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", re.ASCII)
_FLAGS = frozenset({"true", "false"})


def attribute_hash(name: str, value: str) -> int:
    """The number (64 bits, signed) that stands for a product's having a value of an attribute."""
    digest = sha256(f"{len(name)}:{name}{value}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def attribute_condition(column: str, wanted: AttributeValues) -> tuple[str, list[Any]]:
    """A condition in SQL on a column of attributes, and its parameters.

    The planner knows from its statistics how many products an expression of JSON's paths finds. What else is asked of
    numbers is hidden from it, for it would take that for one row of two hundred.
    """
    sql = f"{column} @@ %s::jsonpath"
    params: list[Any] = [_path(wanted)]
    for name, values in wanted.items():
        if any(map(_NUMBER.fullmatch, values)):
            sql += f" AND coalesce({column} ->> %s IN ({', '.join(['%s'] * len(values))}), false)"
            params += [name, *values]
    return sql, params


def _path(wanted: AttributeValues) -> str:
    """All that is wanted in the language of paths (SQL/JSON). Strict: a list does not stand for its members."""
    return "strict " + " && ".join(f"({_any_of(name, values)})" for name, values in wanted.items())


def _any_of(name: str, values: Iterable[str]) -> str:
    key = json.dumps(name)
    return " || ".join(f"$.{key} == {written}" for value in values for written in _ways_to_write(value))


def _ways_to_write(value: str) -> list[str]:
    """The literals that have this text; strings of paths are written as those of JSON."""
    is_bare = value in _FLAGS or _NUMBER.fullmatch(value) is not None
    return [json.dumps(value), value] if is_bare else [json.dumps(value)]


class HasAttributes(models.Func):
    """Whether a product has one of the wanted values of each attribute; for `filter()`."""

    output_field = models.BooleanField()

    def __init__(self, wanted: AttributeValues) -> None:
        super().__init__(models.F("attributes"))
        self.wanted = wanted

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        """The condition on the column, whatever the query calls its table."""
        column, params = compiler.compile(self.source_expressions[0])
        sql, values = attribute_condition(column, self.wanted)
        return f"({sql})", [*params, *values]
