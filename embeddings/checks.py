"""System checks: what would keep products from being found by meaning, and what to do about it."""

from collections.abc import Sequence
from typing import Any

import django_rq
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from redis.exceptions import RedisError

from embeddings import bell, indexes, status
from embeddings.encoders import encoder_for, loaded
from embeddings.exceptions import ModelUnavailableError
from embeddings.models import EmbeddingModel, ProductEmbedding
from embeddings.planning import through_indexes

MINIMUM_PGVECTOR = (0, 8, 0)


@register(Tags.database)
def check_pgvector(*, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """pgvector is there and knows iterative index scans."""
    if not _asked(databases):
        return []
    version = status.pgvector_version()
    if version is None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")
            available = cursor.fetchone() is not None
        if available:  # the first migration installs it
            return []
        return [
            Error(
                "PostgreSQL has no pgvector.",
                hint="Install the package postgresql-NN-pgvector, or use the image pgvector/pgvector.",
                id="embeddings.E001",
            )
        ]
    if version < MINIMUM_PGVECTOR:
        return [
            Error(
                f"pgvector {'.'.join(map(str, version))} is too old; 0.8 is needed for filtered search.",
                hint="Upgrade the package, then run `ALTER EXTENSION vector UPDATE;`.",
                id="embeddings.E002",
            )
        ]
    return []


@register(Tags.database)
def check_models(*, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """The active model can be used and makes the vectors its row promises; it and every full one has its index."""
    if not _asked(databases) or not _migrated():
        return []
    active = EmbeddingModel.objects.filter(state=EmbeddingModel.State.ACTIVE).first()
    if active is None:
        return [
            Error(
                "No embedding model is active, so search knows no meaning.",
                hint="Run `manage.py embedding_models activate ID`.",
                id="embeddings.E003",
            )
        ]
    messages: list[CheckMessage] = []
    try:
        if not loaded(active):
            encoder_for(active)
    except ModelUnavailableError as error:
        messages.append(
            Error(str(error), hint="Search answers from keywords meanwhile.", id="embeddings.E004")
        )
    for model in EmbeddingModel.objects.live():
        index = indexes.state(model)
        if not index["valid"] and not _filling(model):
            messages.append(
                Warning(
                    f"The HNSW index of {model.name} is {'invalid' if index['exists'] else 'missing'}.",
                    hint=f"Run `manage.py embedding_models index {model.pk}`. Search is right, but slower.",
                    id="embeddings.W001",
                )
            )
    return messages


@register(Tags.database)
def check_redis(*, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """Redis answers."""
    if not _asked(databases):
        return []
    try:
        django_rq.get_connection(bell.QUEUE).ping()
    except (RedisError, OSError) as error:
        return [
            Warning(
                f"Redis cannot be reached: {error}",
                hint="Set REDIS_URL. Products are still embedded, a few seconds later.",
                id="embeddings.W002",
            )
        ]
    return []


def _filling(model: EmbeddingModel) -> bool:
    """Whether a model is being built and not yet full: its index is made when it is."""
    if model.state == EmbeddingModel.State.ACTIVE:
        return False
    with through_indexes():
        waiting = ProductEmbedding.objects.filter(model=model).waiting().exists()
    return waiting or model.rows_checked_at is None


def _asked(databases: Sequence[str] | None) -> bool:
    """Whether this run of checks may ask the database (`manage.py check --database default`, `migrate`)."""
    return databases is not None and "default" in databases


def _migrated() -> bool:
    """Whether the tables are as this code knows them; `migrate` runs the checks before it makes them so."""
    try:
        executor = MigrationExecutor(connection)
        return not executor.migration_plan(executor.loader.graph.leaf_nodes("embeddings"))
    except DatabaseError:
        return False
