"""Two rankings become one. Pure functions of plain values."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]

# Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet" (2009).
RRF_K = 60
PRIOR_DEPTH = 20


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


def with_category_prior(scores: Scores, categories: Sequence[int | None], weight: float) -> Scores:
    """Lift products of the categories that the best candidates come from: what most of them are is what is meant.

    Each product gains `weight` times the share of its category among the best PRIOR_DEPTH, and the sum is scaled
    back to 0..1. A product without a category gains nothing.
    """
    if weight <= 0 or not len(scores):
        return scores
    best = np.argsort(-scores, kind="stable")[:PRIOR_DEPTH]
    votes = Counter(categories[place] for place in best)
    share = np.array([0.0 if one is None else votes[one] / len(best) for one in categories])
    return (scores + weight * share) / (1.0 + weight)


def reciprocal_rank(
    product_ids: Sequence[int], rankings: Sequence[Mapping[int, int]], k: int = RRF_K
) -> Scores:
    """Sum of 1 / (k + rank) over the rankings (ranks from 1), scaled so that first in all of them is 1."""
    best = len(rankings) / (k + 1)
    return np.array(
        [sum(1.0 / (k + ranking[pk]) for ranking in rankings if pk in ranking) / best for pk in product_ids]
    )


def ranks(product_ids: Sequence[int]) -> dict[int, int]:
    """Ranks from 1 of products that are in order."""
    return {product_id: rank for rank, product_id in enumerate(product_ids, start=1)}


def cut(scores: Scores, relative: float, absolute: float) -> npt.NDArray[np.bool_]:
    """Which scores stay: above 0, at least `absolute`, and at least `relative` of the best one."""
    if not len(scores):
        return np.zeros(0, dtype=bool)
    return (scores > 0) & (scores >= max(absolute, relative * float(scores.max())))
