"""Evaluations in the background: start one, work on it in a worker, cancel it.

PostgreSQL holds what is to be done, so no Redis is needed. A worker claims a run for a while and renews the lease with
every query that it stores; a dead worker's lease runs out and another one goes on where it was. A claim's number
goes with every write, so whoever lost a run, or had it cancelled, stores nothing more.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from embeddings import jobs
from embeddings.encoders import encoder_for
from embeddings.exceptions import EmbeddingError
from search import encoding, evaluation
from search.exceptions import LabError, SearchError
from search.judgments import by_query, measurable
from search.lab import judging, reports
from search.lab.models import EvaluatedQuery, EvaluationRun, JudgmentList
from search.lab.variants import Variant
from search.query import Mode

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger("nearshelf.search")

# A worker looks for a run this often.
LOOK_S = 1.0
# Long enough for a model to be loaded; every stored query renews it.
LEASE = timedelta(seconds=120)
MAX_ATTEMPTS = 3
MAX_QUERIES = 2_000
MAX_OPEN = 20


def start_run(judgments: JudgmentList, variants: Sequence[Variant], user: "User") -> EvaluationRun:
    """Open a run of the list as it is now, under one or two variants; the same one twice is one run.

    Raises LabError where there is nothing to measure, or too much.
    """
    judged = measurable(by_query(judging.rows_of(judgments)))
    if not judged:
        raise LabError(f"{judgments} has no query with a relevant product: judge some results 1 to 3 first.")
    if len(judged) > MAX_QUERIES:
        raise LabError(
            f"{judgments} has {len(judged):,} queries; {MAX_QUERIES:,} are the most. Split the list."
        )
    stored = [_pinned(variant).as_json() for variant in variants]
    if going := EvaluationRun.objects.open().filter(list=judgments, variants=stored, claim=0).first():
        return going
    if EvaluationRun.objects.open().count() >= MAX_OPEN:
        raise LabError(f"{MAX_OPEN} evaluations are waiting already. Is a worker running?")
    with transaction.atomic():
        run = EvaluationRun.objects.create(list=judgments, variants=stored, user=user)
        EvaluatedQuery.objects.bulk_create(
            [EvaluatedQuery(run=run, query=query, judged=grades) for query, grades in judged.items()]
        )
    return run


def _pinned(variant: Variant) -> Variant:
    """With the model that is active now by its number: another one may be by the time of the run."""
    if variant.mode is Mode.KEYWORD or variant.configuration.model_id is not None:
        return variant
    try:
        return variant.changed(model_id=encoding.active_model().pk)
    except SearchError as error:
        raise LabError(str(error)) from error


def cancel_run(run: EvaluationRun) -> bool:
    """End a run now; return whether it was going on. What is being measured at this moment is not stored."""
    return bool(
        EvaluationRun.objects.open()
        .filter(pk=run.pk)
        .update(cancelled_at=Now(), finished_at=Now(), lease_until=None)
    )


def take_turn() -> bool:
    """What a worker does again and again: work on the oldest run that nobody holds, to its end.

    Returns whether there was one.
    """
    run = claim()
    if run is None:
        return False
    if run.attempts > MAX_ATTEMPTS:
        _finish(run, error=f"Given up: {MAX_ATTEMPTS} workers ended while they measured the next query.")
        return True
    try:
        work(run)
    except (SearchError, EmbeddingError) as error:
        logger.warning("%s failed: %s", run, error)
        _finish(run, error=str(error))
    return True


def claim() -> EvaluationRun | None:
    """Take the oldest run that nobody holds."""
    with transaction.atomic():
        run = EvaluationRun.objects.due().select_for_update(skip_locked=True).first()
        if run is None:
            return None
        EvaluationRun.objects.filter(pk=run.pk).update(
            claim=F("claim") + 1, attempts=F("attempts") + 1, lease_until=Now() + LEASE
        )
    run.refresh_from_db()
    return run


def work(run: EvaluationRun) -> None:
    """Measure what is left of a run that was claimed; a worker that is asked to stop hands it back.

    Raises SearchError and EmbeddingError where a variant cannot be measured.
    """
    variants = [Variant.from_json(stored) for stored in run.variants]
    for variant in variants:
        if variant.mode is not Mode.KEYWORD and variant.configuration.model_id is not None:
            encoder_for(encoding.live_model(variant.configuration.model_id))
    for query in run.queries.left():
        if jobs.stopping.is_set():
            _held(run).update(lease_until=None, attempts=0)
            return
        measured = [
            evaluation.measured(variant.query(query.query, rules=False), query.judged) for variant in variants
        ]
        if not _store(run, query, measured):
            return
    _finish(run)


def _held(run: EvaluationRun) -> Any:
    """The run's row, while this claim holds it."""
    return EvaluationRun.objects.open().filter(pk=run.pk, claim=run.claim)


@transaction.atomic
def _store(run: EvaluationRun, query: EvaluatedQuery, measured: list[dict[str, float]]) -> bool:
    """Store what was measured, unless the run is somebody else's by now or has ended."""
    if not _held(run).update(lease_until=Now() + LEASE, attempts=0):
        return False
    EvaluatedQuery.objects.filter(pk=query.pk).update(measured=measured)
    return True


def _finish(run: EvaluationRun, error: str = "") -> None:
    report = {} if error else reports.report(run, run.queries.done())
    _held(run).update(finished_at=Now(), lease_until=None, error=error, report=report)
