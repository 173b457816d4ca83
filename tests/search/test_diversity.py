"""MMR on plain vectors."""

import numpy as np

from search.diversity import diversify

FOUND = [(1, 0.9), (2, 0.89), (3, 0.6)]
VECTORS = {
    1: np.array([1, 0], dtype=np.float32),
    2: np.array([1, 0], dtype=np.float32),
    3: np.array([0, 1], dtype=np.float32),
}


def test_without_diversity_the_nearest_come_first() -> None:
    assert diversify(FOUND, VECTORS, 0.0, 2) == [(1, 0.9), (2, 0.89)]


def test_with_diversity_a_twin_gives_way() -> None:
    assert diversify(FOUND, VECTORS, 0.5, 2) == [(1, 0.9), (3, 0.6)]


def test_what_has_no_vector_is_left_out() -> None:
    assert diversify([(9, 1.0)], VECTORS, 0.5, 2) == []
