"""What a look for work costs in a large shop where nothing is to be done."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from embeddings import pipeline
from embeddings.models import EmbeddingModel, ProductEmbedding

ROWS = 20_000
# On a quiet machine it takes 0.05 ms; a scan of the table takes 10 ms and more.
BAR_MS = 2.0

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


def test_looking_for_work_where_there_is_none_is_a_probe_of_the_queue(settled: EmbeddingModel) -> None:
    assert ProductEmbedding.objects.count() == ROWS
    plans = [plan for _ in range(5) for plan in explained(lambda: pipeline.claim(settled, 256))]
    assert len(plans) == 5
    found = nodes(plans[-1]["Plan"])
    assert [node["Index Name"] for node in found if "Index Name" in node] == ["embedding_queue"]
    assert not [node for node in found if node["Node Type"] == "Seq Scan"]
    assert min(plan["Execution Time"] for plan in plans) < BAR_MS
