"""How texts become the words of the keyword index, and the migration that changed it."""

import threading
import time
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.contrib.postgres.search import SearchQuery
from django.db import connection, transaction

from catalog.models import Product

pytestmark = pytest.mark.django_db
MakeProduct = Callable[..., Product]


def words(text: str) -> str:
    """The words of a text, with one blank between them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT public.catalog_key(%s)", [text])
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Core™2 Duo", "core 2 duo"),
        ("Velocity™ HDMI®", "velocity hdmi"),
        ("Crème brûlée", "creme brulee"),
        ("1½ m, ½ m", "1 1/2 m 1/2 m"),
        ("0,5m and 2.5 kg", "0.5m and 2.5 kg"),
        ("30,5 x 7,00 cm", "30.5 x 7 cm"),
        ("2,5, 3,5", "2.5 3.5"),
        ("1,000 sheets", "1 000 sheets"),
        ("ports 1,2,3", "ports 1 2 3"),
        ("10,100,1000", "10 100 1000"),
        ('27" monitor', "27 inch monitor"),
        ("2.5″ drive, 3.5'' bay, 15.6” screen", "2.5 inch drive 3.5 inch bay 15.6 inch screen"),
        ('6" x 9"', "6 inch x 9 inch"),
        ('"Windows" box', "windows box"),
        ("6' ladder", "6 ladder"),
        ("SPZ6500/00", "spz6500 00"),
        ("M/M, PS/2", "m m ps 2"),
        ('1/2" and 10/100/1000', "1/2 inch and 10/100/1000"),
        ("v1.5, 6.0", "v1.5 6"),
    ],
)
def test_words_of_a_text(text: str, expected: str) -> None:
    assert words(text) == expected


def migrate(name: str) -> None:
    migration = import_module("catalog.migrations.0006_marks_and_numbers")
    getattr(migration, name)(None, SimpleNamespace(connection=connection))


def number_found(asked: str) -> int:
    wanted = SearchQuery(asked, config="english", search_type="phrase")
    return Product.objects.filter(search_vector=wanted).count()


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("Notebook webcam SPZ6500/00", "SPZ6500"),
        ("SmartFit™ Easy Riser™", "riser"),
        ("Patch cable 0,5 m", "0.5"),
        ('Monitor 68.6 cm (27")', "27 inch"),
    ],
)
def test_products_that_were_there_before_have_the_words_too(
    make_product: MakeProduct, name: str, asked: str
) -> None:
    product = make_product(name)
    before = product.updated_at
    assert number_found(asked) == 1
    migrate("restore")
    assert number_found(asked) == 0
    migrate("renew")
    assert number_found(asked) == 1
    product.refresh_from_db()
    assert product.updated_at == before


@pytest.mark.django_db(transaction=True)
def test_a_product_that_is_being_written_is_not_waited_for(make_product: MakeProduct) -> None:
    products = [make_product(f"Easy Riser™ {number}") for number in range(3)]
    migrate("restore")
    is_locked, may_go_on = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            Product.objects.filter(pk=products[0].pk).update(price=5)
            is_locked.set()
            may_go_on.wait(10)
        connection.close()

    writer = threading.Thread(target=write)
    filler = threading.Thread(target=lambda: (migrate("renew"), connection.close()))
    writer.start()
    assert is_locked.wait(10)
    filler.start()
    until = time.monotonic() + 10
    while number_found("riser") < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert number_found("riser") == 2
    assert filler.is_alive()
    may_go_on.set()
    writer.join()
    filler.join()
    assert number_found("riser") == 3
    assert Product.objects.get(pk=products[0].pk).price == 5
