"""Judgments that staff make, and evaluations that workers run on them."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from search.judgments import HIGHEST_GRADE, MAX_SKU_LENGTH
from search.lab.querysets import EvaluatedQueryQuerySet, EvaluationRunQuerySet, JudgmentListQuerySet
from search.query import MAX_QUERY_LENGTH


class JudgmentList(models.Model):
    """A set of judged queries that are measured together."""

    name = models.CharField(max_length=100, unique=True)
    note = models.TextField(
        blank=True, default="", max_length=2000, help_text="What these queries stand for."
    )
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    objects = JudgmentListQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Judgment(models.Model):
    """How well one product answers one query. Named by its SKU, it outlives changes of the catalogue."""

    class Grade(models.IntegerChoices):
        """What each grade means."""

        IRRELEVANT = 0, "0 – irrelevant"
        SOMEWHAT = 1, "1 – somewhat relevant"
        GOOD = 2, "2 – good"
        PERFECT = 3, "3 – just right"

    list = models.ForeignKey(JudgmentList, on_delete=models.CASCADE, related_name="judgments", db_index=False)
    query = models.CharField(max_length=MAX_QUERY_LENGTH)
    sku = models.CharField(max_length=MAX_SKU_LENGTH, verbose_name="SKU")
    grade = models.PositiveSmallIntegerField(choices=Grade.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now, db_default=Now())

    class Meta:
        ordering = ["list", "query", "-grade", "sku"]
        constraints = [
            models.UniqueConstraint(
                fields=["list", "query", "sku"], name="one_judgment_per_query_and_product"
            ),
            models.CheckConstraint(condition=Q(grade__lte=HIGHEST_GRADE), name="judgment_grade"),
        ]

    def __str__(self) -> str:
        return f"{self.query}: {self.sku}"


class EvaluationRun(models.Model):
    """One evaluation of a judgment list under one or two configurations. What is to be done stands in its queries.

    A worker claims it for a while (`lease_until`); a later claim makes an earlier one's results unwelcome.
    """

    class State(models.TextChoices):
        """Derived, see `get_state`."""

        WAITING = "waiting", "Waits for a worker"
        RUNNING = "running", "Running"
        STALLED = "stalled", "Stalled: its worker has gone, the next one goes on"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"
        FINISHED = "finished", "Finished"

    list = models.ForeignKey(JudgmentList, on_delete=models.CASCADE, related_name="runs")
    # Variants as JSON (search/lab/variants.py), all that ranking needs: settings may change meanwhile.
    variants = models.JSONField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    started_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    # Counts the claims: who holds an earlier number has lost the run to somebody else.
    claim = models.PositiveIntegerField(default=0, db_default=0)
    lease_until = models.DateTimeField(null=True)
    # Claims since a query was last measured: a run that kills its workers is given up.
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    cancelled_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True, default="", db_default="")
    # What came out (search/lab/reports.py), empty until then: resampling for intervals takes too long for a page.
    report = models.JSONField(default=dict, blank=True)

    objects = EvaluationRunQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], name="evaluation_run_open", condition=Q(finished_at__isnull=True)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(cancelled_at__isnull=True) | Q(finished_at__isnull=False),
                name="a_cancelled_evaluation_is_finished",
            ),
        ]

    def __str__(self) -> str:
        return f"Evaluation {self.pk}"

    def get_state(self) -> State:
        """What is to be said of the run now."""
        if self.cancelled_at is not None:
            return self.State.CANCELLED
        if self.finished_at is not None:
            return self.State.FAILED if self.error else self.State.FINISHED
        if self.lease_until is None:
            return self.State.WAITING
        return self.State.RUNNING if self.lease_until > timezone.now() else self.State.STALLED


class EvaluatedQuery(models.Model):
    """One query of a run: its judgments as they were when the run began, and what was measured."""

    run = models.ForeignKey(EvaluationRun, on_delete=models.CASCADE, related_name="queries", db_index=False)
    query = models.CharField(max_length=MAX_QUERY_LENGTH)
    judged = models.JSONField()  # grade by SKU
    measured = models.JSONField(
        null=True
    )  # measure by name, for each variant of the run; NULL: still to be done

    objects = EvaluatedQueryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "evaluated queries"
        constraints = [
            models.UniqueConstraint(fields=["run", "query"], name="one_evaluated_query_per_run"),
        ]

    def __str__(self) -> str:
        return self.query


class Lab(JudgmentList):
    """Gives the search lab its place in the admin's index; it has no rows of its own."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name_plural = "search lab"
