"""Every good row is kept, every bad one is named."""

import csv
import gzip
import io
import json
import signal
from decimal import Decimal

import pytest
from django.db import connection

from catalog.exceptions import ImportFileError
from catalog.importer import BATCH_SIZE, CatalogueImport
from catalog.models import Category, Product
from catalog.readers import MAX_ROW_BYTES, open_source
from catalog.signals import products_changed

pytestmark = pytest.mark.django_db

GOOD = {"sku": "A-1", "name": "Hammer"}


@pytest.fixture
def load(tmp_path):
    """Import a file of this name and content; return the report."""

    def load(name, content, **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with open_source(str(path)) as source:
            run = CatalogueImport(**options)
            return run.run(source)

    return load


def lines(*rows):
    return "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n"


BAD_LINES = {
    "bad JSON": ('{"sku": "B-1", "name": ', "is not valid JSON"),
    "no object": ("[1, 2]", "is not an object"),
    "a huge number": ('{"sku": "B-1", "name": ' + "9" * 5000 + "}", "is not valid JSON"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "missing sku": ('{"name": "Saw"}', "sku is missing"),
    "blank sku": ('{"sku": "  ", "name": "Saw"}', "sku is missing"),
    "sku of another kind": ('{"sku": ["B"], "name": "Saw"}', "sku must be a text, not a list"),
    "slash in sku": ('{"sku": "B/1", "name": "Saw"}', "stands in addresses"),
    "long sku": ('{"sku": "' + "B" * 65 + '", "name": "Saw"}', "65 characters long"),
    "no name": ('{"sku": "B-1"}', "name is missing, and no product has this SKU"),
    "empty name": ('{"sku": "B-1", "name": "  "}', "name is empty"),
    "null name": ('{"sku": "B-1", "name": null}', "name is empty"),
    "100 kB name": ('{"sku": "B-1", "name": "' + "x" * 100_000 + '"}', "100,000 characters long; 500"),
    "negative price": ('{"sku": "B-1", "name": "Saw", "price": "-3"}', "price -3 is negative"),
    "tiny negative price": ('{"sku": "B-1", "name": "Saw", "price": -0.001}', "is negative"),
    "NaN price": ('{"sku": "B-1", "name": "Saw", "price": NaN}', "not a finite number"),
    "Infinity price": ('{"sku": "B-1", "name": "Saw", "price": -Infinity}', "not a finite number"),
    "text NaN price": ('{"sku": "B-1", "name": "Saw", "price": "nan"}', "not a finite number"),
    "overflowing price": ('{"sku": "B-1", "name": "Saw", "price": 1e999}', "not a finite number"),
    "huge price": ('{"sku": "B-1", "name": "Saw", "price": "1e10"}', "too large"),
    "worded price": ('{"sku": "B-1", "name": "Saw", "price": "19,95"}', "is not a number such as"),
    "price of three decimals": ('{"sku": "B-1", "name": "Saw", "price": "1.005"}', "more than two decimals"),
    "price of another kind": ('{"sku": "B-1", "name": "Saw", "price": true}', "not true or false"),
    "currency": ('{"sku": "B-1", "name": "Saw", "currency": "Euro"}', "three letters"),
    "nested attributes": (
        '{"sku": "B-1", "name": "Saw", "attributes": {"a": {"b": 1}}}',
        "“a” must be a text",
    ),
    "attributes in a list": ('{"sku": "B-1", "name": "Saw", "attributes": ["red"]}', "must be an object"),
    "NaN attribute": ('{"sku": "B-1", "name": "Saw", "attributes": {"a": NaN}}', "finite"),
    "NUL": ('{"sku": "B-1", "name": "S\\u0000w"}', "NUL"),
    "NUL attribute": ('{"sku": "B-1", "name": "Saw", "attributes": {"a": "\\u0000"}}', "NUL"),
    "lone surrogate": ('{"sku": "B-1", "name": "S\\ud800w"}', "surrogate"),
    "lone surrogate in sku": ('{"sku": "B\\ud800", "name": "Saw"}', "surrogate"),
    "deep category": (json.dumps({**GOOD, "sku": "B-1", "category": list("abcdefghijk")}), "11 levels deep"),
    "hole in category": (json.dumps({**GOOD, "sku": "B-1", "category": ["a", "", "c"]}), "empty name"),
    "long category": (json.dumps({**GOOD, "sku": "B-1", "category": ["x" * 121]}), "120 is the most"),
    "long category path": (
        json.dumps({**GOOD, "sku": "B-1", "category": ["x" * 118 + str(n) for n in range(9)]}),
        "path",
    ),
    "category of another kind": ('{"sku": "B-1", "name": "Saw", "category": {"a": 1}}', "not an object"),
    "picture": ('{"sku": "B-1", "name": "Saw", "image_url": "javascript:alert(1)"}', "not an address"),
    "is_active": ('{"sku": "B-1", "name": "Saw", "is_active": "perhaps"}', "neither true nor false"),
    "duplicate sku": ('{"sku": "A-1", "name": "Saw"}', "stands in the file before"),
}


@pytest.mark.parametrize(("bad", "reason"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_is_named_and_its_neighbours_are_kept(load, bad, reason):
    report = load("a.jsonl", lines(GOOD, bad, {"sku": "A-2", "name": "Nail"}))
    assert (report.created, report.bad) == (2, 1)
    assert report.bad_rows[0].place == "line 2"
    assert reason in report.bad_rows[0].reason
    assert {p.sku: p.name for p in Product.objects.all()} == {"A-1": "Hammer", "A-2": "Nail"}


def test_the_sku_of_a_broken_line_is_named(load):
    report = load("a.jsonl", lines('{"sku": "B-1", "name": '))
    assert report.bad_rows[0].sku == "B-1"


def test_bytes_that_are_not_utf_8_cost_only_their_row(load):
    latin = '{"sku": "B-1", "name": "Säge"}'.encode("latin-1")
    report = load(
        "a.jsonl", lines(GOOD).encode() + latin + b"\n" + lines({"sku": "A-2", "name": "Nägel"}).encode()
    )
    assert (report.created, report.bad) == (2, 1)
    assert "not UTF-8" in report.bad_rows[0].reason
    assert Product.objects.get(sku="A-2").name == "Nägel"


def test_a_line_too_long_to_hold_costs_only_itself(load):
    report = load(
        "a.jsonl", lines(GOOD, '{"sku": "' + "x" * (MAX_ROW_BYTES * 2) + '"}', {"sku": "A-2", "name": "Nail"})
    )
    assert (report.created, report.bad) == (2, 1)
    assert report.bad_rows[0].reason == "is longer than 5 MB"


def test_a_bad_first_row_does_not_make_the_second_a_duplicate(load):
    report = load("a.jsonl", lines({**GOOD, "price": -1}, GOOD))
    assert (report.created, report.bad) == (1, 1)


FULL = {
    "sku": "F-1",
    "name": "  Hammer   drill ",
    "brand": "Bosal",
    "short_description": "Drills",
    "description": "Drills\nholes",
    "category": ["Tools", "Power tools", "Drills"],
    "price": "89.90",
    "currency": "chf",
    "attributes": {"power W": 850, "corded": True, "colour": None},
    "image_url": "https://example.com/a.jpg",
    "is_active": False,
    "released": "2009",
}


def check_full():
    product = Product.objects.select_related("category").get(sku="F-1")
    assert product.name == "Hammer drill"
    assert (product.price, product.currency, product.is_active) == (Decimal("89.90"), "CHF", False)
    assert product.category.full_name == "Tools > Power tools > Drills"
    assert product.category.path == "tools/power-tools/drills"
    return product


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", lines(FULL)),
        ("a.ndjson", "\ufeff" + lines(FULL) + "\n\n"),
        ("a.json", json.dumps([FULL])),
        ("a.json", "\ufeff \n" + json.dumps([FULL], indent=4)),
        ("a.jsonl.gz", gzip.compress(lines(FULL).encode())),
        ("a.JSON.GZ", gzip.compress(json.dumps([FULL]).encode())),
    ],
)
def test_json_in_all_its_clothes(load, name, content):
    report = load(name, content)
    assert (report.read, report.created, report.bad, report.categories_created) == (1, 1, 0, 3)
    assert report.ignored_fields == {"released"}
    assert check_full().attributes == FULL["attributes"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("zipped", [False, True])
def test_csv_in_all_its_clothes(load, delimiter, zipped):
    out = io.StringIO()
    row = {**FULL, "category": "Tools > Power tools > Drills", "attributes": json.dumps({"corded": True})}
    row["attributes.Colour"] = "red"
    row["attributes.empty"] = ""
    writer = csv.DictWriter(out, fieldnames=list(row), delimiter=delimiter)
    writer.writeheader()
    writer.writerow(row)
    content = ("\ufeff" + out.getvalue().replace("short_description", "Short Description", 1)).encode()
    report = load("a.csv.gz" if zipped else "a.csv", gzip.compress(content) if zipped else content)
    assert (report.created, report.bad) == (1, 0)
    product = check_full()
    assert product.description == "Drills\nholes"
    assert product.attributes == {"corded": True, "Colour": "red"}


def test_csv_rows_that_are_broken_cost_only_themselves(load):
    report = load(
        "a.csv",
        'sku,name,price\nA-1,Hammer,1\nB-1,"Saw,2\nA-2,"Nail, long",3\nB-2,too,4,many\n,,\n\n'
        'B-3,short\nA-3,"12"" drill",\nB-4,"two\nlines",-1\nB-5,"never closed,1\nA-4,Rasp,5\n',
    )
    assert report.created == 4
    assert {(bad.place, bad.sku) for bad in report.bad_rows} == {
        ("line 3", ""),
        ("line 5", "B-2"),
        ("line 8", "B-3"),
        ("line 10", "B-4"),
        ("line 12", ""),
    }
    assert Product.objects.get(sku="A-2").name == "Nail, long"
    assert Product.objects.get(sku="A-3").name == '12" drill'


def test_csv_cells_of_latin_1_are_named(load):
    report = load("a.csv", "sku,name\nA-1,Hammer\nB-1,Säge\n".encode("latin-1"))
    assert (report.created, report.bad) == (1, 1)
    assert "save the file as UTF-8" in report.bad_rows[0].reason


def test_an_empty_csv_cell_empties_the_field_and_a_missing_column_keeps_it(load, make_product):
    make_product(
        "Hammer", sku="A-1", brand="Bosal", description="old", price=5, currency="USD", is_active=False
    )
    load("a.csv", "sku,brand,price,currency,is_active\nA-1,,,,\n")
    product = Product.objects.get()
    assert (product.brand, product.price) == ("", None)
    assert (product.description, product.currency, product.is_active) == ("old", "USD", False)


BROKEN_LIST = """[
 {"sku": "A-1", "name": "Hammer"},
 {"sku": "B-1", "name": "Saw", price: 3},
 {"sku": "B-2", "name": "unclosed},
 7,
 {"sku": "A-2", "name": "Nail", "attributes": {"x": 1}},
 {"sku": "B-3",
  "name": NaN},
 {"sku": "A-3", "name": "Rasp"}
]"""


def test_items_of_a_json_list_that_are_broken_cost_only_themselves(load):
    report = load("a.json", BROKEN_LIST)
    assert sorted(Product.objects.values_list("sku", flat=True)) == ["A-1", "A-2", "A-3"]
    assert [bad.place for bad in report.bad_rows] == ["item 2 (line 3)", "item 3 (line 4)", "item 5 (line 7)"]
    assert "on line 3" in report.bad_rows[0].reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('[{"sku": "A-1", "name": "Hammer"}', "may be cut off"),
        ('[{"sku": "A-1", "name": "Hammer"}, {"sku": "A-', "is not valid JSON"),
        ('[{"sku": "A-1", "name": "Hammer"}, {"sku": }]', "is not valid JSON"),
        ('[{"sku": "A-1", "name": "Hammer"}] and more', "more text after the end"),
        (
            '[{"sku": "A-1", "name": "Hammer"}, {"sku": "B", "name": "' + "x" * MAX_ROW_BYTES + '"}]',
            "longer than 5 MB",
        ),
        (
            '[{"sku": "A-1", "name": "Hammer"}, {"sku": "B", "name": "' + "x" * MAX_ROW_BYTES * 3 + '"}]',
            "longer than 5 MB",
        ),
    ],
)
def test_a_json_list_that_ends_badly_keeps_what_was_good(load, content, reason):
    report = load("a.json", content)
    assert report.created == 1
    assert reason in report.bad_rows[0].reason


def test_a_long_json_list_goes_through_a_small_window(load):
    rows = [
        {"sku": f"A-{n}", "name": "Hammer", "ignored": "x" * 15_000, "attributes": {"n": n}}
        for n in range(900)
    ]
    report = load("a.json", " " * 3_000_000 + json.dumps(rows))
    assert (report.created, report.bad) == (900, 0)
    assert Product.objects.get(sku="A-899").attributes == {"n": 899}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", "x", "--format"),
        ("a.jsonl.gz", "not gzip", "is not gzipped"),
        ("a.jsonl.gz", b"\x1f\x8b broken", "gzip data is broken"),
        ("a.csv", b"PK\x03\x04 workbook", "Save it as CSV"),
        ("a.csv", "sku,name\n".encode("utf-16"), "Save it as UTF-8"),
        ("a.json", '{"sku": "A-1"}', "--format jsonl"),
        ("a.json", "", "not a JSON list"),
        ("a.csv", "", "must name the columns"),
        ("a.csv", "name,price\nHammer,1\n", "it names name, price"),
        ("a.csv", "sku,name,name\n", "twice"),
        ("a.csv", 'sku,"name\n', "is not a CSV header"),
    ],
)
def test_a_file_that_is_no_catalogue_says_what_to_do(load, name, content, says):
    with pytest.raises(ImportFileError, match=says):
        load(name, content)
    assert not Product.objects.exists()


def test_a_gzip_file_that_is_cut_off_keeps_what_was_read(load):
    rows = [{"sku": f"A-{n}", "name": f"Hammer {n * 7919 % 10007}"} for n in range(5000)]
    report = load("a.jsonl.gz", gzip.compress(lines(*rows).encode())[:-2000])
    assert 0 < report.created < 5000
    assert Product.objects.count() == report.created
    assert "damaged or cut off" in report.bad_rows[-1].reason


def test_importing_again_writes_nothing(load, django_assert_num_queries):
    load("a.jsonl", lines(FULL, GOOD))
    before = list(Product.objects.values_list("sku", "updated_at"))
    report = load("a.jsonl", lines(FULL, GOOD))
    assert (report.created, report.updated, report.unchanged) == (0, 0, 2)
    assert list(Product.objects.values_list("sku", "updated_at")) == before


def test_only_what_changed_is_written(load, make_product):
    make_product("Hammer", sku="A-1", description="kept", price=5, attributes={"on": 1})
    report = load(
        "a.jsonl",
        lines({"sku": "A-1", "price": 6, "attributes": {"on": True}}, {"sku": "A-2", "name": "Saw"}),
    )
    assert (report.created, report.updated) == (1, 1)
    product = Product.objects.get(sku="A-1")
    assert (product.name, product.description, product.price) == ("Hammer", "kept", 6)
    assert product.attributes == {"on": True}
    assert type(product.attributes["on"]) is bool


def test_new_products_get_defaults(load, settings):
    settings.DEFAULT_CURRENCY = "SEK"
    load("a.jsonl", lines(GOOD))
    product = Product.objects.get()
    assert (product.currency, product.is_active, product.attributes, product.category) == (
        "SEK",
        True,
        {},
        None,
    )


def test_numbers_serve_as_texts(load):
    load("a.jsonl", lines({"sku": 4711, "name": 4711.0, "is_active": 0}))
    product = Product.objects.get()
    assert (product.sku, product.name, product.is_active) == ("4711", "4711", False)


@pytest.mark.parametrize(
    "category",
    [
        ["Tools", "Power tools"],
        "Tools > Power tools",
        "tools/power-tools",
        "/tools/power-tools/",
        "TOOLS>POWER TOOLS",
        ["tools", "power-tools"],
    ],
)
def test_a_category_is_found_however_its_path_is_written(load, make_category, category):
    expected = make_category("Tools", "Power tools")
    report = load("a.jsonl", lines({**GOOD, "category": category}))
    assert report.categories_created == 0
    assert Product.objects.get().category == expected


def test_categories_that_are_missing_are_made_once(load):
    rows = [{"sku": f"A-{n}", "name": "x", "category": ["toys-and-games", "t-shirts"]} for n in range(3)]
    report = load("a.jsonl", lines(*rows))
    assert report.categories_created == 2
    assert Category.objects.get(slug="t-shirts").full_name == "Toys and games > T-shirts"
    assert load("a.jsonl", lines(*rows)).unchanged == 3


def test_a_slug_that_another_branch_has_gets_the_parents_before_it(load):
    paths = [["Bags", "Cases"], ["Components", "Cases"], ["Bags", "Cases!"], ["!!!"], ["???"]]
    load(
        "a.jsonl", lines(*({"sku": f"A-{n}", "name": "x", "category": path} for n, path in enumerate(paths)))
    )
    assert set(Category.objects.values_list("path", flat=True)) == {
        "bags",
        "bags/cases",
        "bags/bags-cases",
        "components",
        "components/components-cases",
        "category",
        "category-2",
    }


def test_null_takes_a_product_out_of_its_category(load, make_product, make_category):
    make_product(sku="A-1", category=make_category("Tools"), brand="Bosal")
    load("a.jsonl", lines({"sku": "A-1", "category": None, "brand": None, "price": None, "attributes": None}))
    product = Product.objects.get()
    assert (product.category, product.brand, product.price, product.attributes) == (None, "", None, {})


def test_a_dry_run_reports_the_same_and_writes_nothing(load, make_product):
    make_product("Hammer", sku="A-1")
    rows = lines(
        {"sku": "A-1", "name": "Club hammer"}, {**FULL}, {"sku": "B", "name": "x", "price": -1}, {"sku": "C"}
    )
    dry = load("a.jsonl", rows, dry_run=True)
    assert Product.objects.get().name == "Hammer"
    assert not Category.objects.exists()
    real = load("a.jsonl", rows)
    assert dry == real
    assert (real.created, real.updated, real.bad, real.categories_created) == (1, 1, 2, 3)


def test_a_row_that_only_the_database_refuses_costs_only_itself(load):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE catalog_product ADD CONSTRAINT no_saws CHECK (name <> 'Saw')")
    rows = [{"sku": f"A-{n}", "name": "Saw" if n == 3 else "x", "category": [f"c{n}"]} for n in range(10)]
    report = load("a.jsonl", lines(*rows))
    assert (report.created, report.bad) == (9, 1)
    assert (report.bad_rows[0].place, report.bad_rows[0].sku) == ("line 4", "A-3")
    assert "no_saws" in report.bad_rows[0].reason
    assert report.categories_created == Category.objects.count() == 9


@pytest.mark.django_db(transaction=True)
def test_each_batch_is_told_of_after_commit_and_waits_behind_live_edits(load):
    told = []

    def listen(sender, count, **kwargs):
        told.append((sender, count, connection.in_atomic_block))

    products_changed.connect(listen)
    try:
        rows = [{"sku": f"A-{n}", "name": "x"} for n in range(BATCH_SIZE + 1)]
        load("a.jsonl", lines(*rows))
        load("a.jsonl", lines(*rows))
    finally:
        products_changed.disconnect(listen)
    assert told == [(Product, BATCH_SIZE, False), (Product, 1, False)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT priority FROM embeddings_productembedding")
        assert cursor.fetchall() == [(1,)]


def test_bad_rows_are_told_of_as_they_are_met_and_kept_up_to_a_limit(load, monkeypatch):
    monkeypatch.setattr("catalog.importer.MAX_KEPT", 3)
    met: list = []
    report = load("a.jsonl", lines(*["{"] * 10), on_bad_row=met.append)
    assert (report.bad, len(report.bad_rows), len(met)) == (10, 3, 10)


def test_an_interrupt_waits_until_the_batch_is_in(load):
    def interrupted(execute, sql, params, many, context):
        if sql.startswith("INSERT"):
            signal.raise_signal(signal.SIGINT)
        return execute(sql, params, many, context)

    with pytest.raises(KeyboardInterrupt), connection.execute_wrapper(interrupted):
        load("a.jsonl", lines(GOOD, GOOD | {"sku": "A-2"}))
    assert Product.objects.count() == 2
