"""The benchmark measures what it says, and leaves nothing behind."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from catalog.models import Product
from embeddings import benchmark, scratch

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.benchmark]


def databases() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        return {name for (name,) in cursor.fetchall()}


def test_it_measures_beside_the_shop_and_leaves_nothing(make_product: Any) -> None:
    product, before = make_product("Claw hammer"), databases()
    out = StringIO()
    call_command(
        "benchmark_embeddings",
        "--json",
        products=20,
        rounds=1,
        saves=2,
        sweep_rows=600,
        stdout=out,
        stderr=out,
    )
    found = json.loads(out.getvalue())
    assert {name: set(part) if isinstance(part, dict) else part for name, part in found.items()} == {
        "encode": {"texts_per_s", "baseline_texts_per_s", "query_ms", "baseline_query_ms", "mean_cosine"},
        "pipeline": {"products_per_s", "ratio"},
        "save_to_searchable_ms": {"p50", "p95"},
        "price_updates": {"per_s", "ratio"},
        "sweep": {"rows", "ms"},
        "worker_rss_mib": found["worker_rss_mib"],
    }
    assert found["encode"]["mean_cosine"] > 0.999
    assert found["sweep"]["rows"] == 600
    assert found["worker_rss_mib"] > 50
    assert databases() == before
    assert list(Product.objects.all()) == [product]


def test_it_refuses_to_measure_in_the_shops_database() -> None:
    with pytest.raises(scratch.ScratchError, match="the scratch one alone"):
        benchmark.measure(1, 1, 1, 1)
    with pytest.raises(CommandError, match="--rounds must be 1 or more"):
        call_command("benchmark_embeddings", rounds=0)


def test_a_second_benchmark_is_refused_while_one_runs() -> None:
    with scratch.environment() as environment:
        assert environment["DATABASE_URL"] != ""
        with connection._nodb_cursor() as cursor:
            cursor.execute("SELECT 1")
        other = connection.copy()
        other.settings_dict = {
            **connection.settings_dict,
            "NAME": f"{connection.settings_dict['NAME']}{scratch.SUFFIX}",
        }
        with other.cursor() as cursor:
            cursor.execute("SELECT 1")
            with (
                pytest.raises(scratch.ScratchError, match="another benchmark is running"),
                scratch.environment(),
            ):
                pass
        other.close()
