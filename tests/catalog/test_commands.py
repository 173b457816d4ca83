"""What the catalogue's commands print, and how they exit."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from catalog.models import Category, Product
from catalog.synthetic import KINDS, generate

pytestmark = pytest.mark.django_db


def run(*args):
    """Return (output, error) of an import; the error is None where it went well."""
    out = io.StringIO()
    try:
        call_command("import_products", *map(str, args), stdout=out)
    except CommandError as error:
        return out.getvalue(), error
    return out.getvalue(), None


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def good(tmp_path):
    return write(
        tmp_path / "good.jsonl",
        {"sku": "A-1", "name": "Hammer", "released": 1},
        {"sku": "A-2", "name": "Saw"},
    )


def count(out, name):
    (line,) = [line for line in out.splitlines() if f" {name} " in line]
    return int(line.split("│")[2].replace(",", ""))


def test_a_good_file_is_summed_up_with_the_next_step(good):
    out, error = run(good)
    assert error is None
    assert (count(out, "Created"), count(out, "Bad")) == (2, 0)
    assert "Ignored, for a product has no such field: released." in out
    assert "backfill_embeddings" in out
    out, _ = run(good)
    assert count(out, "Unchanged") == 2
    assert "Next:" not in out


def test_bad_rows_are_named_and_the_exit_code_is_1(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text(
        '{"sku": "A-1", "name": "Hammer"}\n{"sku": "[red]B\\u001b[2J", "name": "Saw", "price": -1}\n{\n'
    )
    out, error = run(path)
    assert "line 2, sku [red]B\N{REPLACEMENT CHARACTER}[2J: " in out
    assert "price -1 is negative" in out
    assert "line 3: is not valid JSON" in out
    assert "\x1b" not in out
    assert error.returncode == 1
    assert "2 rows could not be imported" in str(error)
    assert Product.objects.get().sku == "A-1"


def test_a_dry_run_says_so(good):
    out, error = run(good, "--dry-run")
    assert error is None
    assert "nothing was written" in out
    assert count(out, "Created") == 2
    assert not Product.objects.exists()


def test_missing_products_are_deactivated(good, make_product):
    make_product(sku="A-1")
    make_product(sku="OLD-1")
    make_product(sku="OLD-2", is_active=False)
    out, _ = run(good, "--deactivate-missing", "--dry-run")
    assert count(out, "Deactivated") == 1
    assert Product.objects.get(sku="OLD-1").is_active
    out, error = run(good, "--deactivate-missing")
    assert error is None
    assert count(out, "Deactivated") == 1
    assert set(Product.objects.active().values_list("sku", flat=True)) == {"A-1", "A-2"}


def test_nothing_is_deactivated_after_bad_rows(tmp_path, make_product):
    make_product(sku="OLD-1")
    path = write(tmp_path / "a.jsonl", {"sku": "A-1", "name": "Hammer"}, {"sku": "OLD-1", "price": "x"})
    _, error = run(path, "--deactivate-missing")
    assert "Nothing was deactivated" in str(error)
    assert Product.objects.active().count() == 2


def test_nothing_is_deactivated_by_an_empty_file(tmp_path, make_product):
    make_product(sku="OLD-1")
    _, error = run(write(tmp_path / "a.jsonl"), "--deactivate-missing")
    assert "names no product" in str(error)
    assert Product.objects.active().exists()


@pytest.mark.parametrize(
    ("name", "says"), [("missing.jsonl", "cannot be opened"), ("notes.txt", "--format"), ("-", "--format")]
)
def test_what_cannot_be_read_is_one_clear_sentence(tmp_path, name, says):
    if name == "notes.txt":
        (tmp_path / name).write_text("x")
    _, error = run(name if name == "-" else tmp_path / name)
    assert says in str(error)
    assert error.returncode == 1


def test_standard_input_may_be_gzipped(monkeypatch):
    data = gzip.compress(b'{"sku": "A-1", "name": "Hammer"}')
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
    out, error = run("-", "--format", "jsonl")
    assert error is None
    assert count(out, "Created") == 1


def test_progress_is_told_in_plain_lines_without_a_terminal(tmp_path, monkeypatch):
    monkeypatch.setattr("catalog.management.commands.import_products.PLAIN_PROGRESS_S", 0)
    path = write(tmp_path / "a.jsonl", *({"sku": f"A-{n}", "name": "x"} for n in range(501)))
    out, _ = run(path)
    assert "501 rows, 100% of the file" in out


@pytest.mark.django_db(transaction=True)
def test_an_interrupted_import_keeps_what_it_wrote_and_says_so(tmp_path):
    fifo = tmp_path / "slow.jsonl"
    os.mkfifo(fifo)
    name = connection.settings_dict["NAME"]
    environment = {**os.environ, "DATABASE_URL": _address(name)}
    with (
        subprocess.Popen(
            [sys.executable, "manage.py", "import_products", str(fifo)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
        open(fifo, "w") as feed,
    ):
        feed.writelines(json.dumps({"sku": f"A-{n}", "name": "x"}) + "\n" for n in range(600))
        feed.flush()
        deadline = time.monotonic() + 60
        while not Product.objects.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "run it again" in errors
    assert Product.objects.count() == 500


def _address(database):
    from psycopg.conninfo import make_conninfo

    parts = connection.get_connection_params()
    return make_conninfo(
        dbname=database, **{key: parts[key] for key in ("user", "host", "port") if parts.get(key)}
    )


def generate_catalogue(*args):
    out = io.StringIO()
    call_command("generate_catalogue", *args, stdout=out)
    return out.getvalue()


def test_a_catalogue_is_generated_and_continued():
    assert "30 products made" in generate_catalogue("--count=30", "--batch-size=7")
    first = list(
        Product.objects.order_by("sku").values("sku", "name", "description", "price", "category__path")
    )
    assert first[0]["sku"] == "GEN-000001"
    Product.objects.filter(sku="GEN-000005").delete()
    assert "11 products made" in generate_catalogue("--count=40")
    again = list(
        Product.objects.order_by("sku").values("sku", "name", "description", "price", "category__path")
    )
    assert again[:30] == first
    assert Product.objects.filter(price=None).count() == 0


def test_a_seed_makes_a_catalogue_and_another_seed_another():
    assert generate(1, 7) == generate(1, 7)
    assert generate(1, 7) != generate(1, 8)
    assert generate(1, 7) != {**generate(2, 7), "sku": generate(1, 7)["sku"]}


def test_generated_products_are_varied_and_fit_the_columns():
    products = [generate(n, 1) for n in range(1, 3001)]
    assert len({p["name"] for p in products}) > 2950
    assert {p["category"] for p in products} == {kind.path for kind in KINDS}
    assert len(KINDS) >= 40
    assert all(0 < p["price"] < 1000 for p in products)


def test_prices_can_be_left_out():
    generate_catalogue("--count=3", "--no-with-prices")
    assert Product.objects.filter(price=None).count() == 3


def test_generated_categories_join_those_that_exist(make_category):
    drills = make_category("Tools", "Power tools", "Drills")
    generate_catalogue("--count=200")
    assert Product.objects.filter(category=drills).exists()
    assert Category.objects.filter(name="Tools").count() == 1


def test_a_count_must_be_positive():
    with pytest.raises(CommandError, match="whole number above zero"):
        generate_catalogue("--count=0")
