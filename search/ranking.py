"""One ranked result set: the candidates of both legs, fused and cut off. Total, facets and pages all read this."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt

from search import fusion
from search.configuration import Fusion, RankingConfiguration
from search.fusion import Scores
from search.lexical import NO_MATCHES, Matches, as_matches, keyword_candidates, keyword_scores_of
from search.lexical_query import LexicalQuery
from search.merchandising.rules import Rule
from search.product_values import ProductValues
from search.query import MAX_DEPTH, Mode
from search.scope import Scope
from search.semantic import nearest_in_each
from search.similarities import Similarities
from search.statements import Flags, Ids, fetch_together
from search.trace import stage
from search.vectors import NOBODY, Neighbours, Vector, VectorSpace

# An exact name or SKU is first; nothing else scores as much.
EXACT_SCORE = 1.0
BEST_INEXACT_SCORE = 0.999
# Where words bring as many candidates, meaning brings this part of its depth: of the products that were judged, nothing
# that belongs to the first hundred lies deeper.
LEAST_OF_DEPTH = 0.5

Encoded = tuple[VectorSpace, Vector] | None  # None: the model cannot be used


@dataclass(frozen=True)
class Plan:
    """A query ready to be run under any scope."""

    text: str  # what is looked for, in words
    asked: Mode
    lexical: LexicalQuery
    encoded: Callable[[], Encoded]  # waits for the query's vector
    configuration: RankingConfiguration
    min_score: float
    rules: tuple[Rule, ...] = ()  # staff's, for this query, in the order in which they count
    facet_values: ProductValues = field(default_factory=ProductValues)  # learn of candidates on the way

    @property
    def mode(self) -> Mode:
        """What really answers: keyword where a search is degraded."""
        return Mode.KEYWORD if self.encoded() is None else self.asked


@dataclass(frozen=True)
class Ranking:
    """Products best first. The arrays of scores run parallel to `product_ids`."""

    product_ids: list[int]
    scores: Scores
    semantic: Scores  # NaN: no vector yet, or not asked
    keyword: Scores
    semantic_order: Ids  # what each leg found by itself, best first
    keyword_order: Ids
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
            "semantic_rank": _rank_of(product_id, self.semantic_order),
            "keyword_score": round(float(self.keyword[place]), 4),
            "keyword_rank": _rank_of(product_id, self.keyword_order),
        }
        if product_id in self.rerank:
            explained["rerank_score"] = round(self.rerank[product_id], 4)
        return explained | self.notes.get(product_id, {})


def _rank_of(product_id: int, order: Ids) -> int | None:
    """From 1; None where a product is not among them."""
    places = np.flatnonzero(order == product_id)
    return int(places[0]) + 1 if len(places) else None


@dataclass(frozen=True)
class Candidates:
    """What both legs found. The arrays but the orders run parallel to `product_ids`."""

    product_ids: Ids
    bm25: Scores
    cosine: Scores  # NaN: no vector
    category_ids: Ids  # 0: none, or no vector
    is_exact: Flags
    semantic_order: Ids
    keyword_order: Ids
    keyword_is_complete: bool
    semantic_edge: int | None  # the last product that the semantic leg brought, where it stopped at its depth


def rank(plan: Plan, scopes: Sequence[Scope]) -> list[Ranking]:
    """Retrieve, fuse and cut off the result set of a query within each of several scopes."""
    return [_ranking(plan, found) for found in candidates(plan, scopes)]


def _ranking(plan: Plan, found: Candidates) -> Ranking:
    keyword = fusion.normalise_keyword(found.bm25, plan.lexical.ceiling)
    semantic = fusion.normalise_semantic(found.cosine)
    scores = np.minimum(_fuse(plan, found, semantic, keyword), BEST_INEXACT_SCORE)
    scores[found.is_exact] = EXACT_SCORE
    order = _order(plan, found, scores)
    shown = found.product_ids[order]
    return Ranking(
        product_ids=shown.tolist(),
        scores=scores[order],
        semantic=semantic[order],
        keyword=keyword[order],
        semantic_order=found.semantic_order,
        keyword_order=found.keyword_order,
        # Where the deepest semantic candidate is not cut off, there are others below it.
        is_complete=found.keyword_is_complete
        and len(order) < MAX_DEPTH
        and (found.semantic_edge is None or found.semantic_edge not in shown),
    )


def candidates(plan: Plan, scopes: Sequence[Scope]) -> list[Candidates]:
    """The union of both legs within each scope, in which each candidate has both scores.

    Words come first, for the query's vector is being made meanwhile.
    """
    matches = [NO_MATCHES] * len(scopes)
    if plan.asked is not Mode.SEMANTIC or plan.mode is Mode.KEYWORD:
        matches = keyword_candidates(plan.lexical, scopes, MAX_DEPTH, plan.facet_values)
    encoded = plan.encoded()  # here, for no stage is charged with the wait
    depths = [_semantic_depth(plan, worded) for worded in matches]
    neighbours = _semantic_candidates(plan, encoded, scopes, matches, depths)
    scores = _both_scores(plan, encoded, matches, neighbours)
    return [_union(*found, *scores) for found in zip(matches, neighbours, depths, strict=True)]


def _union(
    matches: Matches, neighbours: Neighbours, depth: int, near: Neighbours, worded: Matches
) -> Candidates:
    """What both legs found in one scope. `near` and `worded` have the scores of these products, and of others."""
    meant = _without(neighbours.product_ids, matches.product_ids)
    product_ids = np.concatenate([matches.product_ids, meant])
    of_near = fusion.places(product_ids, near.product_ids)
    return Candidates(
        product_ids=product_ids,
        bm25=np.concatenate([matches.bm25, fusion.aligned(meant, worded.product_ids, worded.bm25, 0.0)]),
        cosine=fusion.taken(near.cosines, of_near, np.nan),
        category_ids=fusion.taken(near.category_ids, of_near, 0),
        is_exact=np.concatenate([matches.is_exact, np.zeros(len(meant), dtype=np.bool_)]),
        semantic_order=neighbours.product_ids,
        keyword_order=matches.product_ids,
        keyword_is_complete=matches.is_complete,
        semantic_edge=neighbours.product_ids[-1] if len(neighbours) == depth else None,
    )


@stage("scores")
def _both_scores(
    plan: Plan, encoded: Encoded, matches: Sequence[Matches], neighbours: Sequence[Neighbours]
) -> tuple[Neighbours, Matches]:
    """What is known of the meaning and of the words of candidates; in a hybrid search, of all of them."""
    worded = reduce(add, matches)
    near = reduce(add, neighbours)
    if plan.mode is not Mode.HYBRID or encoded is None:
        return near, worded
    without_cosine = _each_once(_without(worded.product_ids, near.product_ids), matches)
    without_bm25 = _each_once(_without(near.product_ids, worded.product_ids), neighbours)
    similarities = Similarities(*encoded, without_cosine)
    words = keyword_scores_of(plan.lexical, without_bm25, plan.facet_values)
    *cosines, (found, bm25, *learned) = fetch_together([*similarities.selects, words], is_prepared=True)
    plan.facet_values.learn(found, learned)
    return near + similarities.found(cosines), worded + as_matches(found, bm25)


def _each_once(product_ids: Ids, lists: Sequence[Any]) -> Ids:
    """Products that came from several lists may be there several times."""
    if len(lists) == 1:
        return product_ids
    return product_ids[fusion.places(product_ids, product_ids) == np.arange(len(product_ids))]


def _without(product_ids: Ids, others: Ids) -> Ids:
    return product_ids[fusion.places(product_ids, others) < 0]


def _semantic_depth(plan: Plan, worded: Matches) -> int:
    """How many products of a scope meaning brings: fewer where words bring some, and half of them at least.

    Ranks know no cut-off, and what is far down in one leg would be missing in their sum.
    """
    depth = min(plan.configuration.semantic_depth, MAX_DEPTH)
    if plan.mode is Mode.HYBRID and plan.configuration.fusion is Fusion.CONVEX:
        return max(math.ceil(LEAST_OF_DEPTH * depth), depth - len(worded))
    return depth


def _are_enough(plan: Plan, worded: Matches) -> bool:
    """Whether words bring as many candidates as meaning does where they bring none."""
    configuration = plan.configuration
    is_fused = plan.mode is Mode.HYBRID and configuration.fusion is Fusion.CONVEX
    return is_fused and len(worded) >= configuration.semantic_depth


def _semantic_candidates(
    plan: Plan, encoded: Encoded, scopes: Sequence[Scope], matches: Sequence[Matches], depths: Sequence[int]
) -> list[Neighbours]:
    """What is near enough in meaning. A part number that the catalogue has means nothing but itself."""
    found = dict.fromkeys(scopes, NOBODY)
    floor = plan.configuration.semantic_floor
    limits = {
        scope: depth
        for scope, worded, depth in zip(scopes, matches, depths, strict=True)
        if not (plan.mode is Mode.HYBRID and len(worded) and plan.lexical.is_part_number)
    }
    if encoded is not None:
        phrases, exclusions = plan.lexical.required("x"), plan.lexical.refused("x")
        # Where words bring enough, what is near is among them, whichever way the graph leads.
        worded_well = {
            scope for scope, worded in zip(scopes, matches, strict=True) if _are_enough(plan, worded)
        }
        found |= nearest_in_each(
            *encoded, limits, exclusions, required=phrases, floor=floor, believed=worded_well
        )
    return [near.first(int(np.count_nonzero(near.cosines >= floor))) for near in found.values()]


@stage("fusion")
def _fuse(plan: Plan, found: Candidates, semantic: Scores, keyword: Scores) -> Scores:
    if plan.mode is Mode.KEYWORD:
        return keyword
    if plan.mode is Mode.SEMANTIC:
        return np.nan_to_num(semantic)
    if plan.configuration.fusion is Fusion.RRF:
        orders = (found.semantic_order, found.keyword_order)
        return fusion.reciprocal_rank([fusion.ranks(found.product_ids, order) for order in orders])
    configuration = plan.configuration
    fused = fusion.hybrid(semantic, keyword, configuration.semantic_weight, configuration.semantic_floor)
    return fusion.with_category_prior(fused, found.category_ids, configuration.category_weight)


@stage("fusion")
def _order(plan: Plan, found: Candidates, scores: Scores) -> npt.NDArray[np.intp]:
    """Places of the products that stay, best first; of equals the newer product.

    What one of several words names exactly says nothing of how good the answers to all of them are.
    """
    # Reciprocal ranks say nothing of how good a hit is, so no share of the best one is a limit.
    by_rank = plan.mode is Mode.HYBRID and plan.configuration.fusion is Fusion.RRF
    relative = 0.0 if by_rank else plan.configuration.cutoff
    measure = scores if plan.lexical.is_one_word else scores[~found.is_exact]
    stays = np.flatnonzero(fusion.cut(scores, relative, plan.min_score, measure))
    return stays[np.lexsort((-found.product_ids[stays], -scores[stays]))][:MAX_DEPTH]
