"""What operators and staff ask: how far is it, what failed, is the index there?"""

from typing import Any

from django.db import connection
from django.db.models import Count, Min, Q
from django.utils import timezone

from catalog.models import Product
from embeddings import census, indexes, runs
from embeddings.models import EmbeddingModel, ProductEmbedding, Status
from embeddings.planning import through_indexes


def counts(model: EmbeddingModel | None = None) -> dict[str, int]:
    """Products by status under a model, the active one if none is named. Every status is a key."""
    if model is None:
        model = EmbeddingModel.objects.active()
    found = (
        ProductEmbedding.objects.filter(model=model)
        .with_status()
        .values("status")
        .annotate(number=Count("id"))
        .values_list("status", "number")
    )
    return {status.value: 0 for status in Status} | dict(found)


def oldest_pending_s(model: EmbeddingModel) -> float | None:
    """Seconds for which the oldest waiting text has waited; None where nothing waits."""
    with through_indexes():
        rows = ProductEmbedding.objects.filter(model=model).waiting()
        since = rows.aggregate(since=Min("wanted_at"))["since"]
    return None if since is None else round((timezone.now() - since).total_seconds(), 3)


def report() -> dict[str, Any]:
    """Everything `embedding_status --json` prints, the active model's figures on top."""
    model = EmbeddingModel.objects.active()
    models = list(EmbeddingModel.objects.order_by("pk"))
    found = census.take()
    built = indexes.states(models)
    return {
        "model": model.name,
        "counts": found.of(model.pk),
        "oldest_pending_s": oldest_pending_s(model),
        "index": indexes.state(model),
        "models": [
            {
                "id": other.pk,
                "name": other.name,
                "dimensions": other.dimensions,
                "state": other.state,
                "counts": found.of(other.pk),
                "index": built[other.pk],
            }
            for other in models
        ],
        "failures": failures(model),
        "runs": runs.latest(),
    }


def failures(model: EmbeddingModel, limit: int = 10) -> list[dict[str, Any]]:
    """The most frequent messages of failed rows: [{"message", "products"}]."""
    found = (
        ProductEmbedding.objects.filter(model=model)
        .failed()
        .values("last_error")
        .annotate(products=Count("id"))
        .order_by("-products", "last_error")[:limit]
    )
    with through_indexes():
        return [{"message": row["last_error"], "products": row["products"]} for row in found]


def status_of(product: Product) -> dict[str, Any]:
    """One product's status under the active model: {"status", "embedded_at", "attempts", "last_error"}."""
    row = rows_by_product([product.pk]).get(product.pk)
    if row is None:
        return {"status": Status.PENDING.value, "embedded_at": None, "attempts": 0, "last_error": ""}
    return {
        "status": row.status,
        "embedded_at": row.embedded_at,
        "attempts": row.attempts,
        "last_error": row.last_error,
    }


def rows_by_product(product_ids: list[int], model_id: int | None = None) -> dict[int, Any]:
    """Rows with their `status`, without the vectors, in one query; of the active model if none is named."""
    of_model = Q(model__state=EmbeddingModel.State.ACTIVE) if model_id is None else Q(model=model_id)
    rows = (
        ProductEmbedding.objects.filter(of_model, product_id__in=product_ids)
        .select_related("model")
        .defer("vector")
        .with_status()
    )
    return {row.product_id: row for row in rows}


def pgvector_version() -> tuple[int, ...] | None:
    """Version of the installed vector extension, or None."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        row = cursor.fetchone()
    return None if row is None else tuple(int(part) for part in row[0].split("."))
