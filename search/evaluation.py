"""Runs judged queries through the engine and measures what comes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.models import Product
from search import judgments as tables
from search import relevance
from search.engine import ranking_of
from search.judgments import Judgments, JudgmentsError
from search.query import Fusion, Mode, SearchQuery

__all__ = ["Judgments", "JudgmentsError", "compare", "evaluate", "measured", "read_judgments"]

# Of a bad file so many lines are named in one message.
SHOWN_PROBLEMS = 20
NDCGS = ("ndcg@10", "ndcg@10_judged")

# What is compared: the three modes of a search, and rank fusion beside the convex one.
MODES = {
    "hybrid": (Mode.HYBRID, Fusion.CONVEX),
    "rrf": (Mode.HYBRID, Fusion.RRF),
    "semantic": (Mode.SEMANTIC, None),
    "keyword": (Mode.KEYWORD, None),
}


@dataclass(frozen=True)
class Evaluated:
    """One mode over all queries; `by_query` runs in the order of `queries`."""

    queries: list[str]
    by_query: list[dict[str, float]]

    def figures(self) -> dict[str, float | int]:
        """Means over the queries, and how many there were."""
        return {**relevance.mean(self.by_query), "queries": len(self.queries)}

    def column(self, measure: str) -> list[float]:
        """One measure, query by query."""
        return [one[measure] for one in self.by_query]


def read_judgments(path: Path) -> Judgments:
    """Read `query,sku,grade` lines. Queries without any relevant product are left out, for nothing can be right.

    Raises JudgmentsError naming the lines that are wrong.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = tables.read(file)
    except (OSError, UnicodeDecodeError) as error:
        raise JudgmentsError(f"{path} cannot be read: {error}.") from error
    except JudgmentsError as error:
        raise JudgmentsError(f"{path}: {error}.") from error
    if table.problems:
        shown = " ".join(table.problems[:SHOWN_PROBLEMS])
        others = len(table.problems) - SHOWN_PROBLEMS
        raise JudgmentsError(f"{path}, {shown}" + (f" And {others:,} lines more." if others > 0 else ""))
    return tables.measurable(tables.by_query(table.rows))


def measured(query: SearchQuery, judged: Mapping[str, int]) -> dict[str, float]:
    """All measures of one search. Raises SearchError where it cannot be answered as asked."""
    ids = ranking_of(query).product_ids
    skus = dict(Product.objects.filter(pk__in=ids).values_list("pk", "sku"))
    return relevance.measure([skus[pk] for pk in ids if pk in skus], judged)


def evaluate(mode: str, judgments: Judgments) -> Evaluated:
    """Measure one of MODES on judged queries. Raises SearchError where one cannot be answered as asked."""
    kind, fusion = MODES[mode]
    return Evaluated(
        list(judgments),
        [
            measured(SearchQuery(query, mode=kind, fusion=fusion, rules=False), judged)
            for query, judged in judgments.items()
        ],
    )


def compare(
    evaluated: Mapping[str, Evaluated], against: str = "hybrid", measures: Sequence[str] = NDCGS
) -> list[dict[str, object]]:
    """How one mode differs from each other one: mean, 95 % interval, queries won and lost."""
    rows: list[dict[str, object]] = []
    for other in evaluated:
        if other == against or against not in evaluated:
            continue
        for measure in measures:
            ours, theirs = evaluated[against].column(measure), evaluated[other].column(measure)
            low, high = relevance.paired_interval(ours, theirs)
            gains = [a - b for a, b in zip(ours, theirs, strict=True)]
            rows.append(
                {
                    "mode": against,
                    "against": other,
                    "measure": measure,
                    "difference": sum(gains) / len(gains) if gains else 0.0,
                    "low": low,
                    "high": high,
                    "wins": sum(gain > 1e-9 for gain in gains),
                    "losses": sum(gain < -1e-9 for gain in gains),
                }
            )
    return rows
