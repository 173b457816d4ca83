"""An evaluation survives the death of a real worker."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from search.lab import runs
from search.lab.models import EvaluationRun, Judgment, JudgmentList
from search.lab.variants import Variant
from tests.embeddings.processes import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]

QUERIES = 400


@contextmanager
def worker() -> Iterator[subprocess.Popen[bytes]]:
    database = settings.DATABASES["default"]
    address = f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}"
    process = subprocess.Popen(
        [sys.executable, str(settings.BASE_DIR / "manage.py"), "embedding_worker"],
        # No Redis at all: an evaluation needs none.
        env={**os.environ, "DATABASE_URL": address, "REDIS_URL": "redis://127.0.0.1:1/0"},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def test_the_next_worker_goes_on_where_a_killed_one_was(make_product: Any, embed: Any) -> None:
    sku = make_product("Claw hammer").sku
    embed()
    judgments = JudgmentList.objects.create(name="Long")
    Judgment.objects.bulk_create(
        Judgment(list=judgments, query=f"hammer number {number}", sku=sku, grade=3)
        for number in range(QUERIES)
    )
    run = runs.start_run(judgments, [Variant.current()], User.objects.create_user("author"))
    with worker() as first:
        wait_until(lambda: run.queries.done().count() >= 5, "something is measured")
        first.kill()
        first.wait()
    before = run.queries.done().count()
    assert before < QUERIES
    run.refresh_from_db()
    assert run.get_state() == EvaluationRun.State.RUNNING
    EvaluationRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    with worker():
        wait_until(
            lambda: EvaluationRun.objects.filter(pk=run.pk, finished_at__isnull=False).exists(), "it ends"
        )
    run.refresh_from_db()
    assert run.get_state() == EvaluationRun.State.FINISHED
    assert run.claim == 2
    assert run.report["queries"] == run.queries.done().count() == QUERIES
