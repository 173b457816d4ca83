"""Writers, renames and workers at the same time, each on a connection of its own."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import close_old_connections, connection, transaction

from catalog.models import Category, Product
from embeddings import pipeline
from embeddings.encoders import Encoder, encoder_for
from embeddings.models import EmbeddingModel, ProductEmbedding
from tests.embeddings.background import PATIENCE_S, wait_until_blocked
from tests.embeddings.exactness import assert_digests_and_copies, assert_exact

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def model() -> EmbeddingModel:
    return EmbeddingModel.objects.active()


@pytest.fixture
def encoder(model: EmbeddingModel) -> Encoder:
    return encoder_for(model)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that close their connections."""
    with ThreadPoolExecutor(8) as executor:
        yield executor


def alone(work: Callable[..., Any]) -> Callable[..., Any]:
    """Work on a connection of its own, which is closed afterwards."""

    def run(*arguments: Any) -> Any:
        close_old_connections()
        try:
            return work(*arguments)
        finally:
            connection.close()

    return run


def stock(count: int, **fields: Any) -> list[Product]:
    return Product.objects.bulk_create(
        Product(sku=f"S-{number}", name=f"Saw number {number}", **fields) for number in range(count)
    )


@contextmanager
def uncommitted(work: Callable[[], Any]) -> Iterator[None]:
    """Another session that has done some work and commits at the end of the block."""
    done, commit = threading.Event(), threading.Event()

    @alone
    def session() -> None:
        with transaction.atomic():
            work()
            done.set()
            assert commit.wait(PATIENCE_S)

    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(session)
        while not done.wait(0.05):
            assert not future.done(), future.exception()
        try:
            yield
        finally:
            commit.set()
        future.result(PATIENCE_S)


def rename(category: Category, name: str) -> None:
    Category.objects.filter(pk=category.pk).update(name=name)


WRITES: dict[str, Callable[[Product, Category, Category], Any]] = {
    "insert": lambda product, category, other: Product.objects.create(
        sku="new", name="Axe", category=category
    ),
    "edit": lambda product, category, other: Product.objects.filter(pk=product.pk).update(name="Axe"),
    "edit and price": lambda product, category, other: Product.objects.filter(pk=product.pk).update(
        name="Axe", price=Decimal(7)
    ),
    "move away": lambda product, category, other: Product.objects.filter(pk=product.pk).update(
        category=other
    ),
    "price": lambda product, category, other: Product.objects.filter(pk=product.pk).update(price=Decimal(7)),
    "delete": lambda product, category, other: Product.objects.filter(pk=product.pk).delete(),
}


@pytest.mark.parametrize("above", [False, True], ids=["category", "category above"])
@pytest.mark.parametrize("write", WRITES)
def test_a_rename_that_waits_for_a_write_sees_it(
    write: str, above: bool, make_category: Any, pool: ThreadPoolExecutor
) -> None:
    category, other = make_category("Tools", "Saws"), make_category("Garden")
    (product,) = stock(1, category=category)
    renamed = category.parent if above else category
    with uncommitted(lambda: WRITES[write](product, category, other)):
        future = pool.submit(alone(rename), renamed, "Renamed")
        wait_until_blocked()
    future.result(PATIENCE_S)
    assert_digests_and_copies()


@pytest.mark.parametrize("above", [False, True], ids=["category", "category above"])
@pytest.mark.parametrize("write", WRITES)
def test_a_write_that_meets_an_uncommitted_rename_ends_right(
    write: str, above: bool, make_category: Any, pool: ThreadPoolExecutor
) -> None:
    category, other = make_category("Tools", "Saws"), make_category("Garden")
    (product,) = stock(1, category=category)
    renamed = category.parent if above else category
    with uncommitted(lambda: rename(renamed, "Renamed")):
        future = pool.submit(alone(WRITES[write]), product, category, other)
        wait_until_blocked()
    future.result(PATIENCE_S)
    assert_digests_and_copies()


def test_renames_and_edits_in_a_storm_leave_every_digest_right(
    make_category: Any, pool: ThreadPoolExecutor
) -> None:
    categories = [make_category("Tools", name) for name in ("Saws", "Axes")]
    products = stock(20, category=categories[0])

    @alone
    def edit(start: int) -> None:
        for number in range(start, start + 60):
            product = products[number * 7 % len(products)]
            Product.objects.filter(pk=product.pk).update(
                name=f"Saw {number % 3}", price=number, category=categories[number % 2]
            )

    @alone
    def rename_often() -> None:
        for number in range(30):
            rename(categories[number % 2], f"Named {number % 3}")
            if number % 3 == 0:
                rename(categories[0].parent, f"Above {number % 2}")

    futures = [pool.submit(edit, start) for start in (0, 5, 11)]
    futures.append(pool.submit(rename_often))
    for future in futures:
        future.result(PATIENCE_S)
    assert_digests_and_copies()


def test_a_bulk_write_in_any_order_and_the_pipeline_never_deadlock(
    model: EmbeddingModel, encoder: Encoder, pool: ThreadPoolExecutor
) -> None:
    products = stock(40)

    @alone
    def shop(backwards: bool) -> None:
        for number in range(5):
            with transaction.atomic():
                for product in sorted(products, key=lambda product: product.pk, reverse=backwards):
                    Product.objects.filter(pk=product.pk).update(
                        price=number, name=f"Axe {product.pk} {number}"
                    )

    writing = threading.Event()

    @alone
    def work() -> None:
        while not writing.is_set() or ProductEmbedding.objects.waiting().exists():
            for _ in pipeline.batches(model):
                pass

    workers = [pool.submit(work) for _ in range(2)]
    for backwards in (False, True):
        pool.submit(shop, backwards).result(PATIENCE_S)
    writing.set()
    for worker in workers:
        worker.result(PATIENCE_S)
    assert_exact(encoder)


def test_a_store_that_waits_for_a_writer_holds_no_row_that_the_writer_needs(
    model: EmbeddingModel, encoder: Encoder, pool: ThreadPoolExecutor
) -> None:
    first, second = stock(2)
    claims = pipeline.claim(model, 2)
    vectors = pipeline.encode(encoder, claims)

    def price(product: Product) -> None:
        Product.objects.filter(pk=product.pk).update(price=Decimal(7))

    with uncommitted(lambda: price(second)):
        future = pool.submit(alone(pipeline.store), claims, vectors)
        wait_until_blocked()
        assert ProductEmbedding.objects.with_status().get(product=first).status == "ready"
        price(first)
    assert future.result(PATIENCE_S).stored == 2
    assert_exact(encoder)


def test_four_claimers_never_share_a_row(model: EmbeddingModel, pool: ThreadPoolExecutor) -> None:
    stock(300)
    together = threading.Barrier(4)

    @alone
    def claim_everything() -> list[int]:
        together.wait(PATIENCE_S)
        rows: list[int] = []
        while claims := pipeline.claim(model, 7):
            rows += [claim.row for claim in claims]
        return rows

    futures = [pool.submit(claim_everything) for _ in range(4)]
    rows = [row for future in futures for row in future.result(PATIENCE_S)]
    # SKIP LOCKED may leave the last rows to nobody for a moment; the next look finds them.
    rows += [claim.row for claim in pipeline.claim(model, 300)]
    assert sorted(rows) == sorted(ProductEmbedding.objects.values_list("pk", flat=True))


def test_a_claim_passes_over_what_somebody_writes(model: EmbeddingModel) -> None:
    written, free = stock(2)
    with uncommitted(lambda: Product.objects.filter(pk=written.pk).update(name="Axe")):
        assert [claim.text.name for claim in pipeline.claim(model, 10)] == [free.name]
    assert [claim.text.name for claim in pipeline.claim(model, 10)] == ["Axe"]


def test_a_save_does_not_wait_for_a_worker_that_encodes(
    model: EmbeddingModel, encoder: Encoder, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    products = stock(5)
    encoding, saved = threading.Event(), threading.Event()
    encode = pipeline.encode

    def slow(*arguments: Any) -> Any:
        encoding.set()
        assert saved.wait(PATIENCE_S)
        return encode(*arguments)

    monkeypatch.setattr(pipeline, "encode", slow)
    future = pool.submit(alone(lambda: pipeline.process(encoder, pipeline.claim(model, 10))))
    assert encoding.wait(PATIENCE_S)
    started = time.monotonic()
    for product in products:
        product.name += ", sharp"
        product.save()
    assert time.monotonic() - started < 0.5 * len(products)
    saved.set()
    assert future.result(PATIENCE_S).moved == len(products)
    for _ in pipeline.batches(model):
        pass
    assert_exact(encoder)
