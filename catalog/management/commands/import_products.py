"""Import a catalogue file."""

import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError
from django_rich.management import RichCommand
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from catalog.disk_order import order_by_category
from catalog.exceptions import ImportFileError, OrderingError
from catalog.importer import BadRow, CatalogueImport, ImportReport
from catalog.readers import FORMATS, Source, open_source
from catalog.rows import ignored_text
from catalog.texts import printable

# Without a terminal, how often a line tells of the progress.
PLAIN_PROGRESS_S = 5.0
# From so many products on, their order on disk is felt.
WORTH_ORDERING = 1_000


class Command(RichCommand):
    """Read a file, write its products, report."""

    help = (
        "Import products from a JSON list, JSON lines or CSV file, gzipped or not. Products are matched by SKU; "
        "fields that a row does not name keep their value. Exits 1 if any row was bad; good rows are kept."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file and what to do with it."""
        parser.add_argument("file", help="the file, or - for standard input")
        parser.add_argument("--format", choices=sorted(FORMATS), help="if the file's name does not tell")
        parser.add_argument("--dry-run", action="store_true", help="report, but write nothing")
        parser.add_argument(
            "--deactivate-missing",
            action="store_true",
            help="deactivate products that the file does not name; not done if any row was bad",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Import the file. Raises CommandError (exit 1) if any row was bad or the file cannot be read."""
        started = time.monotonic()
        try:
            with open_source(options["file"], FORMATS.get(options["format"] or "")) as source:
                self.run(source, started, options)
        except ImportFileError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as error:
            raise CommandError(
                "Stopped. What was imported so far stays; run it again to import the rest.", returncode=130
            ) from error

    def run(self, source: Source, started: float, options: dict[str, Any]) -> None:
        """Import an open source and report on it."""
        with self.progress(source) as tell:
            run = CatalogueImport(dry_run=options["dry_run"], on_bad_row=self.print_bad_row, on_batch=tell)
            run.run(source)
        refusal = ""
        if options["deactivate_missing"]:
            try:
                run.deactivate_missing()
            except ImportFileError as error:
                refusal = str(error)
        if run.is_first and run.report.created >= WORTH_ORDERING and not options["dry_run"]:
            self.order()
        self.summarise(run.report, time.monotonic() - started, dry_run=options["dry_run"])
        if refusal:
            raise CommandError(refusal)
        if run.report.bad:
            raise CommandError(
                f"{_counted(run.report.bad, 'row')} could not be imported; the reasons stand above. "
                "Correct them and import the file again: rows that are in already are left as they are."
            )

    def order(self) -> None:
        """Put the first products in the order of their categories, while nobody searches them yet."""
        try:
            order_by_category()
        except OrderingError:
            self.line(
                "To make searches for words faster, run `python manage.py order_catalogue` at a quiet hour."
            )

    def print_bad_row(self, row: BadRow) -> None:
        """Name one bad row."""
        sku = f", sku {printable(row.sku, 64)}" if row.sku else ""
        self.line(f"{row.place}{sku}: {printable(row.reason, 500)}")

    def line(self, text: str) -> None:
        """Print a line as it is: never wrapped, nothing in it taken for markup."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def progress(self, source: Source) -> Iterator[Callable[[ImportReport], None]]:
        """Show how far the file is read; yield what is to be called after each batch."""
        if not self.console.is_terminal:
            yield self.plain_progress(source)
            return
        columns = (
            TextColumn("Importing"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]:,} rows"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console) as bar:
            task = bar.add_task("", total=source.size, rows=0)
            yield lambda report: bar.update(task, completed=source.position(), rows=report.read)

    def plain_progress(self, source: Source) -> Callable[[ImportReport], None]:
        """Return what prints a line now and then."""
        last = time.monotonic()

        def tell(report: ImportReport) -> None:
            nonlocal last
            if time.monotonic() - last >= PLAIN_PROGRESS_S:
                last = time.monotonic()
                share = f", {source.position() / source.size:.0%} of the file" if source.size else ""
                self.line(f"{report.read:,} rows{share}")

        return tell

    def summarise(self, report: ImportReport, seconds: float, *, dry_run: bool) -> None:
        """Print what was done and what comes next."""
        table = Table(title="Dry run: nothing was written" if dry_run else "Import", title_justify="left")
        table.add_column("")
        table.add_column("", justify="right")
        table.show_header = False
        counts = {
            "Rows read": report.read,
            "Created": report.created,
            "Updated": report.updated,
            "Unchanged": report.unchanged,
            "Bad": report.bad,
            "Deactivated": report.deactivated,
            "Categories created": report.categories_created,
        }
        for name, count in counts.items():
            table.add_row(name, f"{count:,}")
        table.add_row("Seconds", f"{seconds:.1f}")
        self.console.print(table)
        if report.ignored_fields:
            self.line(ignored_text(report.ignored_fields))
        if not dry_run and report.created + report.updated + report.deactivated:
            self.line(
                "Next: a running embedding worker is at the new texts already; "
                "without one, run `python manage.py backfill_embeddings`."
            )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
