"""`manage.py benchmark_admin`: how long each page of the admin takes on the catalogue that is there."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError
from django_rich.management import RichCommand

from search.benchmarks import admin_pages


class Command(RichCommand):
    """Ask for every page, print a table."""

    help = (
        "Ask for every page of the admin three times as a superuser, on what is in the database, and print the "
        "number of queries and the best time as a table in Markdown. Nothing is changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See BaseCommand."""
        parser.add_argument("--user", metavar="NAME", help="the superuser (default: the first)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure."""
        superusers = User.objects.filter(is_superuser=True, is_active=True).order_by("pk")
        if options["user"]:
            superusers = superusers.filter(username=options["user"])
        user = superusers.first()
        if user is None:
            raise CommandError("There is no such superuser. Make one with `manage.py createsuperuser`.")
        self.stdout.write("| page | queries | best, ms |\n|---|---|---|")
        for timing in admin_pages.measure(user):
            if timing.status >= 500:
                raise CommandError(f"{timing.page.address} answered {timing.status}.")
            if timing.status == 200:
                self.stdout.write(f"| {timing.page.name} | {timing.queries} | {timing.best_ms:.0f} |")
