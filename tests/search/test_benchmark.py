"""The benchmark measures what it says, in a database of its own."""

import json
from io import StringIO
from xml.etree import ElementTree

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from catalog.models import Product
from search.benchmarks import report, retrieval, scratch, workload
from search.models import SearchLog
from search.scope import Scope
from search.terms import refresh_terms

NAME = "nearshelf_benchmark_test"
SEMANTIC_KEYS = {
    "filter",
    "keeps",
    "correlated",
    "recall",
    "p50_ms",
    "p95_ms",
    "pgvector_recall",
    "pgvector_p50_ms",
    "lancedb_recall",
    "lancedb_p50_ms",
}
HTTP_KEYS = {"p50_ms", "p95_ms", "encode_p50_ms", "sql_p50_ms", "requests_per_s"}


def databases() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.django_db(transaction=True)
def test_a_small_benchmark_measures_everything_and_leaves_nothing(
    tmp_path, make_product, settings, monkeypatch
):
    mine = make_product()
    settings.SEARCH_LOG = True
    for who in ("ANON", "SUGGEST"):  # its server throttles nobody, or it would measure refusals
        monkeypatch.setenv(f"SEARCH_THROTTLE_{who}", "1/min")
    out, plot = StringIO(), tmp_path / "plot.svg"
    options = {"products": 400, "encode": 100, "queries": 2, "requests": 10, "scratch": NAME, "plot": plot}
    call_command("benchmark_search", json=True, stdout=out, stderr=StringIO(), **options)

    measured = json.loads(out.getvalue())
    assert all(row.keys() == SEMANTIC_KEYS for row in measured["semantic"])
    assert min(row["recall"] for row in measured["semantic"]) >= 0.99
    assert {round(row["keeps"], 2) for row in measured["semantic"]} >= {0.01, 0.5, 1.0}
    assert {row["filter"] for row in measured["semantic"]} >= {
        "none",
        "brand",
        "attribute",
        "attribute of kinds",
    }
    for clients in ("clients_1", "clients_8"):
        endpoints = measured["http"][clients]
        assert endpoints.keys() >= {
            "search_hybrid",
            "search_keyword",
            "search_common",
            "similar",
            "suggest",
            "categories",
        }
        assert all(figures.keys() == HTTP_KEYS for figures in endpoints.values())
        assert endpoints["search_hybrid"]["encode_p50_ms"] > 0
        assert endpoints["search_keyword"]["encode_p50_ms"] == 0
    stages = measured["stages"]
    assert stages["hybrid"].keys() >= {
        "encode",
        "words",
        "keyword",
        "semantic",
        "scores",
        "fusion",
        "hydrate",
        "whole",
    }
    assert "encode" not in stages["keyword"]
    assert all(0 < one["p50_ms"] <= one["p95_ms"] for one in stages["facets"].values())
    assert measured["search_log"].keys() == {"p50_ms", "p95_ms", "p99_ms"}
    assert 0 < measured["search_log"]["p50_ms"] < 0.5
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")
    assert NAME not in databases()
    assert list(Product.objects.all()) == [mine]
    assert not SearchLog.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_database_that_no_benchmark_made_is_left_alone():
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {NAME}")
    try:
        with pytest.raises(CommandError, match="no benchmark made"):
            call_command("benchmark_search", scratch=NAME, stderr=StringIO())
        assert NAME in databases()
    finally:
        scratch._drop(NAME)


def test_recall_counts_what_is_as_near_as_the_last_that_should_be_found():
    vectors = np.eye(30, dtype=np.float32)
    vectors[:, 0] = np.linspace(1, 0, 30)
    numbers = np.arange(30)
    rows = workload.Rows(numbers, numbers, numbers.astype(str), numbers.astype(float), {}, vectors)
    kept = np.ones(30, dtype=bool)
    kept[0] = False
    one = workload.Filter("price", Scope(), kept, False, frozenset())
    recall = retrieval._judge(rows, one, np.eye(30, dtype=np.float32)[0])
    assert recall(list(range(1, 21))) == 1.0
    assert recall(list(range(2, 22))) == 0.95
    assert recall([0]) == 0.0


def test_the_plot_has_a_mark_for_each_filter_and_contestant():
    row = dict.fromkeys(SEMANTIC_KEYS, 0.5) | {"filter": "price", "correlated": False, "lancedb_recall": None}
    row["lancedb_p50_ms"] = None
    measured = {"products": 10, "machine": "A & B", "semantic": [row, row]}
    root = ElementTree.fromstring(report.plot(measured))
    marks = [one for one in root.iter("{http://www.w3.org/2000/svg}circle") if one.get("r") == "4"]
    assert len(marks) == 2 * 2 * 2


@pytest.mark.django_db
def test_very_common_words_are_words_that_the_index_has(make_product):
    for _ in range(2):
        make_product("Drill for the wall")
    make_product("Wall")
    refresh_terms()
    assert workload.common_words() == ["wall", "drill"]
