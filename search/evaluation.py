"""Runs judged queries through the engine and measures what comes out."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.models import Product
from search import relevance
from search.engine import ranking_of
from search.exceptions import SearchError
from search.query import Fusion, Mode, SearchQuery

# What is compared: the three modes of a search, and rank fusion beside the convex one.
MODES = {
    "hybrid": (Mode.HYBRID, Fusion.CONVEX),
    "rrf": (Mode.HYBRID, Fusion.RRF),
    "semantic": (Mode.SEMANTIC, None),
    "keyword": (Mode.KEYWORD, None),
}

Judgments = dict[str, dict[str, int]]


class JudgmentsError(SearchError):
    """The file of judgments cannot be read."""


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

    Raises JudgmentsError naming the line.
    """
    judgments: Judgments = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := {"query", "sku", "grade"} - set(reader.fieldnames or ()):
                raise JudgmentsError(f"{path} has no column {', '.join(sorted(missing))}.")
            for row in reader:
                judgments.setdefault(row["query"], {})[row["sku"]] = _grade(
                    row["grade"], path, reader.line_num
                )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise JudgmentsError(f"{path} cannot be read: {error}.") from error
    return {
        query: grades for query, grades in judgments.items() if max(grades.values()) >= relevance.RELEVANT
    }


def _grade(text: str | None, path: Path, line: int) -> int:
    if text is None or not text.strip().isdigit():
        raise JudgmentsError(f"{path}, line {line}: the grade must be a whole number from 0, not {text!r}.")
    return int(text)


def evaluate(mode: str, judgments: Judgments) -> Evaluated:
    """Measure one of MODES on judged queries."""
    kind, fusion = MODES[mode]
    queries = list(judgments)
    rankings = [
        ranking_of(SearchQuery(query, mode=kind, fusion=fusion, rules=False)).product_ids for query in queries
    ]
    skus = _skus(rankings)
    return Evaluated(
        queries,
        [
            relevance.measure([skus[pk] for pk in ranking if pk in skus], judgments[query])
            for query, ranking in zip(queries, rankings, strict=True)
        ],
    )


def _skus(rankings: Sequence[Iterable[int]]) -> dict[int, str]:
    ids = {pk for ranking in rankings for pk in ranking}
    return dict(Product.objects.filter(pk__in=ids).values_list("pk", "sku"))


def compare(evaluated: Mapping[str, Evaluated], against: str = "hybrid") -> list[dict[str, object]]:
    """How one mode differs from each other one, on both nDCGs: mean, 95 % interval, queries won and lost."""
    rows: list[dict[str, object]] = []
    for other in evaluated:
        if other == against or against not in evaluated:
            continue
        for measure in ("ndcg@10", "ndcg@10_judged"):
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
