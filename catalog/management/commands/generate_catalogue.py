"""Fill the catalogue with made-up products, for benchmarks."""

import json
import time
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django_rich.management import RichCommand
from rich.progress import Progress

from catalog.models import Product
from catalog.signals import products_changed
from catalog.synthetic import generate, generated_sku
from catalog.tree import CategoryTree

COLUMNS = (
    "sku",
    "name",
    "brand",
    "short_description",
    "description",
    "category_id",
    "price",
    "currency",
    "attributes",
)


def positive(text: str) -> int:
    """Return a whole number above zero. Raises ArgumentTypeError for anything else."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ArgumentTypeError(f"{text} is not a whole number above zero")
    return number


class Command(RichCommand):
    """Make what is missing of N products."""

    help = (
        "Make N varied products with the SKUs GEN-000001 and so on, the same for the same seed. "
        "Those that exist are left as they are, so running it again continues."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take how many products, and of what kind."""
        parser.add_argument("--count", type=positive, required=True, help="how many products there shall be")
        parser.add_argument(
            "--seed", type=int, default=1, help="another seed makes other products (default 1)"
        )
        parser.add_argument("--batch-size", type=positive, default=2000, help="products in one transaction")
        parser.add_argument("--with-prices", action=BooleanOptionalAction, default=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the products."""
        started = time.monotonic()
        made = 0
        with Progress(console=self.console, disable=not self.console.is_terminal) as bar:
            task = bar.add_task("Generating", total=options["count"])
            for first in range(1, options["count"] + 1, options["batch_size"]):
                numbers = range(first, min(first + options["batch_size"], options["count"] + 1))
                made += make(numbers, options["seed"], with_price=options["with_prices"])
                bar.update(task, completed=numbers.stop - 1)
        with connection.cursor() as cursor:
            # The planner's figures are wrong after a bulk load until autovacuum comes by.
            cursor.execute(f"ANALYZE {Product._meta.db_table}")
        seconds = time.monotonic() - started
        self.console.print(
            f"{made:,} products made in {seconds:.1f} s, {options['count'] - made:,} were there already.",
            highlight=False,
        )


@transaction.atomic
def make(numbers: range, seed: int, *, with_price: bool) -> int:
    """Make the products with these numbers that do not exist; return how many."""
    existing = set(
        Product.objects.filter(sku__in=map(generated_sku, numbers)).order_by().values_list("sku", flat=True)
    )
    missing = [number for number in numbers if generated_sku(number) not in existing]
    if not missing:
        return 0
    # Categories first: a connection that copies can do nothing else meanwhile.
    rows = _rows(missing, seed, with_price=with_price)
    with connection.cursor() as cursor:
        # Whoever works on changed products lets these wait behind what people edit.
        cursor.execute("SELECT set_config('nearshelf.priority', '1', true)")
        with cursor.copy(f"COPY {Product._meta.db_table} ({', '.join(COLUMNS)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row([row[column] for column in COLUMNS])
    transaction.on_commit(partial(products_changed.send_robust, sender=Product, count=len(missing)))
    return len(missing)


def _rows(numbers: list[int], seed: int, *, with_price: bool) -> list[dict[str, Any]]:
    """Return the products as the table's columns have them."""
    tree = CategoryTree()
    rows = []
    for number in numbers:
        row = generate(number, seed, with_price=with_price)
        row["category_id"] = tree.resolve(row.pop("category"))
        row["currency"] = settings.DEFAULT_CURRENCY
        row["attributes"] = json.dumps(row["attributes"])
        rows.append(row)
    return rows
