"""`manage.py tune_search`: which weights suit this catalogue's judgments."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django_rich.management import RichCommand

from search import encoding
from search.configuration import RankingConfiguration
from search.evaluation import JudgmentsError, read_judgments
from search.exceptions import EncodingUnavailableError
from search.tuning import FOLDS, gather, tune


class Command(RichCommand):
    """Search a grid of weights with cross-validation and print what to set; nothing is changed."""

    help = "Find the weights of hybrid search on a CSV file of judgments (query, sku, grade)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See BaseCommand."""
        parser.add_argument("--judgments", type=Path, required=True, metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        """See BaseCommand."""
        try:
            judgments = read_judgments(options["judgments"])
            encoding.warm_up()
        except (JudgmentsError, EncodingUnavailableError) as error:
            raise CommandError(str(error)) from error
        if not judgments:
            raise CommandError(f"{options['judgments']} names no query with a relevant product.")
        tuned = tune(gather(judgments))
        now = RankingConfiguration.from_settings()
        self.stdout.write(f"{len(judgments)} queries, {FOLDS} folds. nDCG@10 / over judged products alone:")
        self.stdout.write(f"  best on all queries   {tuned.figures[0]:.3f} / {tuned.figures[1]:.3f}")
        self.stdout.write(f"  on queries held out   {tuned.held_out[0]:.3f} / {tuned.held_out[1]:.3f}")
        for fold, chosen in enumerate(tuned.by_fold, start=1):
            self.stdout.write(
                f"  fold {fold} chose semantic {chosen.semantic_weight}, category {chosen.category_weight}"
            )
        self.stdout.write(f"SEARCH_SEMANTIC_WEIGHT={tuned.best.semantic_weight} (now {now.semantic_weight})")
        self.stdout.write(f"SEARCH_CATEGORY_WEIGHT={tuned.best.category_weight} (now {now.category_weight})")
