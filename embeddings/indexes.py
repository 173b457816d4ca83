"""The HNSW indexes, one partial index per model."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connection

from embeddings import locks
from embeddings.exceptions import IndexBusyError
from embeddings.models import EmbeddingModel, ProductEmbedding, hnsw_index

# How long to wait for another process that builds or drops an index.
WAIT_S = 3600.0


def state(model: EmbeddingModel) -> dict[str, Any]:
    """What PostgreSQL knows of a model's index: {"name", "exists", "valid", "size_bytes"}."""
    return states([model])[model.pk]


def states(models: Iterable[EmbeddingModel]) -> dict[int, dict[str, Any]]:
    """`state` of several models by id, in one query."""
    names = {model.pk: index_name(model) for model in models}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, i.indisvalid AND i.indisready, pg_relation_size(i.indexrelid) FROM pg_index AS i "
            "JOIN pg_class AS c ON c.oid = i.indexrelid "
            "WHERE i.indrelid = %s::regclass AND c.relname = ANY(%s)",
            [ProductEmbedding._meta.db_table, list(names.values())],
        )
        found = {name: (valid, size) for name, valid, size in cursor.fetchall()}
    return {
        model: {
            "name": name,
            "exists": name in found,
            "valid": found[name][0] if name in found else False,
            "size_bytes": found[name][1] if name in found else 0,
        }
        for model, name in names.items()
    }


def index_name(model: EmbeddingModel) -> str:
    """Name of a model's HNSW index."""
    return hnsw_index(model.pk, model.dimensions).name


def build(model: EmbeddingModel, wait_s: float = WAIT_S) -> None:
    """Build a model's index without blocking writers; do nothing where a valid one exists.

    Must run outside a transaction. An invalid index, left by a build that was interrupted, is replaced.
    Raises IndexBusyError when another process still builds one after `wait_s` seconds.
    """
    with _alone(wait_s):
        found = state(model)
        if found["valid"]:
            return
        if found["exists"]:
            _drop(model)
        with _memory(), connection.schema_editor(atomic=False) as editor:
            index = hnsw_index(model.pk, model.dimensions)
            editor.execute(index.create_sql(ProductEmbedding, editor, concurrently=True))


def mend(model: EmbeddingModel, wait_s: float = WAIT_S) -> bool:
    """Build a missing or invalid index, unless a process that loads vectors in bulk will; return whether built.

    Raises IndexBusyError.
    """
    if state(model)["valid"]:
        return False
    with locks.advisory(locks.loading(model.pk)) as free:
        if free:
            build(model, wait_s)
        return free


def rebuild(model: EmbeddingModel, wait_s: float = WAIT_S) -> None:
    """Build a model's index anew; search uses the old one until then. Otherwise like `build`."""
    if not state(model)["valid"]:
        build(model, wait_s)
        return
    with _alone(wait_s), _memory(), connection.schema_editor(atomic=False) as editor:
        editor.execute(f"REINDEX INDEX CONCURRENTLY {editor.quote_name(index_name(model))}")


def drop(model: EmbeddingModel, wait_s: float = WAIT_S) -> None:
    """Drop a model's index without blocking writers. Search scans exactly meanwhile: slower, and right.

    Raises IndexBusyError.
    """
    with _alone(wait_s):
        _drop(model)


def _drop(model: EmbeddingModel) -> None:
    with connection.schema_editor(atomic=False) as editor:
        name = editor.quote_name(index_name(model))
        editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


@contextmanager
def _alone(wait_s: float) -> Iterator[None]:
    """Be the only one who builds or drops an index."""
    with locks.advisory(locks.INDEXES, wait_s) as held:
        if not held:
            raise IndexBusyError("Another process is building an index. Try again when it is done.")
        yield


@contextmanager
def _memory() -> Iterator[None]:
    """Give this connection the memory that a build wants, for the block.

    A graph that outgrows it is built several times slower.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = %s", [f"{settings.EMBEDDING_INDEX_MEMORY_MB}MB"])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET maintenance_work_mem")
