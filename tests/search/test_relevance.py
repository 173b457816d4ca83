"""Measures of a ranking, against values worked out by hand."""

import math

import pytest

from search import relevance

JUDGED = {"a": 3, "b": 1, "c": 0}


def test_ndcg_counts_the_unjudged_as_irrelevant() -> None:
    ideal = 7 + 1 / math.log2(3)
    assert relevance.ndcg(["a", "b"], JUDGED) == pytest.approx(1.0)
    assert relevance.ndcg(["x", "a"], JUDGED) == pytest.approx(7 / math.log2(3) / ideal)
    assert relevance.ndcg([], JUDGED) == 0.0


def test_judged_only_ndcg_drops_the_unjudged() -> None:
    assert relevance.ndcg_judged(["x", "a", "y", "b"], JUDGED) == pytest.approx(1.0)


def test_reciprocal_rank_recall_and_judged_share() -> None:
    assert relevance.reciprocal_rank(["c", "b"], JUDGED) == 0.5
    assert relevance.reciprocal_rank(["c"], JUDGED) == 0.0
    assert relevance.recall(["b", "x"], JUDGED) == 0.5
    assert relevance.judged_share(["a", "x"], JUDGED) == 0.5


def test_the_interval_of_equal_rankings_is_nothing() -> None:
    assert relevance.paired_interval([0.4, 0.6], [0.4, 0.6]) == (0.0, 0.0)
    low, high = relevance.paired_interval([0.9] * 20, [0.1] * 20)
    assert low == high == pytest.approx(0.8)
