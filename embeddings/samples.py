"""The recent past of the backlog: workers write it down each minute, charts show it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Count
from django.utils import timezone

from embeddings import census
from embeddings.encoders import encoder_for
from embeddings.exceptions import EmbeddingError
from embeddings.models import BacklogSample, EmbeddingModel, ProductEmbedding, Status

# Several times a minute, so that a worker that has just started is seen soon; the last figures of a minute stay.
INTERVAL_S = 20.0


def sample() -> None:
    """Write this minute's figures of every live model, and forget those that are too old."""
    now = timezone.now()
    rates = embedded_last_minute()
    found = census.take()
    rows = [_sample(model, found, now, rates.get(model.pk, 0)) for model in EmbeddingModel.objects.live()]
    BacklogSample.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["model", "minute"],
        update_fields=["waiting", "failed", "oldest_s", "embedded", "problem"],
    )
    oldest = now - timedelta(days=settings.EMBEDDING_SAMPLE_DAYS)
    BacklogSample.objects.filter(minute__lt=oldest).delete()


def _sample(model: EmbeddingModel, found: census.Census, now: datetime, embedded: int) -> BacklogSample:
    counts = found.of(model.pk)
    since = found.waiting_since.get(model.pk)
    waiting = counts[Status.PENDING] + counts[Status.STALE] + counts[Status.PROCESSING]
    needed = waiting > 0 or model.state == EmbeddingModel.State.ACTIVE
    return BacklogSample(
        model=model,
        minute=now.replace(second=0, microsecond=0),
        waiting=waiting,
        failed=counts[Status.FAILED],
        oldest_s=None if since is None else max((now - since).total_seconds(), 0.0),
        embedded=embedded,
        problem=_problem(model) if needed else "",
    )


def _problem(model: EmbeddingModel) -> str:
    """Why this process cannot use the model; empty where it can."""
    try:
        encoder_for(model)
    except EmbeddingError as error:
        return str(error)
    return ""


def embedded_last_minute() -> dict[int, int]:
    """Vectors stored within the last 60 s by whomever, by model; live models only."""
    since = timezone.now() - timedelta(seconds=60)
    # The models are named, so that the index on (model, embedded_at) answers.
    models = EmbeddingModel.objects.live().order_by().values("pk")
    found = ProductEmbedding.objects.filter(model__in=models, embedded_at__gte=since).order_by()
    return dict(found.values("model_id").annotate(number=Count("*")).values_list("model_id", "number"))


@dataclass(frozen=True)
class Point:
    """What was seen within one step of a chart: the highest figures, and all that was embedded."""

    at: datetime
    waiting: int
    failed: int
    oldest_s: float | None
    embedded: int


def history(model: EmbeddingModel, span: timedelta, step: timedelta) -> list[Point]:
    """The figures of the last `span` in steps of `step`, oldest first; none for steps that no worker saw."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT date_bin(make_interval(secs => %s), minute, 'epoch') AS at,
                max(waiting), max(failed), max(oldest_s), sum(embedded)
            FROM embeddings_backlogsample WHERE model_id = %s AND minute > now() - make_interval(secs => %s)
            GROUP BY at ORDER BY at""",
            [step.total_seconds(), model.pk, span.total_seconds()],
        )
        return [Point(timezone.localtime(at), *figures) for at, *figures in cursor.fetchall()]


def latest() -> dict[int, BacklogSample]:
    """The newest sample of each model."""
    return {
        sample.model_id: sample
        for sample in BacklogSample.objects.order_by("model", "-minute").distinct("model")
    }
