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
    """The words of a text in lower case, with one blank between them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT public.catalog_words(public.catalog_fold(%s))", [text])
        return " ".join(cursor.fetchone()[0].lower().split())


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
        ("1,000 sheets, 10,000-page toner", "1000 sheets 10000 page toner"),
        ("20,000mAh or 20.000 mAh", "20000mah or 20000 mah"),
        ("1,000,000 pages*", "1000000 pages"),
        (" 20,000 ", "20000"),
        ("20.000", "20000"),
        ("yield 30,000*", "yield 30 000"),
        ("120,240", "120240"),
        ("radiators 120,240", "radiators 120 240"),
        ("75 x 75,100 x 100 mm", "75 x 75 100 x 100 mm"),
        ("A1,000 b, 192.168.100.200", "a1 000 b 192.168.100.200"),
        ("1,299.99 USD, 1.250 kg, 6.00 m", "1 299.99 usd 1.250 kg 6 m"),
        ("1.000 - 1.250", "1.000 1.250"),
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
        (".5m cable, 2 x .75", "0.5m cable 2 x 0.75"),
        ("2.40GHz, 0,50 m and 1.20 kg", "2.4ghz 0.5 m and 1.2 kg"),
        ("OS X 10.10 Yosemite, 10.10, 1.50 x 3.20 xm", "os x 10.10 yosemite 10.10 1.50 x 3.20 xm"),
        ("Rev.2 of 1..5 and 10./11", "rev 2 of 1 5 and 10 11"),
        ("a1/b2/c3, EB 1720/23//25/30", "a1 b2 c3 eb 1720/23 25/30"),
        ("3.5in drive, 42-in roll, 1/4in plug, 19in.", "3.5 inch drive 42 inch roll 1/4 inch plug 19 inch"),
        ("2-in-1, 2in-1, 4-in 1, T620in", "2 in 1 2in 1 4 in 1 t620in"),
        ("10 pc(s), Connector(s)2", "10 pcs connectors 2"),
        ("DVD+R, DVD-R, USB+PS/2", "dvd plus r dvd r usb plus ps 2"),
        ("SFP+ and DVD+/-RW + C", "sfp and dvd rw c"),
    ],
)
def test_words_of_a_text(text: str, expected: str) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TN-2110, wi-fi", "TN2110 wifi"),
        ("5,000-page TN-2110", "5000page TN2110"),
        ("radiators 120,240\nand more", "120240"),
        ("20,000", ""),
        ("80,100,200,400", ""),
        ("210,297mm", ""),
        ("SFP+, A+++ and Buds+.", "SFPplus Aplusplusplus Budsplus"),
        ("DVD+R, DVD+/-RW, + 1", ""),
        ("all-in-one", "allinone"),
    ],
)
def test_compounds_of_a_text(text: str, expected: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT public.catalog_compounds(%s)", [text])
        assert set(cursor.fetchone()[0].split()) == set(expected.split())


def test_texts_are_compared_without_the_word_for_a_plus() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT public.catalog_key(%s)", ["  DVD+R,  Galaxy Buds+ "])
        assert cursor.fetchone()[0] == "dvd r galaxy buds"


@pytest.mark.parametrize(
    "text",
    [
        "1" + ",111" * 25_000,
        "1" + ".000" * 25_000,
        "for 20,000 pages " * 6_000,
        "1,1 " * 25_000,
        "a/b./c../" * 11_000,
        "x+" * 50_000,
        "12-in " * 16_000,
        "1." + "10" * 49_000,
        "1.10 m " * 14_000,
    ],
)
def test_the_words_of_a_long_text_do_not_take_minutes(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '2s'")
        cursor.execute("SELECT public.catalog_words(%s), public.catalog_compounds(%s)", [text, text])
        assert all(found is not None for found in cursor.fetchone())


MIGRATIONS = ("0006_marks_and_numbers", "0007_thousands", "0008_plus_and_inches")


def migrate(name: str) -> None:
    """Undo or do again what migrations have changed."""
    for migration in MIGRATIONS if name == "renew" else reversed(MIGRATIONS):
        module = import_module(f"catalog.migrations.{migration}")
        getattr(module, name)(None, SimpleNamespace(connection=connection))


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
        ("Power bank 20,000 mAh", "20000 mah"),
        ("Drum for 12.000 pages", "12000 pages"),
        ("Cartridge, yield 30,000*", "30000"),
        ("Hard drive 3.5in", "3.5 inch"),
        ("Transceiver SFP+", "sfpplus"),
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
