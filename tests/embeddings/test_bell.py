"""Redis is only a bell: what it loses, refuses or forges changes nothing."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import django_rq
import pytest
from django.db import transaction
from rq.job import Job
from rq.serializers import JSONSerializer

from catalog.models import Product
from embeddings import bell, jobs, worker
from embeddings.models import ProductEmbedding


@pytest.fixture
def queue() -> Any:
    return django_rq.get_queue(bell.QUEUE)


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address that accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(128)
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.mark.django_db(transaction=True)
def test_a_save_rings_once_after_commit(queue: Any) -> None:
    with transaction.atomic():
        Product.objects.create(sku="A", name="Saw")
        assert queue.count == 0
    assert queue.count == 1
    Product.objects.create(sku="B", name="Axe")
    assert queue.count == 1, "a waiting job sees the second product too"


@pytest.mark.django_db(transaction=True)
def test_a_save_that_is_rolled_back_rings_nothing_and_leaves_nothing(queue: Any) -> None:
    with transaction.atomic():
        Product.objects.create(sku="A", name="Saw")
        transaction.set_rollback(True)
    assert queue.count == 0
    assert not ProductEmbedding.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("trouble", ["black_hole", "nobody"])
def test_redis_away_costs_a_burst_of_saves_less_than_half_a_second(
    trouble: str, request: pytest.FixtureRequest, settings: Any
) -> None:
    settings.REDIS_URL = request.getfixturevalue(trouble)
    started = time.monotonic()
    for number in range(20):
        Product.objects.create(sku=f"S-{number}", name="Saw")
    assert time.monotonic() - started < 0.5 + 20 * 0.02
    assert ProductEmbedding.objects.waiting().count() == 20


def forged(queue: Any, **fields: Any) -> Job:
    """A message as anybody with access to Redis could write it."""
    job = Job.create(
        fields.pop("func", bell.DRAIN_JOB),
        connection=queue.connection,
        serializer=JSONSerializer,
        origin=queue.name,
        **fields,
    )
    return job


@pytest.mark.parametrize(
    "fields",
    [
        {"func": "os.system", "args": ("touch /tmp/forged",)},
        {"func": "embeddings.pipeline.drain"},
        {"args": (1,)},
        {"kwargs": {"a": 1}},
    ],
)
def test_only_the_allowed_message_runs(queue: Any, fields: dict[str, Any]) -> None:
    assert worker.refusal(forged(queue, **fields))


def test_a_message_with_a_callback_is_refused(queue: Any) -> None:
    job = forged(queue)
    assert worker.refusal(job) == ""
    job._success_callback_name = "os.system"
    assert "callbacks" in worker.refusal(job)


@pytest.mark.django_db(transaction=True)
def test_the_worker_drops_a_forged_message_and_runs_the_next(queue: Any, tmp_path: Any) -> None:
    mark = tmp_path / "forged"
    queue.enqueue_job(forged(queue, func="os.system", args=(f"touch {mark}",)))
    Product.objects.create(sku="A", name="Saw")
    queue.enqueue(bell.DRAIN_JOB)
    rq_worker = worker.EmbeddingWorker([queue], connection=queue.connection, serializer=JSONSerializer)
    rq_worker.work(burst=True, logging_level="ERROR")
    assert not mark.exists()
    assert ProductEmbedding.objects.with_status().get().status == "ready"
    assert queue.failed_job_registry.count == 0


@pytest.mark.django_db(transaction=True)
def test_pickle_in_the_queue_is_never_opened(queue: Any, tmp_path: Any) -> None:
    mark = tmp_path / "pickled"

    class Bomb:
        def __reduce__(self) -> Any:
            return (open, (str(mark), "w"))

    import pickle

    job = forged(queue)
    queue.enqueue_job(job)
    queue.connection.hset(job.key, "data", pickle.dumps(("os.getcwd", None, (Bomb(),), {})))
    rq_worker = worker.EmbeddingWorker([queue], connection=queue.connection, serializer=JSONSerializer)
    rq_worker.work(burst=True, logging_level="CRITICAL")
    assert not mark.exists()


@pytest.mark.django_db(transaction=True)
def test_a_thousand_saves_are_one_message_and_few_model_calls(queue: Any, monkeypatch: Any) -> None:
    from embeddings import pipeline

    calls: list[int] = []
    encode = pipeline.encode

    def counted(encoder: Any, claims: Any) -> Any:
        calls.append(len(claims))
        return encode(encoder, claims)

    monkeypatch.setattr(pipeline, "encode", counted)
    for number in range(100):
        Product.objects.create(sku=f"S-{number}", name=f"Saw number {number}")
    assert queue.count == 1
    assert jobs.drain() == 100
    assert calls == [100]
