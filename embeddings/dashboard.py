"""What the dashboard shows: figures from PostgreSQL, workers from Redis. A constant number of queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.utils import timezone
from redis.exceptions import RedisError

from embeddings import bell, census, charts, encoders, indexes, runs, samples, worker
from embeddings.badges import LOOKS
from embeddings.models import (
    BacklogSample,
    EmbeddingModel,
    EmbeddingRun,
    ModelAddition,
    ProductEmbedding,
    Status,
)
from embeddings.planning import through_indexes

TOP_CATEGORIES = 12
TOP_FAILURES = 10
# Ends of an axis, in seconds: half of each is round as well.
ROUND_DURATIONS_S = (4, 10, 20, 60, 120, 240, 600, 1200, 3600, 7200, 14_400, 28_800, 86_400, 172_800, 345_600)
# Without a sample for so long, no worker is at work.
SILENT_AFTER = timedelta(minutes=2)


@dataclass(frozen=True)
class Span:
    """How far back the charts go."""

    key: str
    label: str
    length: timedelta
    step: timedelta


SPANS = {
    span.key: span
    for span in (
        Span("1h", "1 hour", timedelta(hours=1), timedelta(minutes=1)),
        Span("6h", "6 hours", timedelta(hours=6), timedelta(minutes=5)),
        Span("24h", "24 hours", timedelta(hours=24), timedelta(minutes=20)),
        Span("7d", "7 days", timedelta(days=7), timedelta(hours=2)),
    )
}
DEFAULT_SPAN = SPANS["6h"]


def figures(span: Span = DEFAULT_SPAN, chosen: int | None = None) -> dict[str, Any]:
    """Everything that changes while one looks at the page: the template's context.

    `chosen` is the model whose categories are shown; the active one where there is none of that number.
    """
    models = list(EmbeddingModel.objects.order_by("state", "pk"))
    active = next((model for model in models if model.state == EmbeddingModel.State.ACTIVE), None)
    found = census.take()
    rates = samples.embedded_last_minute()
    latest = samples.latest()
    queue, workers = _workers()
    context: dict[str, Any] = {
        "now": timezone.localtime(),
        "active": active,
        "models": _models(models, found, rates),
        "additions": ModelAddition.objects.select_related("user"),
        "failures": _failures(models),
        "runs": [_run(run) for run in runs.latest(fresh=False)],
        "redis": queue,
        "workers": workers,
        "live": [model for model in models if model.is_live],
        "health": [_health(model, latest.get(model.pk)) for model in models if model.is_live],
        "spans": SPANS.values(),
        "span": span,
    }
    if active is not None:
        shown = next((model for model in context["live"] if model.pk == chosen), active)
        context |= {
            "shown": shown,
            "statuses": _statuses(found.of(active.pk)),
            "coverage": census.coverage(found.of(active.pk)),
            "categories": _categories(found.by_category.get(shown.pk, {})),
            **_pace(found.of(active.pk), found.waiting_since.get(active.pk), rates.get(active.pk, 0)),
            **_charts(active, span),
        }
    return context


def _statuses(counts: census.Counts) -> list[dict[str, Any]]:
    return [{"status": status, "look": LOOKS[status], "number": counts[status]} for status in Status]


def _bar(counts: census.Counts) -> dict[str, Any]:
    """Widths in percent of a bar's parts, and the words beside it. Inactive products are left out."""
    total = sum(counts.values()) - counts[Status.INACTIVE]
    parts, left = [], 0.0
    for status in (Status.READY, Status.STALE, Status.PROCESSING, Status.PENDING, Status.FAILED):
        width = 100 * counts[status] / total if total else 0.0
        if width:
            parts.append({"status": status.value, "left": f"{left:.3f}", "width": f"{width:.3f}"})
        left += width
    return {
        "parts": parts,
        "total": total,
        "ready": counts[Status.READY],
        "failed": counts[Status.FAILED],
        "coming": counts[Status.STALE] + counts[Status.PROCESSING] + counts[Status.PENDING],
        "percent": census.coverage(counts),
    }


def _models(
    models: Sequence[EmbeddingModel], found: census.Census, rates: dict[int, int]
) -> list[dict[str, Any]]:
    built = indexes.states(models)
    most = max((sum(counts.values()) for counts in found.by_model.values()), default=0)

    def counts_of(model: EmbeddingModel) -> census.Counts:
        """With products that a worker has yet to add a row for, as one that has just been added lacks them."""
        counts = dict(found.of(model.pk))
        counts[Status.PENDING] += most - sum(counts.values()) if model.is_live else 0
        return counts

    return [
        {
            "model": model,
            "bar": _bar(counts_of(model)),
            "index": built[model.pk],
            "rate": rates.get(model.pk, 0),
        }
        for model in models
    ]


def _categories(found: dict[int | None, census.Counts]) -> list[dict[str, Any]]:
    """The largest top categories, and the others as one."""
    ordered = census.by_top_category(found)
    # One that is left over has as much room as a line about it.
    named = TOP_CATEGORIES if len(ordered) > TOP_CATEGORIES + 1 else len(ordered)
    shown: list[dict[str, Any]] = [
        {"name": name, "slug": slug or "-", "bar": _bar(counts)} for name, slug, counts in ordered[:named]
    ]
    if others := ordered[named:]:
        rest = census.no_products()
        for _, _, counts in others:
            for status, number in counts.items():
                rest[status] += number
        shown.append({"name": f"{len(others)} others", "slug": None, "bar": _bar(rest)})
    return shown


def _pace(counts: census.Counts, since: datetime | None, rate: int) -> dict[str, Any]:
    """How much waits and since when, how many are embedded a minute, and how long the rest takes at that pace."""
    waiting = counts[Status.PENDING] + counts[Status.STALE] + counts[Status.PROCESSING]
    return {
        "waiting": waiting,
        "oldest": duration((timezone.now() - since).total_seconds()) if since else None,
        "rate": rate,
        "eta": duration(60 * waiting / rate) if waiting and rate else None,
    }


def _failures(models: Sequence[EmbeddingModel]) -> list[dict[str, Any]]:
    """The most frequent errors of live models: [{"model", "message", "products"}]."""
    live = {model.pk: model for model in models if model.is_live}
    found = (
        ProductEmbedding.objects.filter(model__in=live)
        .failed()
        .values("model_id", "last_error")
        .annotate(products=Count("*"))
        .order_by("-products", "model_id", "last_error")[:TOP_FAILURES]
    )
    with through_indexes():
        rows = list(found)
    return [
        {"model": live[row["model_id"]], "message": row["last_error"], "products": row["products"]}
        for row in rows
    ]


def _run(run: dict[str, Any]) -> dict[str, Any]:
    """A run with what the page adds to its report."""
    return run | {
        "state_label": EmbeddingRun.State(run["state"]).label,
        "settled_percent": round(100 * (run["done"] + run["failed"]) / run["total"]) if run["total"] else 100,
        "time_left": None if run["eta_s"] is None else duration(run["eta_s"]),
    }


def _charts(model: EmbeddingModel, span: Span) -> dict[str, Any]:
    points = samples.history(model, span.length, span.step)
    end = timezone.localtime()
    start = end - span.length
    return {
        "history": [
            {"point": point, "oldest": "–" if point.oldest_s is None else duration(point.oldest_s)}
            for point in points
        ],
        "backlog_chart": charts.line_chart(
            [(point.at, point.waiting) for point in points], start, end, span.step, _number
        ),
        "age_chart": charts.line_chart(
            [(point.at, point.oldest_s) for point in points],
            start,
            end,
            span.step,
            _axis_duration,
            ROUND_DURATIONS_S,
        ),
    }


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _axis_duration(seconds: float) -> str:
    """A duration in one unit, short enough for an axis."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def duration(seconds: float) -> str:
    """A duration in the two units that matter: "45 s", "12 min", "3 h 20 min", "2 d 5 h"."""
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def _workers() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Whether Redis answers and how many messages wait there; the workers that it has heard of."""
    try:
        waiting = bell.rope(settings.REDIS_URL).count
        alive = worker.alive()
    except (RedisError, OSError) as error:
        return {"ok": False, "error": str(error)}, []
    return {"ok": True, "waiting": waiting}, sorted(alive, key=lambda found: found["name"])


def _health(model: EmbeddingModel, sample: BacklogSample | None) -> dict[str, Any]:
    """What the workers last noted of a model, and whether this process has it in memory."""
    now = timezone.now()
    seen = sample is not None and now - sample.minute < SILENT_AFTER
    return {
        "model": model,
        "problem": sample.problem if sample is not None and seen else "",
        "seen": seen,
        "seen_at": sample.minute if sample is not None else None,
        "loaded": encoders.loaded(model),
    }
