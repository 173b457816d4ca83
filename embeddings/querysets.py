"""Questions that are asked of vectors and models."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Cast, Now
from pgvector import HalfVector
from pgvector.django import CosineDistance, HalfVectorField

if TYPE_CHECKING:
    from embeddings.models import (  # noqa: F401 - named in strings below
        EmbeddingModel,
        EmbeddingRun,
        ModelAddition,
        ProductEmbedding,
    )

# The stored vector does not belong to the product's current text.
UNSETTLED = Q(stored_digest__isnull=True) | ~Q(stored_digest=F("wanted_digest"))


# A run that noted no progress for so long has lost its process.
STALLED_AFTER = timedelta(seconds=60)


class Status(models.TextChoices):
    """What staff see of one product's vector. Derived from the row whenever it is asked for."""

    READY = "ready", "Ready"
    STALE = "stale", "Stale"
    PENDING = "pending", "Pending"
    PROCESSING = "processing", "Processing"
    FAILED = "failed", "Failed"
    INACTIVE = "inactive", "Inactive"


class Priority(models.IntegerChoices):
    """Which rows are claimed first."""

    LIVE = 0  # oldest first
    BULK = 1  # category by category: rows lie on disk in the order in which they are stored
    BULK_RETRY = 2  # those of a bulk load that failed, which would hold up the categories after theirs


_IS_READY = Q(stored_digest=F("wanted_digest"))
_GAVE_UP = Q(next_attempt_at__isnull=True)
_HAS_VECTOR = Q(stored_digest__isnull=False)


def status_expression() -> Case:
    """SQL expression for the status of a ProductEmbedding row."""
    return Case(
        When(is_active=False, then=Value(Status.INACTIVE)),
        When(_IS_READY, then=Value(Status.READY)),
        When(_GAVE_UP, then=Value(Status.FAILED)),
        When(lease_until__gt=Now(), then=Value(Status.PROCESSING)),
        When(_HAS_VECTOR, then=Value(Status.STALE)),
        default=Value(Status.PENDING),
        output_field=models.CharField(),
    )


def status_condition(status: Status) -> Q:
    """Condition for rows of one status, in the form that the queue's partial index serves."""
    if status == Status.INACTIVE:
        return Q(is_active=False)
    if status == Status.READY:
        return Q(is_active=True) & _IS_READY
    unsettled = Q(is_active=True) & UNSETTLED
    if status == Status.FAILED:
        return unsettled & _GAVE_UP
    waiting = unsettled & ~_GAVE_UP
    leased = Q(lease_until__isnull=False) & Q(lease_until__gt=Now())
    if status == Status.PROCESSING:
        return waiting & leased
    free = waiting & (Q(lease_until__isnull=True) | Q(lease_until__lte=Now()))
    return free & (_HAS_VECTOR if status == Status.STALE else ~_HAS_VECTOR)


class EmbeddingModelQuerySet(models.QuerySet["EmbeddingModel"]):
    """Models by their state."""

    def active(self) -> EmbeddingModel:
        """The model that search uses. Raises EmbeddingModel.DoesNotExist where there is none."""
        return self.get(state="active")

    def live(self) -> EmbeddingModelQuerySet:
        """Models whose vectors are kept up to date: the active one first, then those being built."""
        return self.filter(state__in=["active", "building"]).order_by("state", "id")


class ModelAdditionQuerySet(models.QuerySet["ModelAddition"]):
    """Models that were asked for."""

    def open(self) -> ModelAdditionQuerySet:
        """Those that a worker has yet to add, the first come first."""
        return self.filter(error="").order_by("pk")

    def failed(self) -> ModelAdditionQuerySet:
        """Those that could not be added."""
        return self.exclude(error="")

    def idle(self) -> ModelAdditionQuerySet:
        """Those that no worker is at."""
        return self.filter(Q(begun_at=None) | ~Q(error=""))

    def same_as(self, other: ModelAddition) -> ModelAdditionQuerySet:
        """Those that ask for the same model as another one."""
        fields = ("name", "revision", "query_prompt", "document_prompt")
        return self.filter(**{name: getattr(other, name) for name in fields})


class ProductEmbeddingQuerySet(models.QuerySet["ProductEmbedding"]):
    """Vectors by their status."""

    # What annotates returns Any: type checkers cannot follow an annotation through a method.

    def with_status(self) -> Any:
        """Annotate `status`, one of `Status`."""
        return self.annotate(status=status_expression())

    def nearest_to(self, vector: Any, dimensions: int) -> Any:
        """Rows with a vector by cosine distance to `vector` `(dimensions,)`, annotated as `distance`.

        The cast is the HNSW index's own expression, so that PostgreSQL may use it.
        """
        stored = Cast("vector", HalfVectorField(dimensions=dimensions))
        return (
            self.filter(vector__isnull=False)
            .annotate(distance=CosineDistance(stored, HalfVector(vector)))
            .order_by("distance", "pk")
        )

    def unsettled(self) -> ProductEmbeddingQuerySet:
        """Rows of active products that still want work, failed ones included."""
        return self.filter(UNSETTLED, is_active=True)

    def failed(self) -> ProductEmbeddingQuerySet:
        """Rows whose attempts are used up for the text they have now."""
        return self.unsettled().filter(next_attempt_at__isnull=True)

    def waiting(self) -> ProductEmbeddingQuerySet:
        """Rows that will be worked on without anyone's doing, now or after a delay."""
        return self.unsettled().filter(next_attempt_at__isnull=False)

    def without_late_edits(self, seconds: float) -> ProductEmbeddingQuerySet:
        """Leave out rows that a live edit of the last `seconds` wants done, and that will be.

        Rows that a model is to be filled with have another priority than live edits, however late.
        """
        return self.exclude(
            priority=0,
            wanted_at__gt=Now() - timedelta(seconds=seconds),
            next_attempt_at__isnull=False,
            attempts__lt=settings.EMBEDDING_MAX_ATTEMPTS,
        )

    def retry(self) -> int:
        """Give every failed row of this set a fresh start; return how many there were."""
        return self.failed().update(attempts=0, next_attempt_at=Now(), lease_until=None)

    def reembed(self) -> int:
        """Have every row of this set embedded again, keeping its vector until then; return how many."""
        return self.update(
            stored_digest=Case(When(vector__isnull=False, then=Value(""))),
            attempts=0,
            next_attempt_at=Now(),
            lease_until=None,
            last_error="",
        )


class EmbeddingRunQuerySet(models.QuerySet["EmbeddingRun"]):
    """Backfills by how far they are."""

    def open(self) -> EmbeddingRunQuerySet:
        """Runs that have not ended, stalled ones included."""
        return self.filter(finished_at__isnull=True)

    def stalled(self) -> EmbeddingRunQuerySet:
        """Open runs that noted no progress for STALLED_AFTER."""
        return self.open().filter(heartbeat_at__lt=Now() - STALLED_AFTER)
