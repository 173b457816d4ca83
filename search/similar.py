"""Products like other products, from the vectors that are stored; nothing is encoded here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from catalog.models import Product
from search import fusion
from search.analysis import analyse
from search.diversity import diversify
from search.encoding import active_model
from search.exceptions import EncodingUnavailableError, InvalidQueryError, ProductNotFoundError
from search.explain import shared_with
from search.hydrate import hydrate
from search.lexical import keyword_candidates
from search.parsing import parse
from search.query import (
    MAX_PAGE_SIZE,
    MAX_QUERY_LENGTH,
    PENNY,
    Filters,
    Mode,
    Seed,
    SeedQuery,
    SimilarQuery,
)
from search.results import Hit, SearchResult
from search.scope import Scope, resolve
from search.semantic import nearest
from search.stopwatch import Stopwatch
from search.turns import turns
from search.vectors import LEAST_COSINE, Vector, VectorSpace, read_vectors

# MMR chooses among this many times the products that are shown.
DIVERSITY_POOL = 5

Found = list[tuple[int, float]]


@dataclass(frozen=True)
class _Wanted:
    """What either kind of question asks of the products that are found."""

    scope: Scope
    limit: int
    min_score: float
    diversity: float
    exclude: tuple[int, ...]

    @property
    def pool(self) -> int:
        """How many candidates to fetch."""
        return self.limit * DIVERSITY_POOL if self.diversity > 0 else self.limit


def similar_products(query: SimilarQuery) -> SearchResult:
    """Products nearest to one product, never itself, never an inactive one; best first unless `diversity` is asked.

    A product without a vector yet is compared by its words within its category. Raises ProductNotFoundError for
    an unknown or inactive SKU and InvalidQueryError.
    """
    _check(query)
    watch = Stopwatch()
    with turns.turn(), watch.timing("retrieve"):
        seed = _active_product(query.sku)
        wanted = _Wanted(
            _scope(query, seed), query.limit, query.min_score or 0.0, query.diversity, (seed.pk,)
        )
        space = _space()
        vector = read_vectors(space, [seed.pk]).get(seed.pk) if space else None
        if space is None or vector is None:
            found, mode = _by_words(seed, wanted), Mode.KEYWORD
        else:
            found, mode = _by_vector(space, vector, wanted), Mode.SEMANTIC
        shared = shared_with(seed.pk, [pk for pk, _ in found]) if query.explain else {}
        result = _result(found, mode, shared if query.explain else None, query.limit)
    return replace(result, timings_ms=watch.read())


def similar_to_seeds(query: SeedQuery) -> SearchResult:
    """Products near the weighted sum of several products' vectors; a negative weight leads away from its product.

    None of the seeds is found. Raises ProductNotFoundError with all SKUs that are unknown or inactive, and
    InvalidQueryError, also where no seed has a vector yet or the seeds cancel each other out.
    """
    _check(query)
    watch = Stopwatch()
    with turns.turn(), watch.timing("retrieve"):
        weights = _weights(query.seeds)
        space = _space()
        vectors = read_vectors(space, list(weights)) if space else {}
        vector = _weighted_sum(weights, vectors)
        if space is None or vector is None:
            raise InvalidQueryError(
                {
                    "seeds": [
                        "These products give no direction: they have no vectors yet, or cancel each other out."
                    ]
                }
            )
        wanted = _Wanted(
            resolve(query.filters), query.limit, query.min_score or 0.0, query.diversity, tuple(weights)
        )
        result = _result(_by_vector(space, vector, wanted), Mode.SEMANTIC, None, query.limit)
    return replace(result, timings_ms=watch.read())


def _check(query: SimilarQuery | SeedQuery) -> None:
    errors: dict[str, list[str]] = {}
    if not 1 <= query.limit <= MAX_PAGE_SIZE:
        errors["limit"] = [f"Between 1 and {MAX_PAGE_SIZE}."]
    if not 0 <= query.diversity <= 1:
        errors["diversity"] = ["Between 0 and 1."]
    if query.min_score is not None and not 0 <= query.min_score <= 1:
        errors["min_score"] = ["Between 0 and 1."]
    lowest, highest = query.filters.price_min, query.filters.price_max
    if lowest is not None and highest is not None and lowest > highest:
        errors["price_min"] = ["Must not be above price_max."]
    if isinstance(query, SimilarQuery) and query.price_tolerance is not None and query.price_tolerance < 0:
        errors["price_tolerance"] = ["Must not be negative."]
    if errors:
        raise InvalidQueryError(errors)


def _active_product(sku: str) -> Product:
    product = Product.objects.active().filter(sku=sku).select_related("category").first()
    if product is None:
        raise ProductNotFoundError(sku)
    return product


def _weights(seeds: Sequence[Seed]) -> dict[int, float]:
    """Weights of seeds by their products' ids. Raises ProductNotFoundError with every SKU that no product has."""
    products = Product.objects.active().filter(sku__in=[seed.sku for seed in seeds])
    ids = dict(products.values_list("sku", "pk"))
    if missing := [seed.sku for seed in seeds if seed.sku not in ids]:
        raise ProductNotFoundError(*missing)
    return {ids[seed.sku]: seed.weight for seed in seeds}


def _scope(query: SimilarQuery, seed: Product) -> Scope:
    """The filters, narrowed to the seed's category and to prices near its own where that is asked."""
    scope = resolve(query.filters)
    if query.same_category and seed.category is not None:
        own = resolve(Filters(categories=(seed.category.slug,))).category_ids or ()
        ids = own if scope.category_ids is None else tuple(pk for pk in scope.category_ids if pk in own)
        scope = replace(scope, category_ids=ids)
    if query.price_tolerance is not None and seed.price is not None:
        share = Decimal(str(query.price_tolerance))
        low = (seed.price * (1 - share)).quantize(PENNY) if share < 1 else Decimal(0)
        high = (seed.price * (1 + share)).quantize(PENNY)
        scope = replace(
            scope,
            price_min=low if scope.price_min is None else max(low, scope.price_min),
            price_max=high if scope.price_max is None else min(high, scope.price_max),
        )
    return scope


def _space() -> VectorSpace | None:
    try:
        return VectorSpace.of(active_model())
    except EncodingUnavailableError:
        return None


def _weighted_sum(weights: dict[int, float], vectors: dict[int, Vector]) -> Vector | None:
    """The unit vector `(d,)` of the seeds' weighted sum, or None where it has no direction."""
    parts = [weight * vectors[pk] for pk, weight in weights.items() if pk in vectors]
    if not parts or all(weight <= 0 for pk, weight in weights.items() if pk in vectors):
        return None
    total = np.sum(parts, axis=0)
    length = float(np.linalg.norm(total))
    return None if length < 1e-6 else (total / length).astype(np.float32)


def _by_vector(space: VectorSpace, vector: Vector, wanted: _Wanted) -> Found:
    floor = wanted.min_score or LEAST_COSINE
    found = nearest(space, vector, wanted.scope, wanted.pool, exclude=wanted.exclude, floor=floor)
    scores = fusion.normalise_semantic(found.cosines)
    scored = zip(found.product_ids.tolist(), scores.tolist(), strict=True)
    kept = [(pk, score) for pk, score in scored if score >= wanted.min_score]
    if wanted.diversity > 0:
        vectors = read_vectors(space, [pk for pk, _ in kept])
        kept = diversify(kept, vectors, wanted.diversity, wanted.limit)
    return kept[: wanted.limit]


def _by_words(seed: Product, wanted: _Wanted) -> Found:
    """By the words of the seed's name: those of its own category first, then others."""
    text = seed.name[:MAX_QUERY_LENGTH].replace('"', " ").replace("-", " ")
    query = replace(analyse(parse(f"{text} "), text), codes=())
    found: dict[int, float] = {}
    for scope in dict.fromkeys((_within_category(wanted.scope, seed), wanted.scope)):
        (matches,) = keyword_candidates(query, [scope], wanted.limit + len(wanted.exclude))
        for product_id, bm25 in zip(matches.product_ids.tolist(), matches.bm25.tolist(), strict=True):
            if product_id not in wanted.exclude:
                found.setdefault(product_id, bm25)
        if len(found) >= wanted.limit:
            break
    scores = fusion.normalise_keyword(np.array(list(found.values())), query.ceiling)
    ranked = sorted(zip(found, scores.tolist(), strict=True), key=lambda one: (-one[1], -one[0]))
    return [(pk, score) for pk, score in ranked if score >= wanted.min_score][: wanted.limit]


def _within_category(scope: Scope, seed: Product) -> Scope:
    if seed.category_id is None or scope.category_ids is not None:
        return scope
    return replace(scope, category_ids=(seed.category_id,))


def _result(found: Found, mode: Mode, shared: dict[int, dict[str, Any]] | None, limit: int) -> SearchResult:
    fields = hydrate([pk for pk, _ in found])
    hits = [
        Hit(
            fields[pk],
            round(score, 4),
            None if shared is None else {"score": round(score, 4), **shared.get(pk, {})},
        )
        for pk, score in found
        if pk in fields
    ]
    return SearchResult(
        hits=hits,
        total=len(hits),
        total_relation="exact" if len(hits) < limit else "at_least",
        mode=mode,
        degraded=mode is Mode.KEYWORD,
        corrected=None,
        page_size=limit,
    )
