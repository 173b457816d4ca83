"""What the products of a result set have in common, counted."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from django.conf import settings

from search.attributes import unknown_attributes
from search.exceptions import InvalidQueryError
from search.kept import Kept
from search.price_ranges import Prices, price_ranges
from search.product_values import (
    ATTRIBUTES,
    BRAND,
    BUILT_IN,
    CATEGORY,
    FILTERABLE,
    KINDS,
    PRICE,
    Counts,
    ProductValues,
    column,
)
from search.query import Filters
from search.results import FacetValue
from search.scope import Condition, Scope
from search.statements import Array, Ids, Kind, Select, fetch, fetch_together
from search.telling_attributes import telling_attributes

# Ids of excluded products are looked up one by one where their hash is not expected to fit.
COUNTING_SETTINGS = {"work_mem": "'64MB'"}

Category = tuple[int, str, str, str]  # id, slug, name, path


def unknown_names(names: Sequence[str]) -> list[str]:
    """Those of `names` that stand neither for a built-in facet nor for an attribute of any product."""
    return unknown_attributes([name for name in names if name not in BUILT_IN])


def named(names: Sequence[str], filters: Filters) -> tuple[str, ...]:
    """Those facets of `names` that are known before anything is found."""
    filtered = [name for name, _ in filters.attributes if name not in BUILT_IN and ATTRIBUTES in names]
    return tuple(dict.fromkeys([name for name in names if name != ATTRIBUTES] + filtered))


def check_names(names: Iterable[str]) -> None:
    """Refuse facets that no product has. Raises InvalidQueryError."""
    if unknown := unknown_names(list(names)):
        listed = ", ".join(f"“{name}”" for name in unknown)
        raise InvalidQueryError(
            {"facets": [f"Unknown: {listed}; use category, brand, price, attributes or the name of one."]}
        )


def count(
    names: Sequence[str], scope: Scope, filters: Filters, constraint: Condition
) -> tuple[int, dict[str, list[FacetValue]]]:
    """How many products `p` are within the filters and satisfy a constraint too, and the values of some facets.

    Facets that all products count for, as categories beside those of one category, are as of some seconds ago.
    """
    names_by_scope: dict[Scope, list[str]] = defaultdict(list)
    for name in names:
        names_by_scope[scope.without(name)].append(name)
    total: int | None = None
    counts: dict[str, Counts] = {}
    for wider, together in names_by_scope.items():
        if wider.is_open and not constraint.sql:
            counts |= _of_the_catalogue(tuple(together)).value()
            continue
        number, found = _counts(together, wider.condition("p") & constraint)
        counts |= found
        total = number if wider == scope else total
    if total is None:
        total = _number(scope.condition("p") & constraint)
    return total, {name: _values(name, counts[name], filters) for name in names}


def count_found(
    found: Mapping[str, Ids], values: ProductValues, filters: Filters
) -> dict[str, list[FacetValue]]:
    """The values of some facets; `found` has the ids of the products that each is counted over."""
    different = {id(ids): ids for ids in found.values()}  # most facets are counted over the same products
    if different:
        values.look_up(np.concatenate(list(different.values())))
    at = {key: values.places(ids) for key, ids in different.items()}
    return {name: _values(name, values.counts(name, at[id(ids)]), filters) for name, ids in found.items()}


def count_telling(product_ids: Ids, names: Sequence[str], filters: Filters) -> dict[str, list[FacetValue]]:
    """The values of the attributes that part some products best, best first, beside facets that have `names`."""
    telling = telling_attributes(product_ids, names)
    return count_found(dict.fromkeys(telling, product_ids), ProductValues(telling), filters)


def _values(name: str, counts: Counts, filters: Filters) -> list[FacetValue]:
    if isinstance(counts, Prices):
        return price_ranges(counts, filters)
    if name == CATEGORY:
        return category_tree(counts, _categories_of(counts, filters.categories), filters.categories)
    return _most_frequent(counts, filters.brands if name == BRAND else dict(filters.attributes).get(name, ()))


@lru_cache(maxsize=100)
def _of_the_catalogue(names: tuple[str, ...]) -> Kept[dict[str, Counts]]:
    return Kept(lambda: _counts(names, Scope().condition("p"))[1])


def forget() -> None:
    """Count the whole catalogue anew, and read its categories, on the next question."""
    _of_the_catalogue.cache_clear()
    _categories.forget()


def _counts(names: Sequence[str], products: Condition) -> tuple[int | None, dict[str, Counts]]:
    """How many products there are, where that comes with the rest, and how many have each value, by facet.

    Categories, brands and prices are read from an index alone. The first two are grouped in its order. Prices are
    counted here: hardly two are the same, and PostgreSQL takes three times as long to group them.
    """
    attributes = [name for name in names if name not in FILTERABLE]
    has_pairs = CATEGORY in names or BRAND in names
    selects = [_pairs(products)] if has_pairs else []
    selects += [_prices(products)] if PRICE in names else []
    selects += [_grouped(attributes, products)] if attributes else []
    found = iter(fetch_together(selects, COUNTING_SETTINGS))
    total: int | None = None
    counts: dict[str, Counts] = {}
    if has_pairs:
        category_ids, brands, numbers = (column.tolist() for column in next(found))
        total = sum(numbers)
        counts |= {CATEGORY: _summed(category_ids, numbers), BRAND: _summed(brands, numbers)}
    if PRICE in names:
        counts[PRICE] = Prices.of(*next(found))
    if attributes:
        counts |= _by_name(attributes, next(found))
    return total, {name: counts[name] for name in names}


def _number(products: Condition) -> int:
    sql = f"SELECT count(*) FROM catalog_product AS p WHERE {products.sql}"
    ((number,),) = fetch(sql, products.params, COUNTING_SETTINGS)
    return int(number)


def _pairs(products: Condition) -> Select:
    """The categories and brands that products have together, and how many have both."""
    return Select(
        (Kind.ID, Kind.TEXT, Kind.ID),
        f"SELECT p.category_id, p.brand, count(*) FROM catalog_product AS p WHERE {products.sql} GROUP BY 1, 2",
        products.params,
    )


def _prices(products: Condition) -> Select:
    return Select(
        (KINDS[PRICE],),
        f"SELECT {column(PRICE).sql} FROM catalog_product AS p WHERE {products.sql}",
        products.params,
    )


def _summed(values: Iterable[Any], numbers: Iterable[int]) -> Counts:
    """How many products have each value, but for none: the category 0 and the brand without a name."""
    counts: Counter[Any] = Counter()
    for value, number in zip(values, numbers, strict=True):
        if value:
            counts[value] += number
    return counts


def _grouped(names: Sequence[str], products: Condition) -> Select:
    """One grouping of the same rows for each attribute: which one it is, how many rows, the values of all."""
    columns = [column(name) for name in names]
    aliases = [f"f{place}" for place in range(len(columns))]
    selected = ", ".join(f"{one.sql} AS {alias}" for one, alias in zip(columns, aliases, strict=True))
    return Select(
        (Kind.ID, Kind.ID, *(Kind.TEXT for _ in names)),
        f"SELECT GROUPING({', '.join(aliases)}), count(*), {', '.join(aliases)}"
        f" FROM (SELECT {selected} FROM catalog_product AS p WHERE {products.sql}) AS x"
        f" GROUP BY GROUPING SETS ({', '.join(f'({alias})' for alias in aliases)})",
        [*(param for one in columns for param in one.params), *products.params],
    )


def _by_name(names: Sequence[str], columns: Sequence[Array]) -> dict[str, Counts]:
    """The counts of each attribute from what `_grouped` found."""
    groupings, numbers, *values = columns
    # In GROUPING's number each column has a bit, the first one the highest; the column that is grouped by has a 0.
    everything = (1 << len(names)) - 1
    here = [groupings == everything ^ (1 << place) for place in reversed(range(len(names)))]
    return {
        name: _summed(of[at].tolist(), numbers[at].tolist())
        for name, of, at in zip(names, values, here, strict=True)
    }


def _most_frequent(counts: Mapping[Any, int], selected: Sequence[str]) -> list[FacetValue]:
    """The values with the most products, and those that are selected wherever they stand."""
    values = {str(value): number for value, number in counts.items()}
    for value in selected:
        values.setdefault(value, 0)
    ordered = sorted(values.items(), key=lambda item: (-item[1], item[0].casefold(), item[0]))
    shown = ordered[: settings.SEARCH_FACET_VALUES]
    shown += [item for item in ordered[settings.SEARCH_FACET_VALUES :] if item[0] in selected]
    return [FacetValue(value, value, number, selected=value in selected) for value, number in shown]


def _read_categories() -> dict[int, Category]:
    """All categories by id, in the order of their tree."""
    rows = fetch("SELECT id, slug, name, path FROM catalog_category")
    return {row[0]: row for row in sorted(rows, key=lambda row: row[3].split("/"))}


_categories = Kept(_read_categories)


def _categories_of(counts: Iterable[int], selected: Iterable[str]) -> list[Category]:
    """All categories; a new one in which products were counted, or which is selected, is not overlooked."""
    known = _categories.value()
    if not (known.keys() >= set(counts) and {slug for _, slug, _, _ in known.values()} >= set(selected)):
        _categories.forget()
    return list(_categories.value().values())


def category_tree(
    counts: Mapping[Any, int], categories: Sequence[Category], selected: Sequence[str]
) -> list[FacetValue]:
    """Categories with what is in them and below them counted.

    `counts` is by category id, `categories` are all in the order of their tree.
    """
    totals: Counter[str] = Counter()
    paths = {pk: path for pk, _, _, path in categories}
    for pk, number in counts.items():
        parts = paths[pk].split("/") if pk in paths else []
        for depth in range(len(parts)):
            totals["/".join(parts[: depth + 1])] += number
    return [
        FacetValue(slug, name, totals[path], depth=path.count("/"), selected=slug in selected)
        for _, slug, name, path in categories
        if totals[path] or slug in selected
    ]
