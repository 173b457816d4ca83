"""Promises of claim, encode, store."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone

from catalog.models import Category, Product
from embeddings import coverage, pipeline
from embeddings.documents import ProductText, product_text
from embeddings.encoders import Encoder, Vectors, encoder_for
from embeddings.exceptions import ModelUnavailableError
from embeddings.models import EmbeddingModel, Priority, ProductEmbedding
from tests.embeddings.exactness import assert_digests_and_copies, hashes
from tests.embeddings.faulty_encoders import Refusing, Spoiling

pytestmark = pytest.mark.django_db


@pytest.fixture
def model() -> EmbeddingModel:
    return EmbeddingModel.objects.active()


@pytest.fixture
def encoder(model: EmbeddingModel) -> Encoder:
    return encoder_for(model)


def row(product: Product) -> Any:
    return ProductEmbedding.objects.with_status().get(product=product)


def vector_of(encoder: Encoder, product: Product) -> Vectors:
    """The vector that the product's text of now should have, by the encoder itself."""
    product = Product.objects.select_related("category").get(pk=product.pk)
    text = ProductText(
        product.name,
        product.brand,
        product.category.full_name if product.category else "",
        product.short_description,
        product.description,
        product.attributes,
    )
    return encoder.encode_documents([product_text(text)])[0]


def assert_settled(encoder: Encoder, product: Product) -> None:
    found = row(product)
    assert found.stored_digest == found.wanted_digest
    cosine = float(np.dot(np.asarray(found.vector, dtype=np.float32), vector_of(encoder, product)))
    assert cosine > 0.999


def test_a_new_product_becomes_ready(make_product: Any, embed: Any, encoder: Encoder) -> None:
    product = make_product("Hammer drill", attributes={"colour": "red"})
    assert row(product).status == "pending"
    assert embed().stored == 1
    assert row(product).status == "ready"
    assert_settled(encoder, product)


@pytest.mark.parametrize(
    "write",
    [
        lambda p: Product.objects.filter(pk=p.pk).update(name="Cordless drill"),
        lambda p: Product.objects.bulk_update([_changed(p, "description", "New words.")], ["description"]),
        lambda p: _sql("UPDATE catalog_product SET brand = 'Nordhav' WHERE id = %s", p.pk),
        lambda p: _sql('UPDATE catalog_product SET attributes = \'{"a": "b"}\' WHERE id = %s', p.pk),
        lambda p: Category.objects.filter(pk=p.category_id).update(name="Renamed"),
        lambda p: _changed(p, "short_description", "Shorter.").save(),
        lambda p: Category.objects.filter(slug="tools").update(name="Renamed above"),
        lambda p: Product.objects.filter(pk=p.pk).update(category=None),
    ],
    ids=["update", "bulk_update", "sql", "attributes", "category", "save", "parent category", "no category"],
)
def test_every_way_of_changing_the_text_makes_the_vector_stale(
    write: Callable[[Product], Any], make_product: Any, make_category: Any, embed: Any, encoder: Encoder
) -> None:
    product = make_product("Hammer drill", category=make_category("Tools", "Drills"))
    embed()
    write(product)
    assert row(product).status == "stale"
    embed()
    assert_settled(encoder, product)


def _changed(product: Product, name: str, value: Any) -> Product:
    setattr(product, name, value)
    return product


def _sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


@pytest.mark.parametrize(
    "change",
    [
        {"price": 3},
        {"image_url": "https://example.com/a.png"},
        {"is_active": True},
        {"currency": "USD"},
        {"attributes": {"colour": "red", "in stock": False, "stock": 7}},
    ],
)
def test_what_the_encoder_does_not_read_re_embeds_nothing(
    change: dict, make_product: Any, embed: Any
) -> None:
    product = make_product(attributes={"colour": "red", "in stock": True, "stock": 8})
    embed()
    before = row(product)
    Product.objects.filter(pk=product.pk).update(**change)
    after = row(product)
    assert after.status == "ready"
    assert after.wanted_digest == before.wanted_digest
    assert embed().claimed == 0


def test_filter_copies_follow_the_product(make_product: Any, make_category: Any) -> None:
    product = make_product()
    category = make_category("Garden")
    Product.objects.filter(pk=product.pk).update(
        price="1.25", category=category, is_active=False, brand="Oakley"
    )
    found = row(product)
    assert (str(found.price), found.category_id, found.is_active) == ("1.25", category.pk, False)
    assert found.brand == "Oakley"
    assert found.status == "inactive"
    for attributes in ({"colour": "red", "volt": 18, "new": True}, {}):
        Product.objects.filter(pk=product.pk).update(attributes=attributes, price="2.50")
        product.refresh_from_db()
        assert len(row(product).attribute_hashes) == len(attributes)
        assert set(row(product).attribute_hashes) == hashes(product)
        assert str(row(product).price) == "2.50"


@pytest.mark.parametrize(
    "wrong",
    [
        {"price": 3},
        {"brand": "Meadow"},
        {"is_active": False},
        {"category": None},
        {"attribute_hashes": [1]},
        {"wanted_digest": "0" * 64},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_differs_from_the_product_is_set_right(
    make_product: Any, make_category: Any, model: EmbeddingModel, wrong: dict
) -> None:
    """As where somebody wrote without the triggers."""
    make_product("Hose", category=make_category("Garden"), attributes={"volt": 12}, brand="Oakley", price=2)
    make_product("Lamp", attributes={"volt": 18})
    assert coverage.mend_digests(model) == 0
    ProductEmbedding.objects.filter(product__name="Hose").update(**wrong)
    assert coverage.mend_digests(model) == 1
    assert_digests_and_copies()


def test_raw_delete_takes_the_vector_along(make_product: Any, embed: Any) -> None:
    product = make_product()
    embed()
    _sql("DELETE FROM catalog_product WHERE id = %s", product.pk)
    assert not ProductEmbedding.objects.exists()


def test_a_slow_job_never_overwrites_a_newer_text(
    make_product: Any, model: EmbeddingModel, encoder: Encoder
) -> None:
    product = make_product("Old name")
    slow = pipeline.claim(model, 10)
    vectors = pipeline.encode(encoder, slow)
    Product.objects.filter(pk=product.pk).update(name="New name")
    fresh = pipeline.claim(model, 10)
    assert pipeline.process(encoder, fresh).stored == 1
    assert pipeline.store(slow, vectors).moved == 1
    assert_settled(encoder, product)


def test_a_text_that_changes_and_changes_back_settles_rightly(
    make_product: Any, model: EmbeddingModel, encoder: Encoder
) -> None:
    product = make_product("First")
    claims = pipeline.claim(model, 10)
    for name in ("Second", "First"):
        Product.objects.filter(pk=product.pk).update(name=name)
    assert pipeline.process(encoder, claims).stored == 1
    assert_settled(encoder, product)
    assert pipeline.claim(model, 10) == []


def test_a_product_deleted_while_it_is_encoded_leaves_nothing(
    make_product: Any, model: EmbeddingModel, encoder: Encoder
) -> None:
    product = make_product()
    claims = pipeline.claim(model, 10)
    product.delete()
    assert pipeline.process(encoder, claims).moved == 1
    assert not ProductEmbedding.objects.exists()


def test_a_leased_row_is_processing_and_nobody_else_claims_it(
    make_product: Any, model: EmbeddingModel
) -> None:
    product = make_product()
    assert len(pipeline.claim(model, 10)) == 1
    assert row(product).status == "processing"
    assert pipeline.claim(model, 10) == []


def test_an_expired_lease_is_reclaimed(make_product: Any, model: EmbeddingModel, encoder: Encoder) -> None:
    product = make_product()
    pipeline.claim(model, 10)
    ProductEmbedding.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    claims = pipeline.claim(model, 10)
    assert claims[0].attempts == 2
    pipeline.process(encoder, claims)
    assert_settled(encoder, product)


def test_rows_that_failed_before_are_claimed_alone(make_product: Any, model: EmbeddingModel) -> None:
    for number in range(3):
        make_product(f"Product {number}")
    pipeline.claim(model, 10)
    ProductEmbedding.objects.update(lease_until=None)
    assert [len(pipeline.claim(model, 10)) for _ in range(4)] == [1, 1, 1, 0]


def test_live_edits_go_before_bulk_rows(make_product: Any, model: EmbeddingModel) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL nearshelf.priority = '1'")
    bulk = make_product("From a file")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL nearshelf.priority = '0'")
    live = make_product("From the admin")
    order = [pipeline.claim(model, 1)[0].text.name for _ in range(2)]
    assert order == [live.name, bulk.name]


def _set_priority(priority: Priority) -> None:
    """What is written from here on, in this transaction, has this priority."""
    _sql("SELECT set_config('nearshelf.priority', %s, true)", str(priority.value))


def test_live_edits_go_oldest_first_and_bulk_rows_by_category(
    make_product: Any, make_category: Any, model: EmbeddingModel
) -> None:
    drills, saws = make_category("Drills"), make_category("Saws")
    _set_priority(Priority.BULK)
    for name, category in (("saw 1", saws), ("drill 1", drills), ("saw 2", saws), ("drill 2", drills)):
        make_product(name, category=category)
    _set_priority(Priority.LIVE)
    for name, category in (("live saw", saws), ("live drill", drills)):
        make_product(name, category=category)
    order = [pipeline.claim(model, 1)[0].text.name for _ in range(6)]
    assert order == ["live saw", "live drill", "drill 1", "drill 2", "saw 1", "saw 2"]


def test_failures_of_a_bulk_load_do_not_hold_up_the_categories_after_theirs(
    make_product: Any, make_category: Any, model: EmbeddingModel, encoder: Encoder
) -> None:
    drills, saws = make_category("Drills"), make_category("Saws")
    _set_priority(Priority.BULK)
    for number in range(2):
        make_product(f"Drill of poison {number}", category=drills)
    make_product("Saw", category=saws)
    pipeline.process(Refusing(encoder, "poison"), pipeline.claim(model, 2))
    ProductEmbedding.objects.update(next_attempt_at=timezone.now())
    order = [[claim.text.name for claim in pipeline.claim(model, 10)] for _ in range(3)]
    assert order[0] == ["Saw"]
    assert sorted(order[1:]) == [["Drill of poison 0"], ["Drill of poison 1"]]


def test_a_bulk_load_leaves_each_category_together_on_disk(
    make_category: Any, embed: Any, settings: Any
) -> None:
    settings.EMBEDDING_CLAIM_SIZE = 30
    categories = [make_category(f"Category {number}") for number in range(4)]
    _set_priority(Priority.BULK)
    Product.objects.bulk_create(
        Product(sku=f"B-{number}", name=f"Product {number}", category=categories[number % 4])
        for number in range(240)
    )
    embed()
    with connection.cursor() as cursor:
        cursor.execute("SELECT category_id FROM embeddings_productembedding ORDER BY ctid")
        found = [category for (category,) in cursor.fetchall()]
    changes = sum(one != other for one, other in pairwise(found))
    assert changes < 60, found


def test_a_poisonous_text_fails_alone_and_says_why(
    make_product: Any, model: EmbeddingModel, encoder: Encoder
) -> None:
    good = [make_product(f"Product {number}") for number in range(3)]
    bad = make_product("Product with poison")
    outcome = pipeline.process(Refusing(encoder, "poison"), pipeline.claim(model, 10))
    assert (outcome.stored, outcome.failed) == (3, 1)
    for product in good:
        assert_settled(encoder, product)
    found = row(bad)
    assert found.status == "pending"
    assert "cannot read poison" in found.last_error
    assert found.next_attempt_at is not None
    assert found.next_attempt_at > timezone.now() + timedelta(seconds=pipeline.BACKOFF_BASE_S - 1)


def test_attempts_end_in_failed_and_a_new_text_starts_afresh(
    make_product: Any, model: EmbeddingModel, encoder: Encoder, settings: Any
) -> None:
    product = make_product("Product with poison")
    for _ in range(settings.EMBEDDING_MAX_ATTEMPTS):
        ProductEmbedding.objects.update(next_attempt_at=timezone.now())
        pipeline.process(Refusing(encoder, "poison"), pipeline.claim(model, 10))
    assert row(product).status == "failed"
    assert pipeline.claim(model, 10) == []
    Product.objects.filter(pk=product.pk).update(name="Product without")
    assert row(product).status == "pending"
    assert row(product).last_error == ""
    pipeline.process(encoder, pipeline.claim(model, 10))
    assert_settled(encoder, product)


def test_retry_gives_failed_rows_a_fresh_start(make_product: Any, model: EmbeddingModel) -> None:
    make_product()
    ProductEmbedding.objects.update(next_attempt_at=None, attempts=5, last_error="out of luck")
    assert ProductEmbedding.objects.all().retry() == 1
    assert len(pipeline.claim(model, 10)) == 1


def test_a_text_that_kills_its_worker_every_time_ends_as_failed(
    make_product: Any, model: EmbeddingModel, settings: Any
) -> None:
    product = make_product()
    for _ in range(settings.EMBEDDING_MAX_ATTEMPTS):
        assert len(pipeline.claim(model, 10)) == 1  # and then the worker dies
        ProductEmbedding.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert pipeline.claim(model, 10) == []
    found = row(product)
    assert found.status == "failed"
    assert f"died {settings.EMBEDDING_MAX_ATTEMPTS} times" in found.last_error
    assert [one["attempt"] for one in found.failures] == [5, 4, 3, 2, 1]
    assert {one["error"] for one in found.failures} == {pipeline.WORKER_SILENT}


def test_the_last_failed_attempts_are_remembered_when_a_later_one_succeeds(
    make_product: Any, model: EmbeddingModel, encoder: Encoder
) -> None:
    product = make_product("Product with poison")
    for number in range(pipeline.MAX_FAILURES + 2):
        ProductEmbedding.objects.update(next_attempt_at=timezone.now(), attempts=0)
        pipeline.fail(pipeline.claim(model, 1)[0], f"{number} " + "x" * 5_000)
    Product.objects.filter(pk=product.pk).update(name="Product without")
    pipeline.process(encoder, pipeline.claim(model, 10))
    found = row(product)
    assert found.status == "ready"
    assert [one["error"][:3] for one in found.failures] == [f"{n} x"[:3] for n in range(11, 1, -1)]
    assert {len(one["error"]) for one in found.failures} == {pipeline.MAX_NOTED_ERROR_LENGTH}
    times = [one["at"] for one in found.failures]
    assert times == sorted(times, reverse=True)


def test_exhausted_rows_do_not_hide_those_behind_them(
    make_product: Any, model: EmbeddingModel, settings: Any
) -> None:
    make_product("Killer")
    ProductEmbedding.objects.update(attempts=settings.EMBEDDING_MAX_ATTEMPTS)
    make_product("Harmless")
    assert [claim.text.name for claim in pipeline.claim(model, 1)] == ["Harmless"]


def test_a_broken_model_burns_no_attempts(make_product: Any, model: EmbeddingModel, encoder: Encoder) -> None:
    product = make_product()
    claims = pipeline.claim(model, 10)
    with pytest.raises(ModelUnavailableError):
        pipeline.process(Refusing(encoder, ""), claims)
    found = row(product)
    assert (found.attempts, found.lease_until, found.status) == (0, None, "pending")


def test_inactive_products_are_not_embedded_until_they_are_active(make_product: Any, embed: Any) -> None:
    product = make_product(is_active=False)
    assert embed().claimed == 0
    Product.objects.filter(pk=product.pk).update(is_active=True)
    assert embed().stored == 1


def test_status_in_memory_and_in_sql_agree(make_product: Any, embed: Any) -> None:
    product = make_product()
    later, earlier = timezone.now() + timedelta(hours=1), timezone.now() - timedelta(hours=1)
    embed()
    for changes in (
        {},
        {"is_active": False},
        {"stored_digest": ""},
        {"stored_digest": None},
        {"stored_digest": None, "next_attempt_at": None},
        {"stored_digest": None, "lease_until": later},
        {"stored_digest": None, "lease_until": earlier},
    ):
        before = ProductEmbedding.objects.values(*changes).get(product=product) if changes else {}
        ProductEmbedding.objects.update(**changes)
        found = row(product)
        assert found.get_status() == found.status
        ProductEmbedding.objects.update(**before)


def test_a_vector_that_postgresql_refuses_fails_alone(
    make_product: Any, model: EmbeddingModel, encoder: Encoder
) -> None:
    good, bad = make_product(), make_product("Product with poison")
    outcome = pipeline.process(Spoiling(encoder, "poison"), pipeline.claim(model, 10))
    assert (outcome.stored, outcome.failed) == (1, 1)
    assert_settled(encoder, good)
    assert "NaN" in row(bad).last_error


@pytest.mark.parametrize("give_up", [pipeline.release, lambda claims: pipeline.fail(claims[0], "too late")])
def test_a_worker_whose_lease_ran_out_takes_nothing_from_the_next(
    give_up: Callable[[Any], Any], make_product: Any, model: EmbeddingModel
) -> None:
    product = make_product()
    late = pipeline.claim(model, 10)
    ProductEmbedding.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert len(pipeline.claim(model, 10)) == 1
    give_up(late)
    found = row(product)
    assert (found.status, found.attempts, found.last_error) == ("processing", 2, "")
