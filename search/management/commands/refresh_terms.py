"""`manage.py refresh_terms`: count the catalogue's words now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from search.terms import refresh_terms, terms_age


class Command(BaseCommand):
    """Refresh what ranking, spelling correction and suggestions know of the catalogue's words."""

    help = "Count the words of the catalogue for ranking, spelling and suggestions. The worker does so by itself."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See BaseCommand."""
        parser.add_argument(
            "--if-changed", action="store_true", help="do nothing where nobody wrote to the catalogue"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """See BaseCommand."""
        counted = refresh_terms(only_if_changed=options["if_changed"])
        if counted is None:
            self.stdout.write(f"Nothing changed since the last count, {terms_age()} ago.")
        else:
            self.stdout.write(f"Counted the words of {counted:,} products.")
