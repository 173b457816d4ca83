"""What is asked of the made-up catalogue: queries, and filters that keep a known share of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random

import numpy as np
import numpy.typing as npt
from django.db import connection

from catalog.models import Category
from catalog.synthetic import KINDS
from embeddings.models import EmbeddingModel
from search.lexemes import Analysis
from search.models import Word
from search.scope import Scope

# Shares of the catalogue that filters keep.
SHARES = (0.001, 0.01, 0.05, 0.1, 0.27, 0.5)
# Of the dearest: what a query asks for decides how much of it such a filter keeps.
DEAR_SHARES = (0.1, 0.27, 0.5)
# Attributes of products: all of them have a colour, whatever they are, and what a material is of is its own kind.
BY_CHANCE, OF_KINDS = "colour", "material"
ATTRIBUTE_SHARES = ((BY_CHANCE, (0.1, 0.27, 0.5)), (OF_KINDS, (0.01, 0.05, 0.1, 0.27, 0.5)))
# Up to this share a category filter is one category and a range of prices, beyond it several categories.
ONE_CATEGORY = 0.02
COMMON_WORDS = 100

_TEMPLATES = (
    "{thing} for {use}",
    "{colour} {material} {thing}",
    "{material} {thing} for {use}",
    "{colour} {thing}, {use}",
    "{use}, {colour} or {material}",
)
_COLOURS = (
    "black",
    "white",
    "blue",
    "green",
    "grey",
    "red",
    "sand",
    "yellow",
    "light",
    "dark",
    "bright",
    "plain",
)


@dataclass(frozen=True)
class Rows:
    """The catalogue's columns that filters and vectors need; the arrays run parallel."""

    ids: npt.NDArray[np.int64]
    categories: npt.NDArray[np.int64]
    brands: npt.NDArray[np.str_]
    prices: npt.NDArray[np.float64]
    attributes: dict[str, npt.NDArray[np.str_]]  # by name
    vectors: npt.NDArray[np.float32]  # (n, d), unit length, as they are stored


@dataclass(frozen=True)
class Filter:
    """A filter, and which rows it keeps."""

    name: str
    scope: Scope
    kept: npt.NDArray[np.bool_]
    correlated: bool
    topics: frozenset[int]  # categories that the queries are about

    @property
    def keeps(self) -> float:
        """The share of the catalogue that is kept."""
        return float(self.kept.mean())


@dataclass(frozen=True)
class Query:
    """What a visitor types, and the category of the products it describes."""

    text: str
    category: int


def queries(seed: int) -> Iterator[Query]:
    """Queries without end, no two the same; the same for the same seed."""
    random = Random(seed)  # noqa: S311 - no secret
    categories = dict(Category.objects.values_list("full_name", "pk"))
    seen: set[str] = set()
    while True:
        kind = random.choice(KINDS)
        words = {
            "thing": random.choice(kind.things),
            "material": random.choice(kind.materials),
            "use": random.choice(kind.uses),
            "colour": random.choice(_COLOURS),
        }
        text = random.choice(_TEMPLATES).format(**words)
        category = categories.get(" > ".join(kind.path))
        if category is not None and text not in seen:
            seen.add(text)
            yield Query(text, category)


def common_words() -> list[str]:
    """The words that most products of the catalogue have, without those that mean nothing."""
    words = list(Word.objects.order_by("-documents", "word").values_list("word", flat=True)[:COMMON_WORDS])
    analysis = Analysis(words)
    return [word for word in words if analysis.lexemes(word)]


def read_rows(model: EmbeddingModel) -> Rows:
    """Read the catalogue with its vectors: 170 MB for 100,000 products."""
    ids, categories, brands, prices, colours, materials, vectors = [], [], [], [], [], [], []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.id, p.category_id, p.brand, p.price::float8, p.attributes ->> %s, p.attributes ->> %s,"
            " e.vector::real[] FROM catalog_product AS p"
            " JOIN embeddings_productembedding AS e ON e.product_id = p.id WHERE e.model_id = %s AND p.is_active",
            (BY_CHANCE, OF_KINDS, model.pk),
        )
        for product_id, category, brand, price, colour, material, vector in cursor.fetchall():
            ids.append(product_id)
            categories.append(category)
            brands.append(brand)
            prices.append(price)
            colours.append(colour)
            materials.append(material)
            vectors.append(np.array(vector, dtype=np.float32))
    matrix = np.stack(vectors)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    attributes = {BY_CHANCE: np.array(colours), OF_KINDS: np.array(materials)}
    return Rows(np.array(ids), np.array(categories), np.array(brands), np.array(prices), attributes, matrix)


def filters(rows: Rows) -> list[Filter]:
    """Filters by category (queries within and without), price, brand, attributes, and what is dear; and none at all."""
    everything = frozenset(int(category) for category in np.unique(rows.categories))
    found = [_filter("none", rows, Scope(), False, everything)]
    for share in SHARES:
        scope = _category_scope(rows, share)
        inside = frozenset(scope.category_ids or ())
        name = "category + price" if share <= ONE_CATEGORY else "category"
        found.append(_filter(name, rows, scope, True, inside))
        found.append(_filter(name, rows, scope, False, everything - inside))
        scope = _priced(Scope(), rows.prices, share)
        found.append(_filter("price", rows, scope, False, everything))
        scope = _brand_scope(rows, share)
        name = "brand" if scope.price_min is None else "brand + price"
        found.append(_filter(name, rows, scope, False, everything))
    for share in DEAR_SHARES:
        dear = Scope(price_min=Decimal(f"{np.quantile(rows.prices, 1 - share):.2f}"))
        found.append(_filter("price at least", rows, dear, False, everything))
    for attribute, shares in ATTRIBUTE_SHARES:
        for share in shares:
            values = _first_values(rows.attributes[attribute], share)
            scope = Scope(attributes=((attribute, values),))
            name = "attribute" if attribute == BY_CHANCE else "attribute of kinds"
            found.append(_filter(name, rows, scope, False, everything))
    # Of a small catalogue, a thousandth may be nothing.
    return [one for one in found if one.kept.any()]


def _filter(name: str, rows: Rows, scope: Scope, correlated: bool, topics: frozenset[int]) -> Filter:
    kept = np.ones(len(rows.ids), dtype=bool)
    if scope.category_ids is not None:
        kept &= np.isin(rows.categories, scope.category_ids)
    if scope.brands:
        kept &= np.isin(rows.brands, scope.brands)
    if scope.price_min is not None:
        kept &= rows.prices >= float(scope.price_min)
    if scope.price_max is not None:
        kept &= rows.prices <= float(scope.price_max)
    for attribute, values in scope.attributes:
        kept &= np.isin(rows.attributes[attribute], values)
    return Filter(name, scope, kept, correlated, topics)


def _category_scope(rows: Rows, share: float) -> Scope:
    """Neighbours in the tree that together hold about `share` of the products."""
    counts = {category: int((rows.categories == category).sum()) for category in np.unique(rows.categories)}
    ordered = [pk for pk in Category.objects.order_by("path").values_list("pk", flat=True) if pk in counts]
    chosen: list[int] = []
    while sum(counts[pk] for pk in chosen) < share * len(rows.ids) * 0.9:
        chosen.append(ordered[len(chosen)])
    kept = np.isin(rows.categories, chosen)
    scope = Scope(category_ids=tuple(chosen))
    return scope if share > ONE_CATEGORY else _priced(scope, rows.prices[kept], share / kept.mean())


def _brand_scope(rows: Rows, share: float) -> Scope:
    names = _first_values(rows.brands, share)
    kept = np.isin(rows.brands, names)
    if kept.mean() <= 1.5 * share:
        return Scope(brands=names)
    return _priced(Scope(brands=names), rows.prices[kept], share / kept.mean())


def _first_values(values: npt.NDArray[np.str_], share: float) -> tuple[str, ...]:
    """The first values in alphabetical order that about this share of the products has, one at least."""
    different, counts = np.unique(values, return_counts=True)
    chosen = max(1, int(np.searchsorted(np.cumsum(counts), share * len(values))))
    return tuple(str(value) for value in different[:chosen])


def _priced(scope: Scope, prices: npt.NDArray[np.float64], share: float) -> Scope:
    """The scope narrowed to prices around the median, which this share of the products has."""
    low, high = np.quantile(prices, [0.5 - share / 2, 0.5 + share / 2])
    return replace(scope, price_min=Decimal(f"{low:.2f}"), price_max=Decimal(f"{high:.2f}"))
