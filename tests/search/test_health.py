"""Liveness, readiness and figures."""

import gc
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client

from embeddings import encoders
from embeddings.models import EmbeddingModel
from search import redis_client
from search.api import health, warmup

pytestmark = pytest.mark.django_db


@pytest.fixture
def warm() -> None:
    warmup.warm()


def test_liveness_asks_no_one(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert "no-store" in response.headers["Cache-Control"]
    assert client.post("/healthz").status_code == 405


def test_a_warm_process_is_ready(client: Client, warm: None, make_product: Any) -> None:
    make_product()
    response = client.get("/readyz")
    body = response.json()
    assert (response.status_code, body["status"]) == (200, "ok")
    assert list(body["checks"]) == ["database", "migrations", "model", "index", "backlog", "redis"]
    assert {check["status"] for check in body["checks"].values()} == {"ok"}
    assert body["checks"]["backlog"]["waiting"] == 1


def test_without_redis_it_is_degraded_but_serves(client: Client, warm: None, settings: Any) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    response = client.get("/readyz")
    redis_client.try_again()
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert "nowhere" not in response.content.decode()


def test_the_garbage_collector_leaves_a_warm_process_alone() -> None:
    before = gc.get_freeze_count()
    warmup.start().join(60)
    assert gc.get_freeze_count() > before


def test_without_the_model_it_is_not_ready(client: Client, monkeypatch: Any) -> None:
    started = []
    monkeypatch.setattr(warmup, "start", lambda: started.append(1))
    monkeypatch.setattr(encoders, "_encoders", {})
    response = client.get("/readyz")
    assert (response.status_code, response.json()["checks"]["model"]["status"]) == (503, "failed")
    assert started, "readiness has the model loaded"


def test_without_an_active_model_it_is_not_ready(client: Client, warm: None) -> None:
    EmbeddingModel.objects.update(state="retired")
    response = client.get("/readyz")
    checks = response.json()["checks"]
    assert response.status_code == 503
    assert {checks[name]["status"] for name in ("model", "index", "backlog")} == {"failed"}


def test_without_its_index_it_is_not_ready(client: Client, warm: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX embedding_hnsw_1")
    response = client.get("/readyz")
    assert (response.status_code, response.json()["checks"]["index"]["status"]) == (503, "failed")


def test_missing_migrations_are_found(client: Client, warm: None) -> None:
    health._migrated.cache_clear()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'embeddings'")
    response = client.get("/readyz")
    health._migrated.cache_clear()
    assert (response.status_code, response.json()["checks"]["migrations"]["status"]) == (503, "failed")


def test_without_the_database_it_says_so_at_once_and_no_secrets(client: Client, monkeypatch: Any) -> None:
    def refuse(**params: Any) -> None:
        raise psycopg.OperationalError("connection to db.internal failed for user shop")

    monkeypatch.setattr(health.psycopg, "connect", refuse)
    response = client.get("/readyz")
    assert (response.status_code, list(response.json()["checks"])) == (503, ["database", "redis"])
    assert "internal" not in response.content.decode()


def test_figures_are_for_staff_and_for_the_token(client: Client, staff_client: Client, settings: Any) -> None:
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401
    assert "django_http_requests" in staff_client.get("/metrics").content.decode()
    settings.METRICS_TOKEN = "open sesame"
    assert client.get("/metrics", headers={"Authorization": "Bearer open sesame"}).status_code == 200
    assert client.get("/metrics", headers={"Authorization": "Bearer open ses\u00e4me"}).status_code == 401
