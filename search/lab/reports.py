"""What an evaluation says: figures with intervals, differences, and the queries where variants differ most."""

from collections.abc import Iterable, Sequence
from typing import Any

from search import relevance
from search.evaluation import Evaluated, compare
from search.lab.models import EvaluatedQuery, EvaluationRun

NAMES = "AB"
SHOWN_QUERIES = 25
MEASURE = "ndcg@10"
# Smaller differences are rounding.
TIE = 1e-9


def evaluated(run: EvaluationRun, queries: Iterable[EvaluatedQuery]) -> dict[str, Evaluated]:
    """What was measured, by the variant's name."""
    done = list(queries)
    return {
        name: Evaluated([one.query for one in done], [(one.measured or [])[place] for one in done])
        for place, name in enumerate(NAMES[: len(run.variants)])
    }


def report(run: EvaluationRun, queries: Iterable[EvaluatedQuery]) -> dict[str, Any]:
    """The whole report, as JSON."""
    results = evaluated(run, queries)
    first = results["A"]
    return {
        "queries": len(first.queries),
        "figures": [figures(name, one, with_intervals=True) for name, one in results.items()],
        "comparisons": compare(results, against="B", measures=list(relevance.MEASURES)),
        **(_differences(results) if "B" in results else {"weakest": _weakest(first)}),
    }


def figures(name: str, one: Evaluated, with_intervals: bool = False) -> dict[str, Any]:
    """One variant's means, by measure; with the bootstrap interval of each where that is asked."""
    cells = []
    for measure, mean in relevance.mean(one.by_query).items():
        cell: dict[str, Any] = {"measure": measure, "mean": mean}
        if with_intervals:
            cell["low"], cell["high"] = relevance.interval(one.column(measure))
        cells.append(cell)
    return {"name": name, "cells": cells}


def _differences(results: dict[str, Evaluated]) -> dict[str, Any]:
    """Where B is better than A, and where it is worse, the greatest difference first."""
    columns = [results[name].column(measure) for measure in (MEASURE, f"{MEASURE}_judged") for name in NAMES]
    rows = [_row(*values) for values in zip(results["A"].queries, *columns, strict=True)]
    rows.sort(key=lambda row: row["gain"])
    won = [row for row in reversed(rows) if row["gain"] > TIE]
    lost = [row for row in rows if row["gain"] < -TIE]
    return {
        "winners": won[:SHOWN_QUERIES],
        "losers": lost[:SHOWN_QUERIES],
        "won": len(won),
        "lost": len(lost),
        "tied": len(rows) - len(won) - len(lost),
    }


def _row(query: str, a: float, b: float, a_judged: float, b_judged: float) -> dict[str, Any]:
    return {"query": query, "a": a, "b": b, "gain": b - a, "a_judged": a_judged, "b_judged": b_judged}


def _weakest(one: Evaluated) -> list[dict[str, Any]]:
    rows: Sequence[tuple[str, dict[str, float]]] = sorted(
        zip(one.queries, one.by_query, strict=True), key=lambda row: row[1][MEASURE]
    )
    return [
        {"query": query, "a": measured[MEASURE], "a_judged": measured[f"{MEASURE}_judged"]}
        for query, measured in rows[:SHOWN_QUERIES]
    ]
