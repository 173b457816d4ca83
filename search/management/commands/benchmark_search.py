"""`manage.py benchmark_search`."""

import tempfile
from itertools import islice
from pathlib import Path

from django.core.management.base import BaseCommand

from search.benchmarks import catalogue, lance, retrieval, scratch, workload


class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("--products", type=int, default=20000)
        parser.add_argument("--encode", type=int, default=20000)
        parser.add_argument("--queries", type=int, default=40)
        parser.add_argument("--scratch", default=scratch.DEFAULT_NAME)
        parser.add_argument("--keep", action="store_true")

    def handle(self, *args, **options):
        with scratch.database(options["scratch"], options["keep"]):
            model = catalogue.prepare(options["products"], options["encode"], lambda t: self.stderr.write(t))
            rows = workload.read_rows(model)
            queries = list(islice(workload.queries(7), 600))
            with tempfile.TemporaryDirectory() as folder:
                other = lance.Lance(Path(folder), rows) if lance.is_installed() else None
                for one in workload.filters(rows):
                    (r,) = retrieval.compare(
                        model, rows, [one], queries, retrieval.contestants(model, other), options["queries"]
                    )
                    print(r, flush=True)
