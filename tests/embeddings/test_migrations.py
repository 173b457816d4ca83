"""Migrations of rows that are there already."""

import threading
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, transaction

from catalog.models import Product
from embeddings.models import ProductEmbedding
from tests.embeddings.exactness import hashes

MakeProduct = Callable[..., Product]


BRANDS, ATTRIBUTES = "0014_brands_of_all", "0016_attributes_of_all"


def fill(name: str) -> None:
    migration = import_module(f"embeddings.migrations.{name}")
    migration.fill(None, SimpleNamespace(connection=connection))


def are_right() -> bool:
    rows = ProductEmbedding.objects.select_related("product")
    return all(
        row.brand == row.product.brand and set(row.attribute_hashes) == hashes(row.product) for row in rows
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "emptied"), [(BRANDS, {"brand": ""}), (ATTRIBUTES, {"attribute_hashes": []})]
)
def test_copies_are_written_beside_the_vectors_that_are_there(
    make_product: MakeProduct, name: str, emptied: dict[str, Any]
) -> None:
    for number in range(40):
        brand = f"Brand {number % 3}" if number % 4 else ""
        make_product(f"Lamp {number}", brand=brand, attributes={"volt": 12} if number % 3 else {})
    before = ProductEmbedding.objects.values_list("wanted_digest", "wanted_at", "next_attempt_at")
    expected = list(before.order_by("pk"))
    ProductEmbedding.objects.update(**emptied)
    assert not are_right()
    fill(name)
    assert are_right()
    assert list(before.order_by("pk")) == expected


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("name", "old", "written"),
    [
        (BRANDS, {"brand": ""}, {"brand": "Meadow"}),
        (ATTRIBUTES, {"attribute_hashes": []}, {"attributes": {"volt": 18}}),
    ],
)
def test_a_product_that_is_being_written_is_come_back_to(
    make_product: MakeProduct, name: str, old: dict[str, Any], written: dict[str, Any]
) -> None:
    products = [
        make_product(f"Lamp {number}", brand="Oakley", attributes={"volt": 12}) for number in range(3)
    ]
    ProductEmbedding.objects.update(**old)
    is_locked, may_go_on = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            Product.objects.filter(pk=products[0].pk).update(**written)
            is_locked.set()
            may_go_on.wait(10)
        connection.close()

    writer = threading.Thread(target=write)
    filler = threading.Thread(target=lambda: (fill(name), connection.close()))
    writer.start()
    assert is_locked.wait(10)
    filler.start()
    filler.join(0.5)
    assert filler.is_alive()
    ((column, empty),) = old.items()
    values = ProductEmbedding.objects.order_by("pk").values_list(column, flat=True)
    assert [value == empty for value in values] == [True, False, False]
    may_go_on.set()
    writer.join()
    filler.join()
    assert are_right()
    ((column, value),) = written.items()
    assert getattr(Product.objects.get(pk=products[0].pk), column) == value
