"""Whatever dies, a moment later every row is ready for its text of now, or failed with a reason.

Real workers, a real PostgreSQL and Valkey that are killed, the real model. Each test ends in `assert_exact`.
"""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction

from catalog.models import Product
from embeddings import bell, indexes, model_files, runs
from embeddings.encoders import Encoder, encoder_for
from embeddings.models import DEFAULT_MODEL_ID, EmbeddingModel, EmbeddingRun, ProductEmbedding
from tests.embeddings.exactness import assert_exact
from tests.embeddings.faulty_worker import KILLER
from tests.embeddings.processes import MAX_ATTEMPTS, Crew, Shop, Worker, wait_until

pytestmark = pytest.mark.faults

CREW = 4


@pytest.fixture(scope="module")
def opened(django_db_blocker: Any) -> Iterator[Shop]:
    shop = Shop()
    shop.open()
    try:
        with django_db_blocker.unblock(), shop.as_default():
            shop.migrate()
        yield shop
    finally:
        shop.close()


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """The model, converted before the first worker asks for it."""
    return encoder_for(EmbeddingModel(pk=DEFAULT_MODEL_ID, name=model_files.PACKAGED_MODEL, dimensions=384))


@pytest.fixture(scope="module")
def crew(opened: Shop, encoder: Encoder) -> Iterator[Crew]:
    crew = Crew(opened, CREW)
    yield crew
    crew.close()


@pytest.fixture
def shop(opened: Shop, crew: Crew, django_db_blocker: Any) -> Iterator[Shop]:
    """The shop without a product, and with its workers asleep."""
    with django_db_blocker.unblock(), opened.as_default():
        bell.listen()
        yield opened
        crew.refill()
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE catalog_product, catalog_category CASCADE")


def stock(count: int, name: str = "Claw hammer") -> list[Product]:
    """So many products, written at once."""
    return Product.objects.bulk_create(
        Product(sku=f"S-{number}", name=f"{name} number {number}") for number in range(count)
    )


def wait_until_settled() -> None:
    """Return when no row is waiting for a worker."""
    wait_until(lambda: not ProductEmbedding.objects.waiting().exists(), "every row is settled")


def statuses() -> dict[str, int]:
    rows = ProductEmbedding.objects.with_status().values_list("status", flat=True)
    found = list(rows)
    return {status: found.count(status) for status in set(found)}


@pytest.mark.parametrize("place", ["claimed", "encoded", "storing"])
def test_a_worker_that_is_killed_leaves_its_work_to_the_next(
    place: str, shop: Shop, crew: Crew, encoder: Encoder
) -> None:
    victim, next_one = crew.take(2)
    stock(20)
    victim.wake(until=place)
    victim.kill()
    assert not ProductEmbedding.objects.filter(stored_digest__isnull=False).exists()
    next_one.wake()
    wait_until_settled()
    assert statuses() == {"ready": 20}
    assert_exact(encoder)


@pytest.mark.parametrize("place", ["claimed", "encoded"])
def test_an_edit_while_its_old_text_is_encoded_wins(
    place: str, shop: Shop, crew: Crew, encoder: Encoder
) -> None:
    (worker,) = crew.take(1)
    edited, other = stock(2)
    worker.wake(until=place)
    Product.objects.filter(pk=edited.pk).update(name="Garden hose")
    worker.go_on(place)
    wait_until_settled()
    row_of = {row.product_id: row.pk for row in ProductEmbedding.objects.all()}
    assert worker.encoded.count(row_of[edited.pk]) == 2
    assert worker.encoded.count(row_of[other.pk]) == 1
    assert statuses() == {"ready": 2}
    assert_exact(encoder)


@pytest.mark.parametrize("place", ["claimed", "encoded", "storing"])
def test_a_product_deleted_while_it_is_embedded_leaves_nothing(
    place: str, shop: Shop, crew: Crew, encoder: Encoder
) -> None:
    (worker,) = crew.take(1)
    gone, _ = stock(2)
    worker.wake(until=place)
    if place == "storing":
        # The worker holds the row's lock until its transaction ends, and the delete waits for that.
        worker.go_on(place)
    Product.objects.filter(pk=gone.pk).delete()
    worker.go_on(place)
    wait_until_settled()
    assert statuses() == {"ready": 1}
    assert_exact(encoder)


def test_an_old_job_that_finishes_last_overwrites_nothing(shop: Shop, crew: Crew, encoder: Encoder) -> None:
    slow, quick = crew.take(2)
    products = stock(5)
    slow.wake(until="encoded")
    Product.objects.filter(pk__in=[product.pk for product in products]).update(name="Garden hose")
    quick.wake()
    wait_until_settled()
    quick.sleep()  # nobody is to mend what the slow one would spoil
    slow.hold("claiming")
    slow.go_on("encoded")
    slow.wait_at("claiming")
    assert statuses() == {"ready": 5}
    assert_exact(encoder)


def test_an_old_job_whose_lease_ran_out_does_no_harm(shop: Shop, crew: Crew, encoder: Encoder) -> None:
    slow, quick = crew.take(2)
    stock(5)
    slow.wake(until="encoded")
    quick.wake()
    wait_until_settled()
    Product.objects.update(name="Garden hose")
    slow.go_on("encoded")
    wait_until_settled()
    assert statuses() == {"ready": 5}
    assert_exact(encoder)


def test_four_workers_embed_each_row_once(shop: Shop, crew: Crew, encoder: Encoder) -> None:
    workers = crew.take(4)
    stock(400)
    for worker in workers:
        worker.wake()
    wait_until_settled()
    encoded = [row for worker in workers for row in worker.encoded]
    assert sorted(encoded) == sorted(ProductEmbedding.objects.values_list("pk", flat=True))
    assert sum(bool(worker.encoded) for worker in workers) > 1
    assert_exact(encoder)


@pytest.mark.parametrize(("how", "place"), [("fast shutdown", "storing"), ("kill -9", "encoded")])
def test_postgresql_restarted_in_the_middle_of_it(
    how: str, place: str, shop: Shop, crew: Crew, encoder: Encoder
) -> None:
    crew.take(1)
    worker = Worker(shop, EMBEDDING_LEASE="600")  # whoever waited for a lease would wait in vain
    try:
        stock(200)
        worker.wake(until=place)
        connection.close()
        if how == "kill -9":
            server = shop.database.running()
            assert server is not None
            server.kill()
        else:
            shop.database.stop()
        worker.go_on(place)
        shop.database.ensure()
        wait_until_settled()
        assert worker.alive
        assert len(worker.encoded) == 200  # none twice: the vectors in hand were kept
        assert statuses() == {"ready": 200}
        assert_exact(encoder)
        assert worker.terminate() < 10
    finally:
        worker.kill()


def index_builds() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND state = 'active'"
        )
        return int(cursor.fetchone()[0])


def test_a_run_is_followed_while_its_worker_builds_an_index(shop: Shop, crew: Crew, encoder: Encoder) -> None:
    (worker,) = crew.take(1)
    stock(20)
    model = EmbeddingModel.objects.active()
    indexes.drop(model)
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:  # a build waits for whoever writes to the table
            cursor.execute("LOCK TABLE embeddings_productembedding IN ROW EXCLUSIVE MODE")
        wait_until(lambda: index_builds() > 0, "a worker builds the index")
        run = runs.start_run(model, via_queue=True)
        worker.wake()
        wait_until(lambda: EmbeddingRun.objects.get(pk=run.pk).finished_at is not None, "the run ends", 20)
        assert index_builds() > 0
        assert EmbeddingRun.objects.get(pk=run.pk).done == 20
    finally:
        other.close()
    wait_until(lambda: indexes.state(model)["valid"], "the index is built")
    assert_exact(encoder)


def test_redis_flushed_with_hundreds_pending(shop: Shop, crew: Crew, encoder: Encoder) -> None:
    (worker,) = crew.take(1)
    stock(499)
    Product.objects.create(sku="last", name="Garden hose")
    bell.rope(shop.redis.url).connection.flushall()
    worker.wake()
    wait_until_settled()
    assert statuses() == {"ready": 500}
    assert_exact(encoder)


@pytest.mark.parametrize("trouble", ["refused", "black-holed"])
def test_redis_away_delays_no_save_and_loses_nothing(
    trouble: str, shop: Shop, crew: Crew, encoder: Encoder
) -> None:
    (worker,) = crew.take(1)
    worker.wake()
    server = shop.redis.running()
    assert server is not None
    if trouble == "refused":
        shop.redis.stop()
    else:
        server.send_signal(signal.SIGSTOP)
    try:
        for number in range(3):
            started = time.monotonic()
            Product.objects.create(sku=f"S-{number}", name=f"Claw hammer {number}")
            assert time.monotonic() - started < 0.5
        wait_until_settled()
        assert statuses() == {"ready": 3}
        assert_exact(encoder)
        if trouble == "black-holed":
            assert worker.terminate() < 10
            latecomer = Worker(shop)
            latecomer.wake()
            Product.objects.create(sku="later", name="Garden hose")
            wait_until_settled()
            assert latecomer.terminate() < 10
    finally:
        if trouble == "refused":
            shop.redis.ensure()
        else:
            server.send_signal(signal.SIGCONT)


def test_a_save_that_is_rolled_back_embeds_nothing(shop: Shop, crew: Crew, encoder: Encoder) -> None:
    (worker,) = crew.take(1)
    (kept,) = stock(1)
    worker.wake()
    wait_until_settled()
    with transaction.atomic():
        Product.objects.create(sku="never", name="Never sold")
        Product.objects.filter(pk=kept.pk).update(name="Never called so")
        transaction.set_rollback(True)
    assert bell.rope(shop.redis.url).count == 0
    worker.sleep()
    assert statuses() == {"ready": 1}
    assert_exact(encoder)


def test_a_text_that_kills_its_worker_every_time_ends_as_failed(
    shop: Shop, crew: Crew, encoder: Encoder
) -> None:
    workers = crew.take(MAX_ATTEMPTS + 1)
    stock(5)
    killer = Product.objects.create(sku="killer", name=f"{KILLER} drill")
    for victim in workers[:-1]:
        victim.wake()
        victim.wait_until_dead()
    workers[-1].wake()
    wait_until_settled()
    assert workers[-1].alive
    assert statuses() == {"ready": 5, "failed": 1}
    row = ProductEmbedding.objects.with_status().get(product=killer)
    assert row.status == "failed"
    assert f"died {MAX_ATTEMPTS} times" in row.last_error
    assert_exact(encoder)
    Product.objects.filter(pk=killer.pk).update(name="Hammer drill")
    wait_until_settled()
    assert statuses() == {"ready": 6}
    assert_exact(encoder)


def test_a_worker_that_is_told_to_stop_leaves_no_lease_behind(
    shop: Shop, crew: Crew, encoder: Encoder
) -> None:
    worker, next_one = crew.take(2)
    stock(300)
    worker.wake(until="claimed")
    worker.process.send_signal(signal.SIGTERM)
    worker.go_on("claimed")
    assert worker.terminate() < 10
    assert statuses() == {"ready": 32, "pending": 268}
    assert not ProductEmbedding.objects.filter(attempts__gt=0).exists()
    next_one.wake()
    wait_until_settled()
    assert_exact(encoder)


def test_a_recycled_worker_goes_on_as_a_new_process_image(shop: Shop, crew: Crew, encoder: Encoder) -> None:
    crew.take(1)
    worker = Worker(shop, EMBEDDING_RECYCLE_BATCHES="1")
    try:
        worker.wake()
        for number in range(2):
            Product.objects.create(sku=f"S-{number}", name=f"Claw hammer {number}")
            wait_until_settled()
        wait_until(lambda: worker.log.count("The embedding worker starts.") > 1, "the worker starts afresh")
        assert worker.alive
        assert_exact(encoder)
    finally:
        worker.kill()


def test_a_model_whose_disk_is_gone_burns_no_attempts_and_recovers(
    shop: Shop, crew: Crew, encoder: Encoder
) -> None:
    crew.take(1)
    packaged, disk = model_files.packaged_model(), shop.data / "disk"
    model = EmbeddingModel.objects.get()
    with transaction.atomic():
        EmbeddingModel.objects.filter(pk=model.pk).update(name=str(disk / "model"))
        stock(3)
    worker = Worker(shop)
    try:
        worker.wait_until_log("There is no model folder")
        Product.objects.create(sku="later", name="Garden hose")  # rings, and so starts a job
        time.sleep(1)
        assert worker.log.count("ERROR") == 1, worker.log
        assert statuses() == {"pending": 4}
        assert not ProductEmbedding.objects.filter(attempts__gt=0).exists()
        disk.mkdir()
        (disk / "model").symlink_to(packaged)
        converted_as_before(packaged, disk / "model")
        worker.wake()
        wait_until_settled()
        assert statuses() == {"ready": 4}
        assert worker.log.count("ERROR") == 1, worker.log
        assert_exact(encoder)
    finally:
        worker.kill()
        EmbeddingModel.objects.filter(pk=model.pk).update(name=model.name)


def converted_as_before(original: Path, copy: Path) -> None:
    """Spare the worker the conversion of a model that was converted from another folder."""
    cache = Path(settings.MODEL_CACHE_DIR)
    before, now = model_files.fingerprint(str(original)), model_files.fingerprint(str(copy))
    (converted,) = (path for path in cache.glob(f"*-{before}-*") if path.is_dir())
    _, revision, rest = converted.name.partition("-main-")
    (cache / f"{copy.name}{revision}{rest.replace(before, now)}").symlink_to(converted)


def test_an_idle_worker_stops_at_once(shop: Shop, crew: Crew) -> None:
    workers = crew.take(3)
    for worker in workers:
        worker.wake()
    # The quickest of them counts: on a busy machine the others may wait for their turn.
    assert min(worker.terminate() for worker in workers) < 5
