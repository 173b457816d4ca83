"""Two rankings become one. Pure functions of plain values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
Ranks = npt.NDArray[np.int64]  # from 1; 0: not in the ranking

# Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet" (2009).
RRF_K = 60
PRIOR_DEPTH = 20
# Four bytes for each id up to the highest one.
HIGHEST_IN_A_TABLE = 4_000_000
# Chosen on judgments (docs/relevance.md). So far on the way from the least cosine that counts to the best one, products
# are of the kind that is meant.
NEAR_ENOUGH = 0.78
# Beyond, differences keep at least this share: of products with the same words, the nearer one is first.
LEAST_SLOPE = 0.05
# Above 1: a product with half of the words is worth less than half of one with all of them.
KEYWORD_EXPONENT = 1.5


def normalise_keyword(bm25: Scores, ceiling: float) -> Scores:
    """BM25 against that of a product whose name has every word of the query: 0..1."""
    if ceiling <= 0:
        return np.zeros_like(bm25)
    return np.clip(bm25 / ceiling, 0.0, 1.0)


def normalise_semantic(cosine: Scores) -> Scores:
    """Cosine similarity as 0..1; what points away from the query is as far as what has nothing to do with it."""
    return np.clip(cosine, 0.0, 1.0)


def convex(semantic: Scores, keyword: Scores, semantic_weight: float) -> Scores:
    """The weighted mean of both scores, each 0..1 (Bruch, Gai and Ingber, "An analysis of fusion functions", 2023)."""
    return semantic_weight * semantic + (1.0 - semantic_weight) * keyword


def hybrid(semantic: Scores, keyword: Scores, semantic_weight: float, semantic_floor: float) -> Scores:
    """Both scores of candidates as one, 0..1. A product whose vector is still to come (NaN) is judged by its words."""
    worded = keyword**KEYWORD_EXPONENT
    meant = levelled(semantic, keyword, semantic_floor)
    return convex(np.where(np.isnan(meant), worded, meant), worded, semantic_weight)


def levelled(semantic: Scores, keyword: Scores, floor: float) -> Scores:
    """Cosines with the differences among the best of them made small, so that words decide there; their order stays.

    Of a hundred mice, the cosine to "mouse" says that they are mice, and little more. What lies beyond NEAR_ENOUGH
    of the way from `floor` to the best cosine counts for what the words leave open: all of it where no product has
    any word of the query.
    """
    if not len(semantic):
        return semantic
    best = float(np.fmax.reduce(semantic, initial=0.0))
    least = min(max(floor, 0.0), best)
    knee = least + NEAR_ENOUGH * (best - least)
    slope = max(LEAST_SLOPE, 1.0 - float(keyword.max()))
    return np.minimum(semantic, knee) + slope * np.maximum(semantic - knee, 0.0)


def with_category_prior(scores: Scores, category_ids: Ids, weight: float) -> Scores:
    """Lift products of the categories that the best candidates come from: what most of them are is what is meant.

    Each product gains `weight` times the share of its category among the best PRIOR_DEPTH, and the sum is scaled
    back to 0..1. A product without a category (0) gains nothing.
    """
    if weight <= 0 or not len(scores):
        return scores
    best = category_ids[np.argsort(-scores, kind="stable")[:PRIOR_DEPTH]]
    share = (category_ids[:, np.newaxis] == best).mean(axis=1) * (category_ids != 0)
    return (scores + weight * share) / (1.0 + weight)


def reciprocal_rank(rankings: Sequence[Ranks], k: int = RRF_K) -> Scores:
    """Sum of 1 / (k + rank) over the rankings, scaled so that first in all of them is 1."""
    best = len(rankings) / (k + 1)
    return np.sum([np.where(ranks > 0, 1.0 / (k + ranks), 0.0) for ranks in rankings], axis=0) / best


def ranks(product_ids: Ids, ranking: Ids) -> Ranks:
    """The ranks of products in a ranking, which has its best product first."""
    return aligned(product_ids, ranking, np.arange(1, len(ranking) + 1), 0)


def aligned(wanted: Ids, keys: Ids, values: npt.NDArray[Any], missing: float) -> npt.NDArray[Any]:
    """The value of each wanted key; `missing` where there is none. `keys` and `values` run parallel."""
    return taken(values, places(wanted, keys), missing)


def places(wanted: Ids, keys: Ids) -> npt.NDArray[np.intp]:
    """Where each wanted key stands among `keys`; -1: nowhere. Keys are ids of rows, and not negative.

    They are looked up in a table with a place for every id, which takes a quarter of the time of sorting a thousand.
    What it holds of other ids is not set, only unmasked: whatever it says, the key there is another one (Briggs and
    Torczon, "An efficient representation for sparse sets", 1993).
    """
    if not len(keys) or not len(wanted):
        return np.full(len(wanted), -1)
    highest = max(int(keys.max()), int(wanted.max()))
    if highest > HIGHEST_IN_A_TABLE:
        return _places_in_order(wanted, keys)
    table = np.empty(highest + 1, dtype=np.uint32)
    table[keys] = np.arange(len(keys), dtype=np.uint32)
    found = np.minimum(table[wanted], len(keys) - 1).astype(np.intp)
    return np.where(keys[found] == wanted, found, -1)


def _places_in_order(wanted: Ids, keys: Ids) -> npt.NDArray[np.intp]:
    order = np.argsort(keys)
    found = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    return np.where(keys[found] == wanted, found, -1)


def taken(values: npt.NDArray[Any], at: npt.NDArray[np.intp], missing: float) -> npt.NDArray[Any]:
    """The values at these places; `missing` for -1."""
    with_missing = np.append(values, np.asarray(missing, dtype=values.dtype))
    return with_missing[at]


def cut(scores: Scores, relative: float, absolute: float, measure: Scores) -> npt.NDArray[np.bool_]:
    """Which scores stay: above 0, at least `absolute`, and at least `relative` of the best of `measure`."""
    best = float(measure.max(initial=0.0))
    return (scores > 0) & (scores >= max(absolute, relative * best))
