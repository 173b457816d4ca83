"""Filters, resolved once per query and said in SQL for either leg."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import reduce
from operator import and_
from typing import Any

from catalog.attributes import attribute_condition, attribute_hash
from search.exceptions import InvalidQueryError
from search.query import Attributes, Filters
from search.statements import fetch, id_array


@dataclass(frozen=True)
class Condition:
    """A piece of SQL and its parameters, in their order."""

    sql: str
    params: tuple[Any, ...] = ()

    @property
    def looks_up(self) -> bool:
        """Whether other rows are looked up for it: the best way depends on how many, which no kept plan knows."""
        return "SELECT" in self.sql

    def __and__(self, other: "Condition") -> "Condition":
        if not self.sql or not other.sql:
            return self if self.sql else other
        return Condition(f"{self.sql} AND {other.sql}", self.params + other.params)


NOTHING = Condition("")


def params_of(conditions: Iterable[Condition]) -> tuple[Any, ...]:
    """The parameters of some conditions, one after the other."""
    return tuple(param for condition in conditions for param in condition.params)


@dataclass(frozen=True)
class Scope:
    """What every hit must satisfy, with categories as the ids of their whole subtrees."""

    category_ids: tuple[int, ...] | None = None
    brands: tuple[str, ...] = ()
    price_min: Decimal | None = None
    price_max: Decimal | None = None
    attributes: Attributes = ()

    @property
    def is_open(self) -> bool:
        """Whether every active product is within."""
        return self == Scope()

    def is_part_of(self, other: "Scope") -> bool:
        """Whether another scope asks for nothing that this one does not ask for in the same words."""
        theirs = (other.category_ids, other.brands, other.price_min, other.price_max)
        ours = (self.category_ids, self.brands, self.price_min, self.price_max)
        return set(other.attributes) <= set(self.attributes) and all(
            asked in (None, ()) or asked == mine for asked, mine in zip(theirs, ours, strict=True)
        )

    def without(self, name: str) -> "Scope":
        """The same scope with one filter (`category`, `brand`, `price` or that on an attribute) lifted."""
        if name == "category":
            return replace(self, category_ids=None)
        if name == "brand":
            return replace(self, brands=())
        if name == "price":
            return replace(self, price_min=None, price_max=None)
        return replace(self, attributes=tuple(one for one in self.attributes if one[0] != name))

    def condition(self, alias: str, with_active: bool = True) -> Condition:
        """The filters on a table that has their columns, and that only active products are within."""
        found = Condition(f"{alias}.is_active") if with_active else NOTHING
        if self.category_ids is not None:
            found &= Condition(f"{alias}.category_id = ANY(%s::bigint[])", (id_array(self.category_ids),))
        if self.brands:
            found &= Condition(f"{alias}.brand = ANY(%s::text[])", (list(self.brands),))
        return found & self.price_condition(alias) & self.attribute_condition(alias)

    def row_condition(self) -> Condition:
        """The filters on rows `e` of vectors, which have columns like those of products, and of attributes hashes."""
        return reduce(and_, self.hash_conditions(), replace(self, attributes=()).condition("e"))

    def hash_conditions(self) -> list[Condition]:
        """What is asked of each attribute of rows `e` of vectors."""
        return [
            Condition("e.attribute_hashes && %s::bigint[]", (id_array(hashes),))
            for hashes in self.attribute_hashes
        ]

    @property
    def attribute_hashes(self) -> list[list[int]]:
        """Of each attribute asked for, the hashes that its values have beside vectors, any of which is enough."""
        return [[attribute_hash(name, value) for value in values] for name, values in self.attributes]

    def price_condition(self, alias: str) -> Condition:
        """The price range alone; a product without a price is in no range."""
        found = NOTHING
        if self.price_min is not None:
            found &= Condition(f"{alias}.price >= %s::numeric", (self.price_min,))
        if self.price_max is not None:
            found &= Condition(f"{alias}.price <= %s::numeric", (self.price_max,))
        return found

    def attribute_condition(self, alias: str) -> Condition:
        """What is asked of the attributes of products."""
        if not self.attributes:
            return NOTHING
        sql, params = attribute_condition(f"{alias}.attributes", dict(self.attributes))
        return Condition(sql, tuple(params))


def any_of(scopes: Sequence[Scope], alias: str) -> Condition:
    """What is within at least one of some scopes; those that are parts of others need no mention."""
    different = dict.fromkeys(scopes)
    conditions = [
        scope.condition(alias)
        for scope in different
        if not any(scope.is_part_of(other) for other in different if other != scope)
    ]
    if len(conditions) == 1:
        return conditions[0]
    sql = " OR ".join(f"({condition.sql})" for condition in conditions)
    return Condition(f"({sql})", params_of(conditions))


def resolve(filters: Filters) -> Scope:
    """Look up the categories of the filters. Raises InvalidQueryError for a category that does not exist."""
    category_ids: tuple[int, ...] | None = None
    if filters.categories:
        category_ids = _subtree_ids(filters.categories)
    return Scope(
        category_ids=category_ids,
        brands=tuple(dict.fromkeys(filters.brands)),
        price_min=filters.price_min,
        price_max=filters.price_max,
        attributes=filters.attributes,
    )


# As SQL: the ORM takes two statements, and longer to build them than PostgreSQL takes to answer.
_SUBTREE_SQL = """
SELECT DISTINCT below.id, below.slug FROM catalog_category AS c
JOIN catalog_category AS below ON below.path = c.path OR starts_with(below.path, c.path || '/')
WHERE c.slug = ANY(%s::text[]) ORDER BY below.id
"""


def _subtree_ids(slugs: tuple[str, ...]) -> tuple[int, ...]:
    found = fetch(_SUBTREE_SQL, (list(slugs),), is_prepared=True)
    missing = set(slugs) - {slug for _, slug in found}
    if missing:
        names = ", ".join(f"“{slug}”" for slug in sorted(missing))
        raise InvalidQueryError(
            {"category": [f"There is no category {names}; use a slug of /api/categories/."]}
        )
    return tuple(pk for pk, _ in found)
