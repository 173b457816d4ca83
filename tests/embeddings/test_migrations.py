"""Migrations of rows that are there already."""

import threading
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.db import connection, transaction
from django.db.models import F

from catalog.models import Product
from embeddings.models import ProductEmbedding

MakeProduct = Callable[..., Product]


def fill_brands() -> None:
    migration = import_module("embeddings.migrations.0014_brands_of_all")
    migration.fill(None, SimpleNamespace(connection=connection))


def are_right() -> bool:
    return not ProductEmbedding.objects.exclude(brand=F("product__brand")).exists()


@pytest.mark.django_db
def test_brands_are_written_beside_the_vectors_that_are_there(make_product: MakeProduct) -> None:
    for number in range(40):
        make_product(f"Lamp {number}", brand=f"Brand {number % 3}" if number % 4 else "")
    before = ProductEmbedding.objects.values_list("wanted_digest", "wanted_at", "next_attempt_at")
    expected = list(before.order_by("pk"))
    ProductEmbedding.objects.update(brand="")
    assert not are_right()
    fill_brands()
    assert are_right()
    assert list(before.order_by("pk")) == expected


@pytest.mark.django_db(transaction=True)
def test_a_product_that_is_being_written_is_come_back_to(make_product: MakeProduct) -> None:
    products = [make_product(f"Lamp {number}", brand="Oakley") for number in range(3)]
    ProductEmbedding.objects.update(brand="")
    is_locked, may_go_on = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            Product.objects.filter(pk=products[0].pk).update(brand="Meadow")
            is_locked.set()
            may_go_on.wait(10)
        connection.close()

    writer = threading.Thread(target=write)
    filler = threading.Thread(target=lambda: (fill_brands(), connection.close()))
    writer.start()
    assert is_locked.wait(10)
    filler.start()
    filler.join(0.5)
    assert filler.is_alive()
    assert list(ProductEmbedding.objects.order_by("pk").values_list("brand", flat=True)) == [
        "",
        "Oakley",
        "Oakley",
    ]
    may_go_on.set()
    writer.join()
    filler.join()
    assert are_right()
    assert ProductEmbedding.objects.get(product=products[0]).brand == "Meadow"
