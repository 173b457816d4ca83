"""`manage.py backfill_embeddings`: embed everything that wants it, now."""

import signal
import threading
import time
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import CommandError
from django_rich.management import RichCommand
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from catalog.models import Category
from embeddings import backfill, bell, coverage, outages, runs
from embeddings.exceptions import ModelUnavailableError
from embeddings.models import EmbeddingModel, EmbeddingRun
from embeddings.pipeline import Outcome, Scope

PLAIN_INTERVAL_S = 5.0


class Command(RichCommand):
    """Select the rows, work through them, report."""

    help = (
        "Embed every product whose vector is missing, out of date or failed. Stopping it loses nothing: run it "
        "again and it continues. Exit status 1 when products failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See BaseCommand."""
        parser.add_argument("--model", help="id or name of the model; the active one if not given")
        parser.add_argument("--category", default="", help="slug: only this category and those below it")
        parser.add_argument("--only-failed", action="store_true", help="only products that failed before")
        parser.add_argument("--batch-size", type=int, help="texts per call of the model")
        parser.add_argument("--limit", type=int, help="at most so many products")
        parser.add_argument("--dry-run", action="store_true", help="only say how many products want work")
        parser.add_argument("--via-queue", action="store_true", help="let the running workers do it")

    def handle(self, *args: Any, **options: Any) -> None:
        """See BaseCommand."""
        self._stop = threading.Event()
        model = self._model(options["model"])
        scope = self._scope(options)
        self._check_numbers(options)
        if options["dry_run"]:
            missing = coverage.missing(model)
            wanted = backfill.remaining(model, scope) + (0 if scope.narrow else missing)
            self.stdout.write(
                f"{wanted:,} products would be embedded with {model.name}. Nothing was changed."
            )
            return
        queued = options["via_queue"]
        run = runs.start_run(model, scope, via_queue=queued, limit=options["limit"])
        if not run.total:
            self.stdout.write(f"Every product is embedded with {model.name}. Nothing to do.")
        elif queued:
            self._hand_over(run)
        else:
            outcome, seconds = self._work(run, options)
            self._report(run, outcome, seconds)

    def _model(self, wanted: str | None) -> EmbeddingModel:
        if not wanted:
            try:
                return EmbeddingModel.objects.active()
            except EmbeddingModel.DoesNotExist:
                raise CommandError(
                    "No embedding model is active. Choose one with `manage.py embedding_models activate ID`."
                ) from None
        found = EmbeddingModel.objects.filter(
            **({"pk": int(wanted)} if wanted.isdecimal() else {"name": wanted})
        ).first()
        if found is None:
            names = ", ".join(f"{m.pk} ({m.name})" for m in EmbeddingModel.objects.order_by("pk"))
            raise CommandError(f"There is no embedding model {wanted!r}. There are: {names}.")
        if found.state == EmbeddingModel.State.RETIRED:
            raise CommandError(
                f"The model {found.name} is retired. Bring it back with "
                f"`manage.py embedding_models build {found.pk}` first."
            )
        return found

    def _scope(self, options: dict[str, Any]) -> Scope:
        path = ""
        if slug := options["category"]:
            category = Category.objects.filter(slug=slug).first()
            if category is None:
                raise CommandError(f"There is no category with the slug {slug!r}.")
            path = category.path
        return Scope(category_path=path, only_failed=options["only_failed"])

    def _check_numbers(self, options: dict[str, Any]) -> None:
        for name in ("limit", "batch_size"):
            if options[name] is not None and options[name] < 1:
                raise CommandError(f"--{name.replace('_', '-')} must be 1 or more.")
            if options[name] is not None and options["via_queue"]:
                raise CommandError(f"--{name.replace('_', '-')} has no meaning with --via-queue.")

    def _hand_over(self, run: EmbeddingRun) -> None:
        how = "The workers were told."
        if not bell.ring():
            how = "Redis cannot be reached; the workers will find them by themselves."
        self.stdout.write(
            f"Run {run.pk}: {run.total:,} products are due for {run.model.name}. {how} "
            "Follow them with `manage.py embedding_status`."
        )

    def _work(self, run: EmbeddingRun, options: dict[str, Any]) -> tuple[Outcome, float]:
        """Work with a progress bar; the first Ctrl-C stops after the running batch."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        outcome, started, said = Outcome(), time.monotonic(), time.monotonic()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self.stdout.write(f"Run {run.pk}: {run.total:,} products to embed with {run.model.name}.")
        work = runs.work(run, options["limit"], options["batch_size"], self._stop.is_set)
        try:
            with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as progress:
                task = progress.add_task("Embedding", total=run.total, rate="")
                for batch in work:
                    outcome.add(batch)
                    rate = outcome.claimed / (time.monotonic() - started)
                    progress.update(task, completed=outcome.claimed, rate=f"{rate:,.0f}/s")
                    if not self.console.is_terminal and time.monotonic() - said > PLAIN_INTERVAL_S:
                        said = time.monotonic()
                        left_s = max(run.total - outcome.claimed, 0) / rate
                        self.stdout.write(
                            f"  {outcome.claimed:,} of {run.total:,}, {rate:,.0f}/s, about {left_s:,.0f} s left"
                        )
        except ModelUnavailableError as error:
            raise CommandError(str(error)) from error
        return outcome, time.monotonic() - started

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt
        self._stop.set()
        outages.ending.set()
        self.stdout.write("Stopping after this batch; once more stops at once. Nothing is lost.")

    def _report(self, run: EmbeddingRun, outcome: Outcome, seconds: float) -> None:
        rate = outcome.stored / seconds if seconds else 0.0
        self.stdout.write(
            f"Embedded {outcome.stored:,} products in {seconds:,.1f} s ({rate:,.0f}/s)"
            + (f"; {outcome.moved:,} changed meanwhile and are due again" if outcome.moved else "")
            + "."
        )
        for message, count in sorted(outcome.errors.items(), key=lambda item: -item[1])[:10]:
            self.stderr.write(f"  failed {count:,} times: {message}")
        if run.cancelled_at is not None:
            left = backfill.remaining(run.model, runs.scope_of(run))
            raise CommandError(f"Stopped with {left:,} products left. Run the command again to continue.")
        if outcome.failed:
            raise CommandError(
                f"{outcome.failed:,} attempts failed; they are tried again by the worker, and by "
                "`manage.py backfill_embeddings --only-failed`."
            )
