"""`manage.py embedding_status`: how far is it, and what failed."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django_rich.management import RichCommand
from rich.table import Table

from embeddings import status
from embeddings.models import EmbeddingModel, EmbeddingRun


class Command(RichCommand):
    """Print the report as a table or as JSON."""

    help = "Show how many products are searchable by meaning, what waits, what failed, and the indexes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See BaseCommand."""
        parser.add_argument("--json", action="store_true", help="machine-readable")

    def handle(self, *args: Any, **options: Any) -> None:
        """See BaseCommand."""
        try:
            report = status.report()
        except EmbeddingModel.DoesNotExist:
            raise CommandError(
                "No embedding model is active. Choose one with `manage.py embedding_models activate ID`."
            ) from None
        if options["json"]:
            self.stdout.write(json.dumps(report, indent=2, default=str))
            return
        self._table(report)

    def _table(self, report: dict[str, Any]) -> None:
        table = Table(title="Products by embedding status")
        table.add_column("Model")
        table.add_column("State")
        for name in report["counts"]:
            table.add_column(name.capitalize(), justify="right")
        table.add_column("HNSW index")
        for model in report["models"]:
            index = model["index"]
            size = f"valid, {index['size_bytes'] / 2**20:,.1f} MiB"
            health = size if index["valid"] else "invalid" if index["exists"] else "missing"
            figures = [f"{count:,}" for count in model["counts"].values()]
            table.add_row(f"{model['id']} {model['name']}", model["state"], *figures, health)
        self.console.print(table)
        if report["oldest_pending_s"] is not None:
            self.stdout.write(f"The oldest waiting product has waited {report['oldest_pending_s']:,.0f} s.")
        for run in report["runs"]:
            self.stdout.write(self._run_line(run))
        for failure in report["failures"]:
            self.stdout.write(f"Failed ({failure['products']:,} products): {failure['message']}")
        if report["failures"]:
            self.stdout.write("Try them again with `manage.py backfill_embeddings --only-failed`.")

    def _run_line(self, run: dict[str, Any]) -> str:
        """One sentence on a backfill."""
        line = (
            f"Backfill {run['id']} ({run['model']}, by {run['by']}): {run['state']}, {run['done']:,} of "
            f"{run['total']:,} done"
        )
        if run["failed"]:
            line += f", {run['failed']:,} failed"
        if run["eta_s"] is not None:
            line += f", {run['rate']:,.0f}/s, about {run['eta_s']:,.0f} s left"
        if run["state"] == EmbeddingRun.State.STALLED:
            line += ". It noted no progress for a minute; run `manage.py backfill_embeddings` to continue"
        return f"{line}. {run['note']}".rstrip()
