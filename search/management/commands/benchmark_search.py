"""`manage.py benchmark_search`: how fast and how right search is, on a made-up catalogue of any size."""

import json
import os
import random
import tempfile
from argparse import ArgumentParser
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django_rich.management import RichCommand

from catalog.models import Category, Product
from embeddings.models import EmbeddingModel
from search.benchmarks import catalogue, lance, report, retrieval, scratch, search_log, stages, web, workload
from search.benchmarks.exceptions import BenchmarkError

CLIENTS = (1, 8)
# Queries to choose from; a filter takes those that fit it.
QUERY_POOL = 1_000


class Command(RichCommand):
    """Make a catalogue in a database of its own, measure, and drop it."""

    help = (
        "Measure search on a made-up catalogue: recall and latency under filters, beside plain pgvector and, where "
        "it is installed, LanceDB; and requests over HTTP. It works in a scratch database, which it drops afterwards."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See BaseCommand."""
        parser.add_argument("--products", type=int, default=20_000, metavar="N", help="size (default 20000)")
        parser.add_argument(
            "--encode",
            type=int,
            default=20_000,
            metavar="N",
            help="products whose texts are really encoded (default 20000); others get perturbed copies",
        )
        parser.add_argument(
            "--queries", type=int, default=40, metavar="N", help="for each filter (default 40; 0: none)"
        )
        parser.add_argument(
            "--requests",
            type=int,
            default=300,
            metavar="N",
            help="for each endpoint, and for the search log (default 300; 0: no HTTP)",
        )
        parser.add_argument("--workers", type=int, help="web processes (default: as gunicorn.conf.py says)")
        parser.add_argument("--threads", type=int, help="threads of each web process (default: as it says)")
        parser.add_argument(
            "--scratch", default=scratch.DEFAULT_NAME, metavar="NAME", help="scratch database"
        )
        parser.add_argument(
            "--keep", action="store_true", help="keep the scratch database for the next benchmark"
        )
        parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the comparison as SVG")
        parser.add_argument("--json", action="store_true", help="machine-readable")

    def handle(self, *args: Any, **options: Any) -> None:
        """See BaseCommand."""
        try:
            with scratch.database(options["scratch"], options["keep"]):
                model = catalogue.prepare(options["products"], options["encode"], self._say)
                measured = {
                    "machine": report.machine(),
                    "products": options["products"],
                    "encoded": min(options["encode"], options["products"]),
                    "semantic": self._semantic(model, options["queries"]),
                    "http": self._http(options),
                    "stages": stages.measure(options["requests"]),
                    "search_log": search_log.measure(options["requests"]),
                }
        except BenchmarkError as error:
            raise CommandError(str(error)) from error
        if options["plot"]:
            options["plot"].write_text(report.plot(measured))
        if options["json"]:
            self.stdout.write(json.dumps(measured, indent=2))
        else:
            report.show(self.console, measured)

    def _say(self, text: str) -> None:
        """Progress, beside what is measured."""
        self.stderr.write(text)

    def _semantic(self, model: EmbeddingModel, count: int) -> list[dict[str, Any]]:
        if not count:
            return []
        rows = workload.read_rows(model)
        queries = list(islice(workload.queries(seed=1), QUERY_POOL))
        with tempfile.TemporaryDirectory() as folder:
            other = None
            if lance.is_installed():
                self._say("Building LanceDB's indexes.")
                other = lance.Lance(Path(folder), rows)
            self._say("Searching under filters.")
            finds = retrieval.contestants(model, other)
            return retrieval.compare(model, rows, workload.filters(rows), queries, finds, count)

    def _http(self, options: dict[str, Any]) -> dict[str, Any]:
        """Each run asks other queries than the last one: Redis may still know those."""
        if not options["requests"]:
            return {}
        texts = (query.text for query in workload.queries(int.from_bytes(os.urandom(4))))
        skus = list(Product.objects.order_by("pk").values_list("sku", flat=True))
        slugs = list(Category.objects.order_by("path").values_list("slug", flat=True))
        endpoints = web.endpoints(texts, _endless(workload.common_words()), _endless(skus), _endless(slugs))
        figures = {}
        with web.server(options["workers"], options["threads"]) as port:
            for clients in CLIENTS:
                self._say(f"Asking over HTTP with {clients} client(s).")
                figures[f"clients_{clients}"] = web.measure(port, endpoints, clients, options["requests"])
        return figures


def _endless(values: list[str]) -> Any:
    return (random.choice(values) for _ in iter(int, 1))  # noqa: S311 - no secret
