"""`manage.py embedding_worker`: turns products into vectors, for as long as it runs."""

import logging
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from embeddings import worker

logger = logging.getLogger("nearshelf.embeddings")


class Command(BaseCommand):
    """Run a worker. Run as many as you like, on as many machines as you like."""

    help = (
        "Embed products as they are saved. Answers RQ jobs and, every few seconds, looks for work in PostgreSQL "
        "by itself, so that nothing is lost when Redis is. Stops after the current batch on SIGTERM."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See BaseCommand."""
        parser.add_argument("--burst", action="store_true", help="stop when nothing is due")

    def handle(self, *args: Any, **options: Any) -> None:
        """See BaseCommand."""
        logger.info("The embedding worker starts.")
        worker.run(burst=options["burst"])
        logger.info("The embedding worker has stopped.")
