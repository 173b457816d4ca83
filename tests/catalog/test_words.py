"""How texts become the words of the keyword index, and the migration that changed it."""

from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.contrib.postgres.search import SearchQuery
from django.db import connection

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
    def is_found() -> bool:
        wanted = SearchQuery(asked, config="english", search_type="phrase")
        return Product.objects.filter(search_vector=wanted).exists()

    migration = import_module("catalog.migrations.0006_marks_and_numbers")
    editor = SimpleNamespace(connection=connection)
    product = make_product(name)
    before = product.updated_at
    assert is_found()
    migration.restore(None, editor)
    assert not is_found()
    migration.renew(None, editor)
    assert is_found()
    product.refresh_from_db()
    assert product.updated_at == before
