"""`manage.py benchmark_embeddings`: how fast products become vectors on this machine."""

import json
import os
import platform
import subprocess
import sys
from argparse import SUPPRESS, ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django_rich.management import RichCommand
from rich.table import Table

from embeddings import benchmark, scratch

# Given to the process that measures, in the scratch database.
INSIDE = "--inside"


class Command(RichCommand):
    """Measure in a process and a database of their own, report."""

    help = (
        "Measure encoding, the pipeline, save to searchable, price updates and the sweep for work. Works in a "
        "scratch database beside the shop's, with made-up products, and drops it at the end."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See BaseCommand."""
        parser.add_argument("--json", action="store_true", help="machine-readable")
        parser.add_argument(
            "--products", type=int, default=2_000, help="how many products are embedded (2000)"
        )
        parser.add_argument("--rounds", type=int, default=5, help="rounds of each comparison (5)")
        parser.add_argument("--saves", type=int, default=30, help="saves that are followed (30)")
        parser.add_argument("--sweep-rows", type=int, default=100_000, help="rows of the sweep (100000)")

        parser.add_argument(INSIDE, action="store_true", help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        """See BaseCommand."""
        numbers = {name: options[name] for name in ("products", "rounds", "saves", "sweep_rows")}
        words = []
        for name, number in numbers.items():
            option = f"--{name.replace('_', '-')}"
            if number < 1:
                raise CommandError(f"{option} must be 1 or more.")
            words += [option, str(number)]
        if options["inside"]:
            self.stdout.write(json.dumps(benchmark.measure(**numbers)))
            return
        try:
            with scratch.environment() as environment:
                found = self._measure(words, environment)
        except scratch.ScratchError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2))
        else:
            self._table(found)

    def _measure(self, words: list[str], environment: dict[str, str]) -> dict[str, Any]:
        process = subprocess.Popen(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "benchmark_embeddings", INSIDE, *words],
            env=environment,
            stdout=subprocess.PIPE,
        )
        try:
            out, _ = process.communicate()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if process.returncode:
            raise CommandError(
                "The benchmark stopped early; its scratch database is dropped. See above for why."
            )
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
        return found

    def _table(self, found: dict[str, Any]) -> None:
        encode, pipeline, sweep = found["encode"], found["pipeline"], found["sweep"]
        table = Table(
            title=f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
        )
        table.add_column("What")
        table.add_column("Here", justify="right")
        table.add_column("Compared", justify="right")
        rows = (
            (
                "Product texts/s, against SentenceTransformer.encode",
                f"{encode['texts_per_s']:,.0f}",
                f"{encode['baseline_texts_per_s']:,.0f}, "
                f"x {encode['texts_per_s'] / encode['baseline_texts_per_s']:.2f}",
            ),
            (
                "One query, ms",
                f"{encode['query_ms']:.1f}",
                f"{encode['baseline_query_ms']:.1f}, x {encode['query_ms'] / encode['baseline_query_ms']:.2f}",
            ),
            ("Mean cosine with its vectors", f"{encode['mean_cosine']:.4f}", ""),
            (
                "Products/s from waiting to stored, against encoding alone",
                f"{pipeline['products_per_s']:,.0f}",
                f"x {pipeline['ratio']:.2f}",
            ),
            (
                "Save to searchable by meaning, ms, p50 and p95",
                f"{found['save_to_searchable_ms']['p50']:,.0f}",
                f"{found['save_to_searchable_ms']['p95']:,.0f}",
            ),
            (
                "Price updates/s, against no embeddings",
                f"{found['price_updates']['per_s']:,.0f}",
                f"x {found['price_updates']['ratio']:.2f}",
            ),
            (f"Sweep of {sweep['rows']:,} rows with nothing to do, ms", f"{sweep['ms']:.2f}", ""),
            ("Memory of a worker, MiB", f"{found['worker_rss_mib']:,}", ""),
        )
        for row in rows:
            table.add_row(*row)
        self.console.print(table)
