"""What a look for work costs in a large shop where nothing is to be done."""

import functools
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from catalog.models import Product
from embeddings import backfill, pipeline, runs, upkeep
from embeddings.checks import check_models
from embeddings.models import EmbeddingModel, EmbeddingRun, ProductEmbedding

ROWS = 5_000

FILL_SQL = """
INSERT INTO catalog_product (sku, name, currency, attributes)
SELECT 'S-' || number, 'Saw number ' || number, 'EUR', '{}' FROM generate_series(1, %s) AS number
"""
# A short vector for each, and no index over them: the queue is what is measured.
SETTLE_SQL = "UPDATE embeddings_productembedding SET vector = '[1,0]', stored_digest = wanted_digest"


@pytest.fixture
def settled(db: None) -> EmbeddingModel:
    """The active model of a shop in which every product is ready."""
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX embedding_hnsw_1")
        cursor.execute(FILL_SQL, [ROWS])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(SETTLE_SQL)
        cursor.execute("ANALYZE embeddings_productembedding")
    return EmbeddingModel.objects.active()


def explained(work: Callable[[], Any]) -> list[dict[str, Any]]:
    """The plans, with actual times, of the queries that some work makes."""
    plans: list[dict[str, Any]] = []

    def explain(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        if "SELECT" in sql and "embeddings_productembedding" in sql:
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
                (plan,) = cursor.fetchone()
                plans.extend(json.loads(plan) if isinstance(plan, str) else plan)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        work()
    return plans


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """A node of a plan and all below it."""
    return [plan, *(node for below in plan.get("Plans", []) for node in nodes(below))]


# What workers ask again and again.
PROBES: dict[str, Callable[[EmbeddingModel], Any]] = {
    "claim": lambda model: pipeline.claim(model, 256),
    "claim in a category": lambda model: pipeline.claim(model, 256, pipeline.Scope(category_path="tools")),
    "is a run's work due": lambda model: runs._due(EmbeddingRun(model=model)),
    "how far is a run": lambda model: backfill.progress(model, pipeline.EVERYTHING),
    "is a model filling": upkeep._filling,
    "system check": lambda model: check_models(databases=["default"]),
}


def tables_read(plans: list[dict[str, Any]]) -> set[str]:
    """Tables that a plan reads from the first row to the last."""
    found = [node for plan in plans for node in nodes(plan["Plan"])]
    return {node["Relation Name"] for node in found if node["Node Type"] == "Seq Scan"}


def test_no_look_for_work_reads_the_table(settled: EmbeddingModel) -> None:
    # Beside another one that is active, which is looked at in fewer ways.
    EmbeddingModel.objects.filter(pk=settled.pk).update(state="building")
    EmbeddingModel.objects.create(
        name=settled.name, document_prompt="product: ", dimensions=settled.dimensions, state="active"
    )
    reading = {}
    for due in (0, 10):
        some = Product.objects.order_by("pk").values("pk")[:due]
        Product.objects.filter(pk__in=some).update(name="Sharp saw")
        for name, probe in PROBES.items():
            plans = explained(functools.partial(probe, settled))
            assert plans, name
            reading[name, due] = tables_read(plans)
    assert [probe for probe, tables in reading.items() if "embeddings_productembedding" in tables] == []


def test_looking_for_work_where_there_is_none_is_a_probe_of_the_queue(settled: EmbeddingModel) -> None:
    assert ProductEmbedding.objects.count() == ROWS
    (plan,) = explained(lambda: pipeline.claim(settled, 256))
    found = nodes(plan["Plan"])
    assert [node["Index Name"] for node in found if "Index Name" in node] == ["embedding_queue_order"]
    assert not [node for node in found if node["Node Type"] == "Seq Scan"]
