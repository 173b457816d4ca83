"""Liveness and readiness, for load balancers and for people."""

import functools
import logging
from collections.abc import Callable
from typing import Any

import psycopg
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from embeddings import indexes, status
from embeddings.checks import MINIMUM_PGVECTOR
from embeddings.encoders import loaded
from embeddings.models import EmbeddingModel, ProductEmbedding
from search import redis_client
from search.api import warmup
from search.api.renderers import dump

logger = logging.getLogger("nearshelf.search")

# A database that takes longer to let someone in is not one to send visitors to.
CONNECT_TIMEOUT_S = 2

Check = dict[str, Any]


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers. Asks nothing of anyone else, so that a database's trouble restarts no web server."""
    return HttpResponse(dump({"status": "ok"}), content_type="application/json")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 where this process can serve searches, 503 where it cannot; the checks say why."""
    report = readiness()
    code = 503 if report["status"] == "failed" else 200
    response = HttpResponse(dump(report), status=code, content_type="application/json")
    # While it starts, a 503 is the expected answer to whoever asks twice a second: nothing to log as an error.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def readiness() -> dict[str, Any]:
    """`{"status": "ok" | "degraded" | "failed", "checks": {name: {"status", "detail"?, ...}}}`.

    Database, migrations, model and index must be well; Redis may be away, which is `degraded`.
    """
    checks: dict[str, Check] = {"database": _database()}
    if checks["database"]["status"] == "ok":
        for name, check in _ON_DATABASE.items():
            checks[name] = _guarded(check)
    checks["redis"] = _redis()
    found = {check["status"] for check in checks.values()}
    worst = next(level for level in ("failed", "degraded", "ok") if level in found)
    return {"status": worst, "checks": checks}


def _database() -> Check:
    """PostgreSQL lets us in and has pgvector. Asked apart from the pool, whose queue may be long."""
    params = connection.get_connection_params()
    for ours in ("pool", "cursor_factory", "context", "server_side_binding", "prepare_threshold"):
        params.pop(ours, None)
    try:
        with psycopg.connect(**{**params, "connect_timeout": CONNECT_TIMEOUT_S}) as database:
            row = database.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
    except psycopg.Error as error:
        logger.error("PostgreSQL cannot be reached: %s", error)  # it names hosts and users: not for strangers
        return _failed("PostgreSQL cannot be reached; the log says why.")
    if row is None:
        return _failed("pgvector is not installed; run `manage.py migrate`.")
    if tuple(int(part) for part in row[0].split(".")) < MINIMUM_PGVECTOR:
        return _failed(f"pgvector {row[0]} is too old; 0.8 is needed.")
    return {"status": "ok", "pgvector": row[0]}


def _migrations() -> Check:
    if _all_migrated():
        return {"status": "ok"}
    return _failed("Migrations are missing; run `manage.py migrate`.")


def _model() -> Check:
    model = EmbeddingModel.objects.filter(state=EmbeddingModel.State.ACTIVE).first()
    if model is None:
        return _failed("No embedding model is active; run `manage.py embedding_models activate ID`.")
    if not loaded(model):
        warmup.start()
        return {**_failed("The model is not loaded yet."), "name": model.name}
    return {"status": "ok", "name": model.name}


def _index() -> Check:
    state = indexes.state(EmbeddingModel.objects.active())
    if state["valid"]:
        return {"status": "ok", **state}
    return {
        **_failed("The HNSW index is missing or invalid; run `manage.py embedding_models index ID`."),
        **state,
    }


def _backlog() -> Check:
    """Texts that wait for their vector. A long queue is no reason to turn visitors away."""
    model = EmbeddingModel.objects.active()
    waiting = ProductEmbedding.objects.filter(model=model).waiting().count()
    return {"status": "ok", "waiting": waiting, "oldest_s": status.oldest_pending_s(model)}


def _redis() -> Check:
    if redis_client.attempt(lambda redis: bool(redis.ping()), otherwise=False):
        return {"status": "ok"}
    return {
        "status": "degraded",
        "detail": "Redis cannot be reached: no throttling, and new texts wait some seconds.",
    }


_ON_DATABASE: dict[str, Callable[[], Check]] = {
    "migrations": _migrations,
    "model": _model,
    "index": _index,
    "backlog": _backlog,
}


def _guarded(check: Callable[[], Check]) -> Check:
    try:
        return check()
    except EmbeddingModel.DoesNotExist:
        return _failed("No embedding model is active.")
    except DatabaseError as error:
        logger.error("A check of readiness failed: %s", error)
        return _failed("The database did not answer; the log says why.")


def _failed(detail: str) -> Check:
    return {"status": "failed", "detail": detail}


class _NotMigratedError(Exception):
    """Keeps `functools.cache` from remembering a no, which will change."""


@functools.cache
def _migrated() -> bool:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise _NotMigratedError
    return True


def _all_migrated() -> bool:
    """Whether nothing is left to migrate; asked until it is so, as reading all migrations takes a while."""
    try:
        return _migrated()
    except _NotMigratedError:
        return False
