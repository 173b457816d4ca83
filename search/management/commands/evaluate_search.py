"""`manage.py evaluate_search`: how good are the answers, by human judgments."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django_rich.management import RichCommand
from rich.table import Table

from search import encoding, relevance
from search.evaluation import MODES, Evaluated, compare, evaluate, read_judgments
from search.exceptions import SearchError

SHOWN_QUERIES = 10


class Command(RichCommand):
    """Measure each mode on a file of judgments, and compare them query by query."""

    help = "Measure search against human judgments: a CSV file with the columns query, sku and grade."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See BaseCommand."""
        parser.add_argument("--judgments", type=Path, required=True, metavar="FILE")
        parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES))
        parser.add_argument("--json", action="store_true", help="machine-readable")

    def handle(self, *args: Any, **options: Any) -> None:
        """See BaseCommand."""
        try:
            judgments = read_judgments(options["judgments"])
            if not judgments:
                raise CommandError(f"{options['judgments']} names no query with a relevant product.")
            if set(options["modes"]) != {"keyword"}:
                encoding.warm_up()
            evaluated = {mode: evaluate(mode, judgments) for mode in dict.fromkeys(options["modes"])}
        except SearchError as error:
            raise CommandError(str(error)) from error
        comparisons = compare(evaluated)
        if options["json"]:
            modes = {mode: figures.figures() for mode, figures in evaluated.items()}
            self.stdout.write(json.dumps({"modes": modes, "comparisons": comparisons}, indent=2))
            return
        self._figures(evaluated)
        self._comparisons(comparisons)
        self._worst(evaluated)

    def _figures(self, evaluated: dict[str, Evaluated]) -> None:
        figures = {mode: result.figures() for mode, result in evaluated.items()}
        queries = max(int(one["queries"]) for one in figures.values())  # the same ones in each mode
        table = Table(title=f"Relevance over {queries} queries")
        table.add_column("Mode")
        for measure in relevance.MEASURES:
            table.add_column(measure, justify="right")
        for mode, one in figures.items():
            table.add_row(mode, *(f"{one[measure]:.3f}" for measure in relevance.MEASURES))
        self.console.print(table)

    def _comparisons(self, comparisons: list[dict[str, Any]]) -> None:
        if not comparisons:
            return
        table = Table(title="Hybrid against the others, 95 % paired bootstrap interval")
        for heading in ("Against", "Measure", "Difference", "Interval", "Wins", "Losses"):
            table.add_column(heading, justify="left" if heading in ("Against", "Measure") else "right")
        for row in comparisons:
            table.add_row(
                row["against"],
                row["measure"],
                f"{row['difference']:+.3f}",
                f"{row['low']:+.3f} to {row['high']:+.3f}",
                str(row["wins"]),
                str(row["losses"]),
            )
        self.console.print(table)

    def _worst(self, evaluated: dict[str, Evaluated]) -> None:
        mode, result = next(iter(evaluated.items()))
        by_query = zip(result.queries, result.by_query, strict=True)
        worst = sorted(by_query, key=lambda one: one[1]["ndcg@10_judged"] + one[1]["ndcg@10"])[:SHOWN_QUERIES]
        table = Table(title=f"Where {mode} is weakest")
        for heading in ("Query", "ndcg@10", "ndcg@10_judged"):
            table.add_column(heading, justify="left" if heading == "Query" else "right")
        for query, measured in worst:
            table.add_row(query, f"{measured['ndcg@10']:.2f}", f"{measured['ndcg@10_judged']:.2f}")
        self.console.print(table)
