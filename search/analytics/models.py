"""What is remembered of searches. Nothing of who searched: no address, no session, no user."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from search.analytics.reports import SearchLogQuerySet
from search.query import MAX_DEPTH, Mode

# Longer texts are cut: nobody reads them in a report.
MAX_TEXT = 200
MAX_SKU = 64


class SearchLog(models.Model):
    """One page of results that a visitor was shown."""

    class Source(models.TextChoices):
        """Where it was asked."""

        API = "api", "API"
        STOREFRONT = "storefront", "Storefront"

    # Ordered by time (UUID version 7), so that new rows stand at the end of the index; see ids.py.
    id = models.UUIDField(primary_key=True, editable=False)
    text = models.CharField(max_length=MAX_TEXT, help_text="As typed; what looks personal is masked.")
    normalized = models.CharField(max_length=MAX_TEXT, help_text="What reports group by.")
    mode = models.CharField(max_length=10, choices=[(mode.value, mode.value) for mode in Mode])
    filters = models.JSONField(default=dict, help_text="Those that were set.")
    page = models.PositiveSmallIntegerField(default=1)
    total = models.PositiveIntegerField()
    latency_ms = models.FloatField()
    degraded = models.BooleanField(default=False)
    corrected = models.CharField(max_length=MAX_TEXT, blank=True, default="")
    unmatched = ArrayField(
        models.CharField(max_length=MAX_TEXT),
        default=list,
        db_default=[],
        help_text="Words of it that no product has.",
    )
    source = models.CharField(max_length=10, choices=Source)
    created_at = models.DateTimeField()
    # Whether there is an event. It could be derived; a join of a million searches with theirs takes a second.
    clicked = models.BooleanField(default=False)

    objects = SearchLogQuerySet.as_manager()

    class Meta:
        # Rows are written by the shop and deleted by retention: nobody adds, changes or deletes one.
        default_permissions = ("view",)
        verbose_name = "search"
        verbose_name_plural = "search analytics"
        indexes = [models.Index(fields=["created_at"], name="search_log_recent")]

    def __str__(self) -> str:
        return self.text


class SearchEvent(models.Model):
    """What a visitor did with a product after a search found it."""

    class Kind(models.TextChoices):
        """What was done."""

        CLICK = "click", "Click"
        CART = "cart", "Put into the cart"
        PURCHASE = "purchase", "Purchase"

    search = models.ForeignKey(SearchLog, on_delete=models.CASCADE, related_name="events", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind)
    # Not a reference: that a product was clicked stays true when the product is gone.
    sku = models.CharField(max_length=MAX_SKU)
    position = models.PositiveSmallIntegerField(null=True, help_text="Place in the results, from 1.")
    created_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["search", "kind", "sku"], name="search_event_once"),
            models.CheckConstraint(
                condition=Q(kind__in=["click", "cart", "purchase"]), name="search_event_kind"
            ),
            models.CheckConstraint(
                condition=Q(position__isnull=True) | Q(position__range=(1, MAX_DEPTH)),
                name="search_event_position",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.sku}"
