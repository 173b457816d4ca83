"""What the products of a result set have in common, counted."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
from django.conf import settings

from search.attributes import unknown_attributes
from search.exceptions import InvalidQueryError
from search.kept import Kept
from search.product_values import BRAND, CATEGORY, FILTERABLE, PRICE, ProductValues, column
from search.query import Filters
from search.results import FacetValue
from search.scope import Condition, Scope
from search.statements import Floats, Ids, fetch

PRICE_BUCKETS = 5

Category = tuple[int, str, str, str]  # id, slug, name, path


def unknown_names(names: Sequence[str]) -> list[str]:
    """Those of `names` that stand neither for a built-in facet nor for an attribute of any product."""
    return unknown_attributes([name for name in names if name not in FILTERABLE])


def check_names(names: Iterable[str]) -> None:
    """Refuse facets that no product has. Raises InvalidQueryError."""
    attributes = [name for name in names if name not in FILTERABLE]
    if attributes and (unknown := unknown_attributes(attributes)):
        listed = ", ".join(f"“{name}”" for name in unknown)
        raise InvalidQueryError(
            {"facets": [f"Unknown: {listed}; use category, brand, price or the name of an attribute."]}
        )


def scope_of(name: str, scope: Scope) -> Scope:
    """The scope that a facet is counted in: one that is filtered on, without that filter."""
    return scope.without(name) if name in FILTERABLE else scope


def count(
    names: Sequence[str], scope: Scope, filters: Filters, constraint: Condition
) -> dict[str, list[FacetValue]]:
    """The values of some facets of the filtered catalogue, of products `p` that satisfy a constraint too.

    Where all products count, as for the categories beside those of one category, they are as of some seconds ago.
    """
    names_by_scope: dict[Scope, list[str]] = defaultdict(list)
    for name in names:
        names_by_scope[scope_of(name, scope)].append(name)
    counts: dict[str, dict[Any, int]] = {}
    for wider, together in names_by_scope.items():
        if wider.is_open and not constraint.sql:
            counts |= _of_the_catalogue(tuple(together)).value()
        else:
            counts |= _counts(together, wider.condition("p") & constraint)
    return {name: _values(name, counts[name], filters) for name in names}


def count_found(
    found: Mapping[str, Ids], values: ProductValues, filters: Filters
) -> dict[str, list[FacetValue]]:
    """The values of some facets; `found` has the ids of the products that each is counted over."""
    different = {id(ids): ids for ids in found.values()}  # most facets are counted over the same products
    if different:
        values.look_up(np.concatenate(list(different.values())))
    at = {key: values.places(ids) for key, ids in different.items()}
    return {name: _values(name, values.counts(name, at[id(ids)]), filters) for name, ids in found.items()}


def _values(name: str, counts: Mapping[Any, int], filters: Filters) -> list[FacetValue]:
    if name == CATEGORY:
        return category_tree(counts, _categories_of(counts, filters.categories), filters.categories)
    if name == BRAND:
        return _most_frequent(counts, filters.brands)
    if name == PRICE:
        return price_ranges(counts, filters)
    return _most_frequent(counts, ())


@lru_cache(maxsize=100)
def _of_the_catalogue(names: tuple[str, ...]) -> Kept[dict[str, dict[Any, int]]]:
    return Kept(lambda: _counts(names, Scope().condition("p")))


def forget() -> None:
    """Count the whole catalogue anew, and read its categories, on the next question."""
    _of_the_catalogue.cache_clear()
    _categories.forget()


def _counts(names: Sequence[str], products: Condition) -> dict[str, dict[Any, int]]:
    """How many products have each value, by facet: one grouping of the same rows for each of them."""
    columns = {name: column(name) for name in names}
    aliases = [f"f{place}" for place in range(len(columns))]
    selected = ", ".join(
        f"{column.sql} AS {alias}" for column, alias in zip(columns.values(), aliases, strict=True)
    )
    rows = fetch(
        f"SELECT GROUPING({', '.join(aliases)}), count(*), {', '.join(aliases)}"
        f" FROM (SELECT {selected} FROM catalog_product AS p WHERE {products.sql}) AS x"
        f" GROUP BY GROUPING SETS ({', '.join(f'({alias})' for alias in aliases)})",
        [*(param for column in columns.values() for param in column.params), *products.params],
    )
    # In GROUPING's number each column has a bit, the first one the highest; the column that is grouped by has a 0.
    everything = (1 << len(columns)) - 1
    places = {everything ^ (1 << (len(columns) - 1 - place)): place for place in range(len(columns))}
    counts: dict[str, dict[Any, int]] = {name: {} for name in names}
    for grouping, number, *values in rows:
        place = places[grouping]
        if (value := values[place]) is not None:
            counts[names[place]][value] = number
    return counts


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
    return {row[0]: row for row in fetch("SELECT id, slug, name, path FROM catalog_category")}


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
    """Categories in the order of their tree; each counts what is in it and below it.

    `counts` is by category id.
    """
    totals: Counter[str] = Counter()
    paths = {pk: path for pk, _, _, path in categories}
    for pk, number in counts.items():
        parts = paths[pk].split("/") if pk in paths else []
        for depth in range(len(parts)):
            totals["/".join(parts[: depth + 1])] += number
    ordered = sorted(categories, key=lambda category: category[3].split("/"))
    return [
        FacetValue(slug, name, totals[path], depth=path.count("/"), selected=slug in selected)
        for _, slug, name, path in ordered
        if totals[path] or slug in selected
    ]


def price_ranges(counts: Mapping[float, int], filters: Filters) -> list[FacetValue]:
    """Ranges that hold about as many products each, between round prices; empty ones are left out."""
    prices = np.array(sorted(counts), dtype=np.float64)
    numbers = np.array([counts[price] for price in prices.tolist()], dtype=np.int64)
    edges = _edges(prices, numbers)
    if not edges:
        return []
    # A price of two decimal places and the float next to it stand in the same order among others.
    limits = np.array([float(edge) for edge in edges])
    places = np.searchsorted(limits, prices, side="right")
    totals = np.bincount(places, weights=numbers, minlength=len(edges) + 1).astype(int).tolist()
    bounds = zip((Decimal(0), *edges), (*edges, None), totals, strict=True)
    return [_price_range(low, high, number, filters) for low, high, number in bounds if number]


def _price_range(low: Decimal, high: Decimal | None, number: int, filters: Filters) -> FacetValue:
    first, last = f"{low:f}", "" if high is None else f"{high:f}"
    label = f"{first} – {last}" if last else f"{first} +"
    selected = (filters.price_min or Decimal(0)) == low and filters.price_max == high and bool(low or high)
    return FacetValue(
        f"{first}-{last}", label, number, selected=selected, price_from=first, price_to=last or None
    )


def _edges(prices: Floats, numbers: Ids) -> list[Decimal]:
    """Round prices near the quantiles of sorted prices, of which each was met so many times."""
    if not len(prices):
        return []
    passed = np.cumsum(numbers)
    quantiles = np.arange(1, PRICE_BUCKETS) * passed[-1]
    at = np.searchsorted(passed * PRICE_BUCKETS, quantiles)
    edges = {round_price(Decimal(str(price))) for price in prices[at].tolist()}
    return sorted(edge for edge in edges if edge > 0 and float(edge) > prices[0])


def round_price(price: Decimal) -> Decimal:
    """The nearest of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 times a power of ten."""
    if price <= 0:
        return Decimal(0)
    power = Decimal(10) ** price.adjusted()
    steps = [Decimal(step) * power for step in ("1", "1.5", "2", "2.5", "3", "4", "5", "6", "8", "10")]
    nearest = min(steps, key=lambda step: abs(step - price))
    return nearest.to_integral_value() if nearest == nearest.to_integral_value() else nearest
