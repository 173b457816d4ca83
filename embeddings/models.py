"""Vectors, and the models that make them."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Case, F, Q, When
from django.db.models.functions import Cast, Now
from django.utils import timezone
from pgvector.django import HalfVectorField, HnswIndex

from catalog.models import Category, Product
from embeddings import triggers
from embeddings.querysets import (
    STALLED_AFTER,
    UNSETTLED,
    EmbeddingModelQuerySet,
    EmbeddingRunQuerySet,
    ModelAdditionQuerySet,
    Priority,
    ProductEmbeddingQuerySet,
    Status,
)

# The model that the first migration creates and whose index stands in ProductEmbedding.Meta.
DEFAULT_MODEL_ID = 1
DEFAULT_DIMENSIONS = 384
# pgvector's HNSW takes halfvec columns of up to 4,000 dimensions.
MAX_DIMENSIONS = 4000

HNSW_M = 16
# With pgvector's 64, or with 100, crowds of near twins become islands in the graph that no walk comes upon.
HNSW_EF_CONSTRUCTION = 200


def hnsw_index(model_id: int, dimensions: int) -> HnswIndex:
    """The partial HNSW index over one model's vectors.

    A query uses it only when it orders by the very same cast and states `model_id` as a literal.
    """
    return HnswIndex(
        OpClass(Cast("vector", HalfVectorField(dimensions=dimensions)), name="halfvec_cosine_ops"),
        name=f"embedding_hnsw_{model_id}",
        m=HNSW_M,
        ef_construction=HNSW_EF_CONSTRUCTION,
        condition=Q(model=model_id),
    )


class EmbeddingModel(models.Model):
    """A model that vectors were or are being made with. What makes vectors incomparable is part of the row."""

    class State(models.TextChoices):
        """One model is active; others may be filling up beside it or be kept for going back."""

        ACTIVE = "active", "Active"
        BUILDING = "building", "Building"
        RETIRED = "retired", "Retired"

    class Distance(models.TextChoices):
        """How nearness is measured. Vectors are stored at unit length, so cosine it is."""

        COSINE = "cosine", "Cosine"

    name = models.CharField(
        max_length=300,
        help_text="A sentence-transformers name or path, or “all-MiniLM-L6-v2” for the packaged one.",
    )
    revision = models.CharField(max_length=80, blank=True, default="")
    dimensions = models.PositiveIntegerField()
    distance = models.CharField(max_length=10, choices=Distance.choices, default=Distance.COSINE)
    query_prompt = models.CharField(max_length=300, blank=True, default="")
    document_prompt = models.CharField(max_length=300, blank=True, default="")
    template_version = models.PositiveIntegerField(
        default=1, help_text="Version of the text template; see embeddings/documents.py."
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.BUILDING)
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    # When it was made sure that every product has a row with the right digest; NULL where that is still to be
    # done, because the model has just come to life (embeddings/coverage.py). Triggers keep it so afterwards.
    rows_checked_at = models.DateTimeField(null=True, editable=False)
    # When someone asked that the index be built anew; a worker does it (embeddings/upkeep.py) and clears it.
    index_rebuild_wanted_at = models.DateTimeField(null=True, editable=False)
    # When someone asked that the retired model be removed; a worker does it.
    removal_wanted_at = models.DateTimeField(null=True, editable=False)

    objects = EmbeddingModelQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["state"], condition=Q(state="active"), name="one_active_embedding_model"
            ),
            models.UniqueConstraint(
                fields=["name", "revision", "query_prompt", "document_prompt", "template_version"],
                name="embedding_model_unique",
            ),
            models.CheckConstraint(
                condition=Q(dimensions__gte=1, dimensions__lte=MAX_DIMENSIONS),
                name="embedding_model_dimensions",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["active", "building", "retired"]), name="embedding_model_state"
            ),
        ]
        triggers = triggers.ON_EMBEDDING_MODEL

    def __str__(self) -> str:
        return f"{self.name} ({self.dimensions} d)"

    @property
    def is_live(self) -> bool:
        """Whether its vectors are kept up to date; the same rule as `EmbeddingModelQuerySet.live`."""
        return self.state != self.State.RETIRED


class ModelAddition(models.Model):
    """A model that someone asked for. A worker loads and adds it, and deletes this row; see embeddings/additions.py."""

    name = models.CharField(
        max_length=300,
        help_text="As on the model hub, such as intfloat/e5-small-v2. Superusers may also give a folder's full path.",
    )
    revision = models.CharField(
        max_length=80, blank=True, default="", help_text="Commit, tag or branch on the model hub."
    )
    query_prompt = models.CharField(
        max_length=300, blank=True, default="", help_text="Put before each query, such as “query: ”."
    )
    document_prompt = models.CharField(
        max_length=300,
        blank=True,
        default="",
        help_text="Put before each product's text, such as “passage: ”.",
    )

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    requested_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    # When a worker began to load it: one that died of it leaves the row so.
    begun_at = models.DateTimeField(null=True, editable=False)
    error = models.TextField(blank=True, default="", editable=False)

    objects = ModelAdditionQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["name", "revision", "query_prompt", "document_prompt"],
                condition=Q(error=""),
                name="one_open_addition_of_a_model",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ProductEmbedding(models.Model):
    """The vector of one product under one model, and what is known of its making.

    It is a side table so that a change of price never touches the HNSW graph. Triggers write `wanted_digest`
    and the copies of the columns that filters need (`category`, `price`, `is_active`, `brand`, and of the attributes
    their hashes); the pipeline writes the rest.
    """

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="embeddings", db_index=False)
    model = models.ForeignKey(
        EmbeddingModel, on_delete=models.CASCADE, related_name="embeddings", db_index=False
    )
    vector = HalfVectorField(null=True, editable=False)
    # sha256 of what the encoder reads now, and of what the stored vector was made from.
    wanted_digest = models.CharField(max_length=64, editable=False)
    stored_digest = models.CharField(max_length=64, null=True, editable=False)  # noqa: DJ001
    embedded_at = models.DateTimeField(null=True, editable=False)

    priority = models.PositiveSmallIntegerField(db_default=0, default=0, editable=False)  # a `Priority`
    attempts = models.PositiveSmallIntegerField(db_default=0, default=0, editable=False)
    # When work on the row is due; NULL: never by itself, its attempts are used up.
    next_attempt_at = models.DateTimeField(null=True, db_default=Now(), editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    last_error = models.TextField(blank=True, default="", db_default="", editable=False)
    # The last attempts that came to nothing, newest first: [{"at", "attempt", "error"}]; NULL: none. They stay when a
    # later one succeeds, so that people see what happened.
    failures = models.JSONField(null=True, editable=False)
    wanted_at = models.DateTimeField(db_default=Now(), editable=False)

    category = models.ForeignKey(
        Category,
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    price = models.DecimalField(max_digits=12, decimal_places=2, null=True, editable=False)
    is_active = models.BooleanField(default=True, db_default=True, editable=False)
    brand = models.CharField(max_length=120, blank=True, default="", db_default="", editable=False)
    # What `catalog.attributes.attribute_hash` makes of each attribute and its value.
    attribute_hashes = ArrayField(models.BigIntegerField(), default=list, db_default=[], editable=False)

    objects = ProductEmbeddingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["product", "model"], name="one_embedding_per_product_and_model"),
            models.CheckConstraint(
                condition=Q(stored_digest__isnull=True) | Q(vector__isnull=False),
                name="a_stored_digest_has_a_vector",
            ),
        ]
        indexes = [
            hnsw_index(DEFAULT_MODEL_ID, DEFAULT_DIMENSIONS),
            # The queue: only rows that want work, in the order they are claimed (pipeline.QUEUE_ORDER).
            models.Index(
                F("model"),
                F("priority"),
                Case(When(priority=Priority.BULK, then=F("category"))),
                F("next_attempt_at"),
                name="embedding_queue_order",
                condition=Q(is_active=True) & UNSETTLED,
            ),
            # Searching a category: what the condition says need not be looked up in each row.
            models.Index(
                fields=["model", "category"],
                name="embedding_searchable",
                condition=Q(is_active=True, vector__isnull=False),
            ),
            # The same for brands.
            models.Index(
                fields=["model", "brand"],
                name="embedding_brand",
                condition=Q(is_active=True, vector__isnull=False),
            ),
            # The same for attributes, of whatever model.
            GinIndex(
                fields=["attribute_hashes"],
                name="embedding_attributes",
                fastupdate=False,
                condition=Q(is_active=True, vector__isnull=False),
            ),
            models.Index(fields=["model", "category"], name="embedding_category"),
            # Figures for people (embeddings/census.py) come from indexes alone, however many products there are.
            models.Index(
                fields=["model", "category"], name="embedding_inactive", condition=Q(is_active=False)
            ),
            models.Index(fields=["model", "embedded_at"], name="embedding_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.product_id} under {self.model_id}"

    def get_status(self) -> Status:
        """The row's status; the same rule as `querysets.status_expression`, for a row in memory."""
        if not self.is_active:
            return Status.INACTIVE
        if self.stored_digest == self.wanted_digest:
            return Status.READY
        if self.next_attempt_at is None:
            return Status.FAILED
        if self.lease_until is not None and self.lease_until > timezone.now():
            return Status.PROCESSING
        return Status.STALE if self.stored_digest is not None else Status.PENDING


class EmbeddingRun(models.Model):
    """One backfill: who started it, how far it is, how it ended.

    It reports and can be told to stop; what is to be done stands in the rows of ProductEmbedding, so a run that
    dies loses nothing.
    """

    class State(models.TextChoices):
        """Derived, see `get_state`."""

        RUNNING = "running", "Running"
        STALLED = "stalled", "Stalled"
        CANCELLING = "cancelling", "Being cancelled"
        CANCELLED = "cancelled", "Cancelled"
        FINISHED = "finished", "Finished"

    model = models.ForeignKey(EmbeddingModel, on_delete=models.CASCADE, related_name="runs")
    # Scope: the path of a category, and whether only products that failed before are meant.
    category_path = models.CharField(max_length=1000, blank=True, default="")
    only_failed = models.BooleanField(default=False)
    via_queue = models.BooleanField(default=False, help_text="The workers do the work.")

    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    started_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    # When progress was last noted.
    heartbeat_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    cancelled_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True, default="", help_text="How it ended, where that wants a word.")

    objects = EmbeddingRunQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["model"], name="embedding_run_open", condition=Q(finished_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"Run {self.pk}"

    @property
    def by(self) -> str:
        """Who started it: a user's name, or "command"."""
        return str(self.user) if self.user is not None else "command"

    def get_state(self) -> State:
        """What is to be said of the run now."""
        if self.finished_at is not None:
            return self.State.FINISHED if self.cancelled_at is None else self.State.CANCELLED
        if self.heartbeat_at < timezone.now() - STALLED_AFTER:
            return self.State.STALLED
        return self.State.RUNNING if self.cancelled_at is None else self.State.CANCELLING


class BacklogSample(models.Model):
    """What a worker saw of one model in one minute: the past that charts show."""

    model = models.ForeignKey(
        EmbeddingModel, on_delete=models.CASCADE, related_name="samples", db_index=False
    )
    minute = models.DateTimeField()
    waiting = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()
    # For how long the oldest waiting text has waited; NULL where nothing waits.
    oldest_s = models.FloatField(null=True)
    embedded = models.PositiveIntegerField(help_text="Vectors stored within the minute before.")
    problem = models.TextField(blank=True, default="", help_text="Why the worker cannot use the model.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "minute"], name="one_backlog_sample_per_minute"),
        ]

    def __str__(self) -> str:
        return f"{self.minute.isoformat()}: {self.waiting} waiting"


class Dashboard(EmbeddingModel):
    """Gives the dashboard its place in the admin's index; it has no rows of its own."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name_plural = "dashboard"


class TriggeredProduct(Product):
    """Carries the triggers that watch products, so that the catalogue knows nothing of vectors."""

    class Meta:
        proxy = True
        triggers = triggers.ON_PRODUCT


class TriggeredCategory(Category):
    """Carries the trigger that watches categories."""

    class Meta:
        proxy = True
        triggers = triggers.ON_CATEGORY
