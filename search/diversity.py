"""A list that does not show the same thing ten times. Pure functions of plain values."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt


def diversify(
    found: Sequence[tuple[int, float]],
    vectors: Mapping[int, npt.NDArray[np.float32]],
    diversity: float,
    limit: int,
) -> list[tuple[int, float]]:
    """Choose `limit` of the (product id, score) pairs by maximal marginal relevance.

    Each choice is the product with the most of (1 - diversity) * score - diversity * (cosine to the nearest product
    already chosen); Carbonell and Goldstein, "The use of MMR" (1998). `vectors` are unit length; what has none is
    left out.
    """
    pool = [(pk, score) for pk, score in found if pk in vectors]
    if not pool:
        return []
    scores = np.array([score for _, score in pool])
    matrix = np.stack([vectors[pk] for pk, _ in pool])
    nearest_chosen = np.zeros(len(pool))
    is_open = np.ones(len(pool), dtype=bool)
    chosen: list[int] = []
    while is_open.any() and len(chosen) < limit:
        gain = np.where(is_open, (1 - diversity) * scores - diversity * nearest_chosen, -np.inf)
        best = int(gain.argmax()) if chosen else int(np.where(is_open, scores, -np.inf).argmax())
        chosen.append(best)
        is_open[best] = False
        nearest_chosen = np.maximum(nearest_chosen, matrix @ matrix[best])
    return [pool[place] for place in chosen]
