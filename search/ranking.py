"""One ranked result set: the candidates of both legs, fused and cut off. Total, facets and pages all read this."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from search import fusion
from search.configuration import Fusion, RankingConfiguration
from search.fusion import Scores
from search.lexical import LexicalQuery, Match, keyword_candidates, keyword_scores
from search.merchandising.rules import Rule
from search.query import MAX_DEPTH, Mode
from search.scope import Scope
from search.semantic import Neighbour, Vector, VectorSpace, nearest, similarities
from search.trace import stage

# An exact name or SKU is first; nothing else scores as much.
EXACT_SCORE = 1.0
BEST_INEXACT_SCORE = 0.999


@dataclass(frozen=True)
class Plan:
    """A query ready to be run under any scope."""

    text: str  # what is looked for, in words
    mode: Mode  # what really answers: keyword where a search is degraded
    lexical: LexicalQuery
    vector: Vector | None
    space: VectorSpace | None
    configuration: RankingConfiguration
    min_score: float
    rules: tuple[Rule, ...] = ()  # staff's, for this query, in the order in which they count


@dataclass(frozen=True)
class Ranking:
    """Products best first. The arrays run parallel to `product_ids`."""

    product_ids: list[int]
    scores: Scores
    semantic: Scores  # NaN: no vector yet, or not asked
    keyword: Scores
    semantic_ranks: dict[int, int]
    keyword_ranks: dict[int, int]
    is_complete: bool  # False: a leg stopped at its depth, so there may be more
    rerank: dict[int, float] = field(default_factory=dict)  # the cross-encoder's scores, where it was asked
    notes: dict[int, dict[str, Any]] = field(default_factory=dict)  # what staff's rules did, by product

    def explain(self, place: int) -> dict[str, Any]:
        """Why the product at a place (from 0) has its score."""
        product_id = self.product_ids[place]
        cosine = float(self.semantic[place])
        explained = {
            "score": round(float(self.scores[place]), 4),
            "semantic_score": None if np.isnan(cosine) else round(cosine, 4),
            "semantic_rank": self.semantic_ranks.get(product_id),
            "keyword_score": round(float(self.keyword[place]), 4),
            "keyword_rank": self.keyword_ranks.get(product_id),
        }
        if product_id in self.rerank:
            explained["rerank_score"] = round(self.rerank[product_id], 4)
        return explained | self.notes.get(product_id, {})


@dataclass
class Candidates:
    """What both legs found. The arrays run parallel to `product_ids`; NaN: no vector."""

    product_ids: list[int]
    bm25: Scores
    cosine: Scores
    categories: list[int | None]
    is_exact: npt.NDArray[np.bool_]
    keyword_ranks: dict[int, int]
    semantic_ranks: dict[int, int]
    keyword_is_complete: bool
    semantic_edge: int | None  # the last product that the semantic leg brought, where it stopped at its depth


def rank(plan: Plan, scope: Scope) -> Ranking:
    """Retrieve, fuse and cut off the result set of a query within a scope."""
    found = candidates(plan, scope)
    keyword = fusion.normalise_keyword(found.bm25, plan.lexical.ceiling)
    semantic = fusion.normalise_semantic(found.cosine)
    scores = np.minimum(_fuse(plan, found, semantic, keyword), BEST_INEXACT_SCORE)
    scores[found.is_exact] = EXACT_SCORE
    order = _order(plan, found.product_ids, scores)
    shown = [found.product_ids[place] for place in order]
    return Ranking(
        product_ids=shown,
        scores=scores[order],
        semantic=semantic[order],
        keyword=keyword[order],
        semantic_ranks=found.semantic_ranks,
        keyword_ranks=found.keyword_ranks,
        # Where the deepest semantic candidate is not cut off, there are others below it.
        is_complete=found.keyword_is_complete
        and len(order) < MAX_DEPTH
        and (found.semantic_edge is None or found.semantic_edge not in set(shown)),
    )


def candidates(plan: Plan, scope: Scope) -> Candidates:
    """The union of both legs, in which each candidate has both scores."""
    matches: list[Match] = []
    if plan.mode is not Mode.SEMANTIC:
        matches = keyword_candidates(plan.lexical, scope, MAX_DEPTH)
    neighbours = _semantic_candidates(plan, scope, matches)
    bm25 = {match.product_id: match.bm25 for match in matches}
    near = {neighbour.product_id: neighbour for neighbour in neighbours}
    product_ids = list(dict.fromkeys([*bm25, *near]))
    if plan.mode is Mode.HYBRID and plan.space is not None and plan.vector is not None:
        missing = [product_id for product_id in product_ids if product_id not in near]
        near |= {one.product_id: one for one in similarities(plan.space, plan.vector, missing)}
        bm25 |= keyword_scores(plan.lexical, [pk for pk in product_ids if pk not in bm25])
    exact = {match.product_id for match in matches if match.is_exact}
    return Candidates(
        product_ids=product_ids,
        bm25=np.array([bm25.get(pk, 0.0) for pk in product_ids], dtype=np.float64),
        cosine=np.array([near[pk].cosine if pk in near else np.nan for pk in product_ids], dtype=np.float64),
        categories=[near[pk].category_id if pk in near else None for pk in product_ids],
        is_exact=np.array([pk in exact for pk in product_ids], dtype=bool),
        keyword_ranks=fusion.ranks([match.product_id for match in matches]),
        semantic_ranks=fusion.ranks([neighbour.product_id for neighbour in neighbours]),
        keyword_is_complete=len(matches) < MAX_DEPTH,
        semantic_edge=neighbours[-1].product_id if len(neighbours) == _semantic_depth(plan) else None,
    )


def _semantic_depth(plan: Plan) -> int:
    return min(plan.configuration.semantic_depth, MAX_DEPTH)


@stage("semantic")
def _semantic_candidates(plan: Plan, scope: Scope, matches: Sequence[Match]) -> list[Neighbour]:
    """What is near enough in meaning. A part number that the catalogue has means nothing but itself."""
    if plan.mode is Mode.KEYWORD or plan.space is None or plan.vector is None:
        return []
    if plan.mode is Mode.HYBRID and matches and plan.lexical.is_part_number:
        return []
    found = nearest(plan.space, plan.vector, scope, _semantic_depth(plan), plan.lexical.constraint("x"))
    return [neighbour for neighbour in found if neighbour.cosine >= plan.configuration.semantic_floor]


@stage("fusion")
def _fuse(plan: Plan, found: Candidates, semantic: Scores, keyword: Scores) -> Scores:
    if plan.mode is Mode.KEYWORD:
        return keyword
    if plan.mode is Mode.SEMANTIC:
        return np.nan_to_num(semantic)
    if plan.configuration.fusion is Fusion.RRF:
        return fusion.reciprocal_rank(found.product_ids, [found.semantic_ranks, found.keyword_ranks])
    # A product whose vector is still to come is judged by its words.
    known = np.where(np.isnan(semantic), keyword, semantic)
    fused = fusion.convex(known, keyword, plan.configuration.semantic_weight)
    return fusion.with_category_prior(fused, found.categories, plan.configuration.category_weight)


@stage("fusion")
def _order(plan: Plan, product_ids: Sequence[int], scores: Scores) -> npt.NDArray[np.intp]:
    """Places of the products that stay, best first; of equals the newer product."""
    # Reciprocal ranks say nothing of how good a hit is, so no share of the best one is a limit.
    by_rank = plan.mode is Mode.HYBRID and plan.configuration.fusion is Fusion.RRF
    relative = 0.0 if by_rank else plan.configuration.cutoff
    stays = np.flatnonzero(fusion.cut(scores, relative, plan.min_score))
    ids = np.array(product_ids, dtype=np.int64)
    return stays[np.lexsort((-ids[stays], -scores[stays]))][:MAX_DEPTH]
