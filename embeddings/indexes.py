"""The HNSW indexes, one partial index per model."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from embeddings.models import EmbeddingModel, ProductEmbedding, hnsw_index

# A graph that outgrows maintenance_work_mem is built several times slower.
BUILD_MEMORY_MB = 512


def state(model: EmbeddingModel) -> dict[str, Any]:
    """What PostgreSQL knows of a model's index: {"name", "exists", "valid", "size_bytes"}."""
    name = index_name(model)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.indisvalid AND i.indisready, pg_relation_size(i.indexrelid) FROM pg_index AS i "
            "JOIN pg_class AS c ON c.oid = i.indexrelid "
            "WHERE i.indrelid = %s::regclass AND c.relname = %s",
            [ProductEmbedding._meta.db_table, name],
        )
        row = cursor.fetchone()
    return {
        "name": name,
        "exists": row is not None,
        "valid": bool(row and row[0]),
        "size_bytes": row[1] if row else 0,
    }


def index_name(model: EmbeddingModel) -> str:
    """Name of a model's HNSW index."""
    return hnsw_index(model.pk, model.dimensions).name


def build(model: EmbeddingModel) -> None:
    """Build a model's index without blocking writers; do nothing where a valid one exists.

    Must run outside a transaction. An invalid index, left by a build that was interrupted, is replaced.
    """
    found = state(model)
    if found["valid"]:
        return
    if found["exists"]:
        drop(model)
    with _building(), connection.schema_editor(atomic=False) as editor:
        index = hnsw_index(model.pk, model.dimensions)
        editor.execute(index.create_sql(ProductEmbedding, editor, concurrently=True))


def drop(model: EmbeddingModel) -> None:
    """Drop a model's index without blocking writers. Search scans exactly meanwhile: slower, and right."""
    with connection.schema_editor(atomic=False) as editor:
        name = editor.quote_name(index_name(model))
        editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


@contextmanager
def _building() -> Iterator[None]:
    """Give this connection the memory that a build wants, for its duration."""
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = %s", [f"{BUILD_MEMORY_MB}MB"])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET maintenance_work_mem")
