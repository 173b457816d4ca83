"""Chooses the weights of hybrid search on judgments, with cross-validation so that they hold for other queries."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from catalog.models import Product
from search import fusion, relevance
from search.configuration import RankingConfiguration
from search.engine import plan_of
from search.evaluation import Judgments
from search.fusion import Ids, Scores
from search.query import Mode, SearchQuery
from search.ranking import candidates
from search.scope import Scope

SEMANTIC_WEIGHTS = tuple(np.round(np.arange(0.3, 0.95, 0.05), 2).tolist())
CATEGORY_WEIGHTS = (0.0, 0.03, 0.06, 0.1, 0.15)
FOLDS = 5


@dataclass(frozen=True)
class JudgedCandidates:
    """The candidates of one query before fusion, with both scores; arrays run parallel to `skus`."""

    judged: dict[str, int]
    skus: list[str]
    semantic: Scores  # NaN: no vector
    keyword: Scores
    category_ids: Ids

    def figures(self, configuration: RankingConfiguration) -> tuple[float, float]:
        """nDCG@10 and its judged-only form with the weights of a configuration."""
        weight, floor = configuration.semantic_weight, configuration.semantic_floor
        scores = fusion.hybrid(self.semantic, self.keyword, weight, floor)
        scores = fusion.with_category_prior(scores, self.category_ids, configuration.category_weight)
        ranking = [self.skus[place] for place in np.argsort(-scores, kind="stable")]
        return relevance.ndcg(ranking, self.judged), relevance.ndcg_judged(ranking, self.judged)


@dataclass(frozen=True)
class Tuned:
    """What tuning found. Pairs are nDCG@10 and judged-only nDCG@10."""

    best: RankingConfiguration
    figures: tuple[float, float]  # on all queries, with its weights
    held_out: tuple[float, float]  # on queries that had no say in the weights
    by_fold: list[RankingConfiguration]


def grid() -> Iterator[RankingConfiguration]:
    """Every combination that is tried."""
    now = RankingConfiguration.from_settings()
    for semantic, category in product(SEMANTIC_WEIGHTS, CATEGORY_WEIGHTS):
        yield replace(now, semantic_weight=semantic, category_weight=category)


def gather(judgments: Judgments) -> list[JudgedCandidates]:
    """Retrieve the candidates of every judged query once; the grid only fuses them anew."""
    gathered = []
    for query, judged in judgments.items():
        plan = plan_of(SearchQuery(query, mode=Mode.HYBRID, rules=False))
        (found,) = candidates(plan, [Scope()])
        ids = found.product_ids.tolist()
        skus = dict(Product.objects.filter(pk__in=ids).values_list("pk", "sku"))
        keyword = fusion.normalise_keyword(found.bm25, plan.lexical.ceiling)
        gathered.append(
            JudgedCandidates(
                judged=judged,
                skus=[skus.get(pk, "") for pk in ids],
                semantic=fusion.normalise_semantic(found.cosine),
                keyword=keyword,
                category_ids=found.category_ids,
            )
        )
    return gathered


def tune(gathered: Sequence[JudgedCandidates]) -> Tuned:
    """Search the grid for the best sum of both figures, on all queries and on each fold's others."""
    points = list(grid())
    # (points, queries, 2)
    table = np.array([[query.figures(point) for query in gathered] for point in points])
    shuffled = np.random.default_rng(7).permutation(len(gathered))
    held_out, by_fold = np.zeros(2), []
    for fold in range(min(FOLDS, len(gathered))):
        test = shuffled[fold::FOLDS]
        train = np.setdiff1d(shuffled, test)
        best = _best(table[:, train if len(train) else test])
        by_fold.append(points[best])
        held_out += table[best, test].sum(axis=0)
    chosen = _best(table)
    return Tuned(
        best=points[chosen],
        figures=_pair(table[chosen].mean(axis=0)),
        held_out=_pair(held_out / len(gathered)),
        by_fold=by_fold,
    )


def _best(table: Scores) -> int:
    return int(table.mean(axis=1).sum(axis=1).argmax())


def _pair(values: Scores) -> tuple[float, float]:
    return float(values[0]), float(values[1])
