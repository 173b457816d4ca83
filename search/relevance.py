"""How good a ranking is, by human judgments. Pure functions of plain values.

A judgment is a grade from 0 (irrelevant) up. nDCG after Järvelin and Kekäläinen (2002) with gain 2^grade - 1 and
discount log2(rank + 1); the ideal ranking is made of all judged products of the query.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np

DEPTH = 10
RECALL_DEPTH = 100
RELEVANT = 1  # grades from here on count as found, for MRR and recall


def dcg(grades: Sequence[int], depth: int = DEPTH) -> float:
    """Discounted cumulative gain of grades in rank order."""
    return sum((2**grade - 1) / math.log2(rank + 1) for rank, grade in enumerate(grades[:depth], start=1))


def ndcg(ranking: Sequence[str], judged: Mapping[str, int], depth: int = DEPTH) -> float:
    """nDCG with what nobody judged counted as irrelevant: 0..1."""
    ideal = dcg(sorted(judged.values(), reverse=True), depth)
    return dcg([judged.get(sku, 0) for sku in ranking], depth) / ideal if ideal else 0.0


def ndcg_judged(ranking: Sequence[str], judged: Mapping[str, int], depth: int = DEPTH) -> float:
    """nDCG over judged products alone: what nobody judged is dropped from the ranking."""
    return ndcg([sku for sku in ranking if sku in judged], judged, depth)


def reciprocal_rank(ranking: Sequence[str], judged: Mapping[str, int], depth: int = DEPTH) -> float:
    """1 / rank of the first relevant product, 0 where there is none."""
    ranks = (rank for rank, sku in enumerate(ranking[:depth], start=1) if judged.get(sku, 0) >= RELEVANT)
    return next((1.0 / rank for rank in ranks), 0.0)


def recall(ranking: Sequence[str], judged: Mapping[str, int], depth: int = RECALL_DEPTH) -> float:
    """The share of the relevant products that the first `depth` hold."""
    relevant = {sku for sku, grade in judged.items() if grade >= RELEVANT}
    return len(relevant.intersection(ranking[:depth])) / len(relevant) if relevant else 0.0


def judged_share(ranking: Sequence[str], judged: Mapping[str, int], depth: int = DEPTH) -> float:
    """The share of the first `depth` that someone has judged."""
    shown = ranking[:depth]
    return sum(sku in judged for sku in shown) / len(shown) if shown else 0.0


MEASURES = {
    "ndcg@10": ndcg,
    "ndcg@10_judged": ndcg_judged,
    "mrr@10": reciprocal_rank,
    "recall@100": recall,
    "judged@10": judged_share,
}


def measure(ranking: Sequence[str], judged: Mapping[str, int]) -> dict[str, float]:
    """All measures of one ranking."""
    return {name: function(ranking, judged) for name, function in MEASURES.items()}


def mean(measured: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each measure over queries."""
    return {name: fmean(one[name] for one in measured) if measured else 0.0 for name in MEASURES}


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Bootstrap interval of a mean over queries; see `paired_interval`."""
    return paired_interval(values, [0.0] * len(values))


def paired_interval(
    first: Sequence[float], second: Sequence[float], resamples: int = 5_000, confidence: float = 0.95
) -> tuple[float, float]:
    """Bootstrap interval of the mean difference `first - second` over the same queries (Sakai 2006).

    The seed is fixed, so that the same figures give the same interval.
    """
    differences = np.asarray(first) - np.asarray(second)
    if not len(differences):
        return 0.0, 0.0
    drawn = np.random.default_rng(7).integers(0, len(differences), (resamples, len(differences)))
    low, high = np.quantile(differences[drawn].mean(axis=1), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
