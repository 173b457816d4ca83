"""Products in the order of their categories on disk."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from catalog.disk_order import order_by_category, orderliness
from catalog.management.commands import import_products
from catalog.models import Category, Product

pytestmark = pytest.mark.django_db


@pytest.fixture
def shuffled() -> None:
    categories = [
        Category.objects.create(name=name, slug=name.lower()) for name in ("Drills", "Saws", "Hammers")
    ]
    Product.objects.bulk_create(
        Product(sku=f"P-{number}", name=f"Thing {number}", category=categories[number % 3])
        for number in range(60)
    )


def in_order() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT category_id FROM catalog_product ORDER BY ctid")
        found = [category for (category,) in cursor.fetchall()]
    return found == sorted(found)


def ordered(*args: str) -> str:
    out = io.StringIO()
    call_command("order_catalogue", *args, stdout=out)
    return out.getvalue()


@contextmanager
def somebody_writes() -> Iterator[None]:
    """Another connection is in the middle of a transaction that wrote a product."""
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}) as other:
        other.execute("UPDATE catalog_product SET name = name")
        yield
        other.rollback()


@pytest.mark.usefixtures("shuffled")
def test_products_are_put_in_the_order_of_their_categories() -> None:
    before = set(Product.objects.values_list("pk", "sku", "category_id"))
    assert not in_order()
    order_by_category()
    assert in_order()
    assert orderliness() == 1.0
    assert set(Product.objects.values_list("pk", "sku", "category_id")) == before


@pytest.mark.usefixtures("shuffled")
def test_the_command_says_what_it_did() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE catalog_product")
    looked = ordered("--dry-run")
    assert "Nothing was changed." in looked
    assert "100%" not in looked
    assert not in_order()
    assert "are in the order of their categories to 100%" in ordered()
    assert "to 100%. Nothing was changed." in ordered("--dry-run")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("shuffled")
def test_nobody_waits_for_long_where_others_are_at_it() -> None:
    with somebody_writes(), pytest.raises(CommandError, match="try again when it is quieter"):
        ordered("--lock-timeout", "0.1")
    assert not in_order()
    assert Product.objects.count() == 60
    order_by_category()
    assert in_order()


@pytest.mark.usefixtures("shuffled")
def test_a_role_that_may_not_rewrite_the_table_is_told_so() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE reader")
        cursor.execute("GRANT SELECT ON catalog_product TO reader")
        cursor.execute("SET LOCAL ROLE reader")
    with pytest.raises(CommandError, match=r"PostgreSQL refuses: .*catalog_product"):
        ordered()


def imported(folder: Path, *skus: str) -> str:
    file, out = folder / "products.jsonl", io.StringIO()
    file.write_text(
        "".join(
            json.dumps({"sku": sku, "name": sku, "category": ("Tools", "Toys")[place % 2]}) + "\n"
            for place, sku in enumerate(skus)
        )
    )
    call_command("import_products", str(file), stdout=out)
    return out.getvalue()


def test_the_first_import_leaves_them_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_products, "WORTH_ORDERING", 4)
    imported(tmp_path, "A", "B", "C", "D")
    assert in_order()
    imported(tmp_path, "E", "F", "G", "H")  # customers search meanwhile
    assert not in_order()


@pytest.mark.django_db(transaction=True)
def test_a_first_import_that_cannot_order_them_says_how_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_products, "WORTH_ORDERING", 4)
    monkeypatch.setattr(import_products, "order_by_category", _busy)
    assert "manage.py order_catalogue" in imported(tmp_path, "A", "B", "C", "D")
    assert Product.objects.count() == 4


def _busy() -> None:
    with somebody_writes():
        order_by_category(0.1)
