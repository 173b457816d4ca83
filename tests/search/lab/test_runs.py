"""Evaluations: the same figures as the command's, whatever happens to the workers."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone

from embeddings import jobs
from search import relevance
from search.exceptions import LabError
from search.judgments import write
from search.lab import judging, runs
from search.lab.models import EvaluationRun, Judgment, JudgmentList
from search.lab.variants import Variant
from search.query import Mode

pytestmark = pytest.mark.django_db

CURRENT = Variant.current


@pytest.fixture
def run(judgments: JudgmentList, author: User) -> EvaluationRun:
    return runs.start_run(judgments, [CURRENT(), CURRENT().changed(mode=Mode.KEYWORD)], author)


def done(run: EvaluationRun) -> int:
    return run.queries.done().count()


def dies(run: EvaluationRun) -> None:
    """Nobody renews the lease any more."""
    EvaluationRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def measure_one(claimed: EvaluationRun) -> bool:
    query = claimed.queries.left()[0]
    return runs._store(claimed, query, [dict.fromkeys(relevance.MEASURES, 0.5)] * 2)


def test_the_figures_are_those_of_the_command_on_the_export(run: EvaluationRun, tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        write(judging.rows_of(run.list), file)
    out = io.StringIO()
    call_command("evaluate_search", judgments=path, json=True, stdout=out)
    expected = json.loads(out.getvalue())

    assert runs.take_turn()
    run.refresh_from_db()
    assert run.get_state() == EvaluationRun.State.FINISHED
    for name, row in zip(("hybrid", "keyword"), run.report["figures"], strict=True):
        figures = {cell["measure"]: cell["mean"] for cell in row["cells"]}
        assert figures.items() <= expected["modes"][name].items()
        assert all(cell["low"] <= cell["mean"] <= cell["high"] for cell in row["cells"])
    assert run.report["queries"] == expected["modes"]["hybrid"]["queries"] == 4
    theirs = {row["measure"]: row for row in expected["comparisons"] if row["against"] == "keyword"}
    ours = {row["measure"]: row for row in run.report["comparisons"]}
    for measure, row in theirs.items():
        assert ours[measure]["difference"] == pytest.approx(-row["difference"])
        assert (ours[measure]["low"], ours[measure]["high"]) == pytest.approx(
            (-row["high"], -row["low"]), abs=0.02
        )
        assert (ours[measure]["wins"], ours[measure]["losses"]) == (row["losses"], row["wins"])


def test_winners_and_losers_are_told_apart(run: EvaluationRun) -> None:
    runs.take_turn()
    run.refresh_from_db()
    report = run.report
    assert report["won"] + report["lost"] + report["tied"] == 4
    assert all(row["gain"] > 0 for row in report["winners"])
    assert all(row["gain"] < 0 for row in report["losers"])
    # "something to hang a picture" is a wish that words alone answer badly
    assert "something to hang a picture" in [row["query"] for row in report["losers"]]


def test_one_variant_tells_its_weakest_queries(judgments: JudgmentList, author: User) -> None:
    run = runs.start_run(judgments, [CURRENT()], author)
    runs.take_turn()
    run.refresh_from_db()
    weakest = [row["a"] for row in run.report["weakest"]]
    assert len(weakest) == 4
    assert weakest == sorted(weakest)


def test_a_run_measures_the_judgments_as_they_were_when_it_began(run: EvaluationRun) -> None:
    before = {query.query: query.judged for query in run.queries.all()}
    Judgment.objects.all().delete()
    runs.take_turn()
    run.refresh_from_db()
    assert run.report["queries"] == len(before) == 4
    assert "nothing of the kind" not in before


def test_another_worker_goes_on_where_a_dead_one_was(run: EvaluationRun) -> None:
    dead = runs.claim()
    assert dead is not None
    assert measure_one(dead)
    assert runs.claim() is None, "a run that is held is nobody else's"
    dies(run)
    run.refresh_from_db()
    assert run.get_state() == EvaluationRun.State.STALLED
    assert runs.take_turn()
    run.refresh_from_db()
    assert run.get_state() == EvaluationRun.State.FINISHED
    assert done(run) == 4
    assert [(query.measured or [{}])[0]["ndcg@10"] for query in run.queries.done()].count(0.5) == 1


def test_a_worker_that_was_only_slow_stores_nothing_more(run: EvaluationRun) -> None:
    slow = runs.claim()
    dies(run)
    quick = runs.claim()
    assert slow is not None and quick is not None
    assert not measure_one(slow)
    runs._finish(slow, error="too late")
    assert measure_one(quick)
    run.refresh_from_db()
    assert run.finished_at is None
    assert done(run) == 1


def test_a_run_that_kills_every_worker_is_given_up(run: EvaluationRun) -> None:
    for _ in range(runs.MAX_ATTEMPTS):
        assert runs.claim() is not None
        dies(run)
    assert runs.take_turn()
    run.refresh_from_db()
    assert run.get_state() == EvaluationRun.State.FAILED
    assert "Given up" in run.error


def test_progress_lets_it_go_on(run: EvaluationRun) -> None:
    for _ in range(3):
        claimed = runs.claim()
        assert claimed is not None
        assert measure_one(claimed)
        dies(run)
    assert runs.take_turn()
    run.refresh_from_db()
    assert run.get_state() == EvaluationRun.State.FINISHED


def test_a_worker_that_is_asked_to_stop_hands_the_run_back(run: EvaluationRun) -> None:
    jobs.stopping.set()
    assert runs.take_turn()
    run.refresh_from_db()
    assert run.get_state() == EvaluationRun.State.WAITING
    jobs.stopping.clear()
    assert runs.take_turn()
    run.refresh_from_db()
    assert run.get_state() == EvaluationRun.State.FINISHED


def test_a_cancelled_run_is_over_at_once(run: EvaluationRun) -> None:
    claimed = runs.claim()
    assert claimed is not None
    assert runs.cancel_run(run)
    assert not runs.cancel_run(run)
    assert not measure_one(claimed)
    runs._finish(claimed)
    run.refresh_from_db()
    assert run.get_state() == EvaluationRun.State.CANCELLED
    assert run.report == {}
    assert not runs.take_turn()


def test_a_model_that_cannot_be_used_is_said(judgments: JudgmentList, author: User) -> None:
    run = runs.start_run(judgments, [CURRENT().changed(model_id=999)], author)
    runs.take_turn()
    run.refresh_from_db()
    assert run.get_state() == EvaluationRun.State.FAILED
    assert run.error == "The embedding model 999 is retired or removed."


def test_the_same_evaluation_twice_is_one(run: EvaluationRun, author: User) -> None:
    variants = [Variant.from_json(stored) for stored in run.variants]
    assert runs.start_run(run.list, variants, author) == run
    assert runs.start_run(run.list, variants[:1], author) != run


def test_what_cannot_be_measured_is_not_begun(
    author: User, judgments: JudgmentList, monkeypatch: Any
) -> None:
    with pytest.raises(LabError, match="no query with a relevant product"):
        runs.start_run(JudgmentList.objects.create(name="Empty"), [CURRENT()], author)
    monkeypatch.setattr(runs, "MAX_QUERIES", 3)
    with pytest.raises(LabError, match="4 queries; 3 are the most"):
        runs.start_run(judgments, [CURRENT()], author)
    monkeypatch.setattr(runs, "MAX_QUERIES", 10)
    monkeypatch.setattr(runs, "MAX_OPEN", 0)
    with pytest.raises(LabError, match="waiting already"):
        runs.start_run(judgments, [CURRENT()], author)


def test_looking_in_vain_costs_one_query(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(3):  # the savepoint of the claim included
        assert not runs.take_turn()
