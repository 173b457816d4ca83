"""One ranked result set: the candidates of both legs, fused and cut off. Total, facets and pages all read this."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from django.conf import settings

from search import fusion
from search.lexical import LexicalQuery, keyword_candidates, keyword_scores
from search.query import MAX_DEPTH, Fusion, Mode
from search.scope import Scope
from search.semantic import Vector, VectorSpace, nearest, similarities

# An exact name or SKU is first; nothing else scores as much.
EXACT_SCORE = 1.0
BEST_INEXACT_SCORE = 0.999


@dataclass(frozen=True)
class Plan:
    """A query ready to be run under any scope."""

    mode: Mode  # what really answers: keyword where a search is degraded
    lexical: LexicalQuery
    vector: Vector | None
    space: VectorSpace | None
    fusion: Fusion
    min_score: float


@dataclass(frozen=True)
class Ranking:
    """Products best first. The arrays run parallel to `product_ids`."""

    product_ids: list[int]
    scores: npt.NDArray[np.float64]
    semantic: npt.NDArray[np.float64]
    keyword: npt.NDArray[np.float64]
    semantic_ranks: dict[int, int]
    keyword_ranks: dict[int, int]
    is_complete: bool  # False: a leg stopped at its depth, there is more

    def explain(self, place: int) -> dict[str, Any]:
        """Why the product at a place (from 0) has its score."""
        product_id = self.product_ids[place]
        return {
            "score": round(float(self.scores[place]), 4),
            "semantic_score": round(float(self.semantic[place]), 4),
            "semantic_rank": self.semantic_ranks.get(product_id),
            "keyword_score": round(float(self.keyword[place]), 4),
            "keyword_rank": self.keyword_ranks.get(product_id),
        }


def rank(plan: Plan, scope: Scope) -> Ranking:
    """Retrieve, fuse and cut off the result set of a query within a scope."""
    keyword = [] if plan.mode is Mode.SEMANTIC else keyword_candidates(plan.lexical, scope, MAX_DEPTH + 1)
    semantic = [] if plan.mode is Mode.KEYWORD else _semantic_candidates(plan, scope)
    is_complete = len(keyword) <= MAX_DEPTH
    keyword = keyword[:MAX_DEPTH]
    bm25 = {product_id: score for product_id, score, _ in keyword}
    cosine = dict(semantic)
    product_ids = list(dict.fromkeys([*bm25, *cosine]))
    if plan.mode is Mode.HYBRID:
        _complete_scores(plan, product_ids, bm25, cosine)
    exact = {product_id for product_id, _, is_exact in keyword if is_exact}
    keyword_ranks = fusion.ranks([product_id for product_id, _, _ in keyword])
    semantic_ranks = fusion.ranks([product_id for product_id, _ in semantic])
    keyword_scores_ = fusion.normalise_keyword(
        np.array([bm25.get(pk, 0.0) for pk in product_ids]), plan.lexical.ceiling
    )
    semantic_scores = fusion.normalise_semantic(np.array([cosine.get(pk, np.nan) for pk in product_ids]))
    scores = _fuse(plan, product_ids, semantic_scores, keyword_scores_, semantic_ranks, keyword_ranks)
    scores = np.minimum(scores, BEST_INEXACT_SCORE)
    scores[[place for place, pk in enumerate(product_ids) if pk in exact]] = EXACT_SCORE
    order = _order(plan, product_ids, scores)
    # Where the deepest semantic candidate is above the cut-off, others that were not fetched are too.
    lowest_kept = float(scores[order[-1]]) if len(order) else 0.0
    if len(semantic) >= _semantic_depth() and semantic and len(order):
        is_complete &= semantic[-1][0] not in {product_ids[place] for place in order} or lowest_kept == 0.0
    order = order[:MAX_DEPTH]
    return Ranking(
        product_ids=[product_ids[place] for place in order],
        scores=scores[order],
        semantic=np.nan_to_num(semantic_scores[order]),
        keyword=keyword_scores_[order],
        semantic_ranks=semantic_ranks,
        keyword_ranks=keyword_ranks,
        is_complete=is_complete,
    )


def _semantic_depth() -> int:
    return min(settings.SEARCH_SEMANTIC_DEPTH, MAX_DEPTH)


def _semantic_candidates(plan: Plan, scope: Scope) -> list[tuple[int, float]]:
    if plan.space is None or plan.vector is None:
        return []
    return nearest(plan.space, plan.vector, scope, _semantic_depth(), plan.lexical.constraint("x"))


def _complete_scores(
    plan: Plan, product_ids: Sequence[int], bm25: dict[int, float], cosine: dict[int, float]
) -> None:
    """Give each candidate the score of the leg that did not find it, so that all are fused alike."""
    if plan.space is not None and plan.vector is not None:
        cosine |= similarities(plan.space, plan.vector, [pk for pk in product_ids if pk not in cosine])
    bm25 |= keyword_scores(plan.lexical, [pk for pk in product_ids if pk not in bm25])


def _fuse(
    plan: Plan,
    product_ids: Sequence[int],
    semantic: npt.NDArray[np.float64],
    keyword: npt.NDArray[np.float64],
    semantic_ranks: dict[int, int],
    keyword_ranks: dict[int, int],
) -> npt.NDArray[np.float64]:
    if plan.mode is Mode.KEYWORD:
        return keyword
    if plan.mode is Mode.SEMANTIC:
        return np.nan_to_num(semantic)
    if plan.fusion is Fusion.RRF:
        return fusion.reciprocal_rank(product_ids, [semantic_ranks, keyword_ranks])
    # A product whose vector is still to come is judged by its words.
    semantic = np.where(np.isnan(semantic), keyword, semantic)
    return fusion.convex(semantic, keyword, settings.SEARCH_SEMANTIC_WEIGHT)


def _order(plan: Plan, product_ids: Sequence[int], scores: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Places of the products that stay, best first; of equals the newer product."""
    relative = 0.0 if plan.fusion is Fusion.RRF and plan.mode is Mode.HYBRID else settings.SEARCH_CUTOFF
    stays = np.flatnonzero(fusion.cut(scores, relative, plan.min_score))
    ids = np.array(product_ids, dtype=np.int64)
    return stays[np.lexsort((-ids[stays], -scores[stays]))]
