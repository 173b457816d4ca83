"""Promises of several models at a time: search uses one, none goes stale, going back is one step."""

import itertools
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Concat, Now

from catalog.models import Category, Product
from embeddings import coverage, indexes, locks, model_registry, pipeline, upkeep
from embeddings.encoders import encoder_for
from embeddings.exceptions import ActivationError, ModelStateError
from embeddings.models import DEFAULT_MODEL_ID, EmbeddingModel, ProductEmbedding
from embeddings.triggers import PRIORITY_SETTING
from tests.embeddings.background import in_background, wait_until_blocked
from tests.embeddings.test_pipeline import vector_of
from tests.embeddings.tiny_model import DIMENSIONS, make_tiny_model

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_indexes")]

NAMES = ("Claw hammer", "Kitchen knife", "Cordless drill", "Red wool shirt", "Rubber boots", "Steel kettle")


@pytest.fixture
def products(make_product: Any) -> list[Product]:
    return [make_product(name) for name in NAMES]


@pytest.fixture
def tiny(products: list[Product], embed: Any, tiny_path: str) -> EmbeddingModel:
    """The tiny model beside the default one, both filled."""
    model = model_registry.add_model(tiny_path)
    embed()
    return model


def command(*words: str) -> str:
    out = StringIO()
    call_command("embedding_models", *words, stdout=out, stderr=out)
    return out.getvalue()


def load(products: QuerySet[Product], **fields: Any) -> None:
    """Write as a bulk load does."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, '1', true)", [PRIORITY_SETTING])
        products.update(**fields)


def statuses(model: EmbeddingModel) -> set[str]:
    rows = ProductEmbedding.objects.filter(model=model).with_status()
    return set(rows.values_list("status", flat=True))


def assert_true_vectors(model: EmbeddingModel) -> None:
    """Every product is ready, with the vector that this model makes of its text of now."""
    assert statuses(model) == {"ready"}
    rows = ProductEmbedding.objects.filter(model=model).select_related("product")
    assert len(rows) == Product.objects.count()
    for row in rows:
        expected = vector_of(encoder_for(model), row.product)
        assert float(np.dot(np.asarray(row.vector, dtype=np.float32), expected)) > 0.998


def search(text: str) -> tuple[int, list[tuple[int, int]]]:
    """What a query does: the active model's id, and (model, product) of the nearest vectors."""
    model = EmbeddingModel.objects.active()
    vector = encoder_for(model).encode_queries([text])[0]
    rows = ProductEmbedding.objects.filter(model=model.pk, is_active=True)
    nearest = rows.nearest_to(vector, model.dimensions)[:5]
    with transaction.atomic(), connection.cursor() as cursor:
        # Versions of rows that edits left dead would else use up the index scan's candidates.
        cursor.execute("SET LOCAL hnsw.iterative_scan = relaxed_order")
        return model.pk, [(row.model_id, row.product_id) for row in nearest]


def test_a_second_model_fills_beside_the_active_one(
    products: list[Product], embed: Any, tiny_path: str
) -> None:
    embed()
    assert "is added; 6 products want a vector" in command("add", tiny_path)
    tiny = EmbeddingModel.objects.get(name=tiny_path)
    assert (tiny.state, tiny.dimensions) == ("building", DIMENSIONS)
    assert statuses(tiny) == {"pending"}
    assert search("hammer")[0] == DEFAULT_MODEL_ID

    assert embed().stored == 6
    assert_true_vectors(tiny)
    assert_true_vectors(EmbeddingModel.objects.active())
    assert not indexes.state(tiny)["exists"]
    upkeep.mend()
    assert indexes.state(tiny)["valid"]
    assert "building" in command("list")


def test_an_added_model_is_refused_with_a_sentence(tmp_path: Path, tiny_path: str, settings: Any) -> None:
    settings.EMBEDDING_RUNTIME = "torch"  # nothing is worth a conversion here
    with pytest.raises(CommandError, match="There is no model folder /no/such/model"):
        command("add", "/no/such/model")
    with pytest.raises(CommandError, match="cannot be loaded"):
        command("add", str(tmp_path))
    wide = make_tiny_model(tmp_path / "wide", dimensions=4001)
    with pytest.raises(CommandError, match="4,001 dimensions; the index takes at most 4,000"):
        command("add", str(wide))
    command("add", tiny_path)
    with pytest.raises(CommandError, match="is there already, as model"):
        command("add", tiny_path)
    assert EmbeddingModel.objects.count() == 2


def test_activation_needs_full_coverage(products: list[Product], embed: Any, tiny_path: str) -> None:
    embed()
    tiny = model_registry.add_model(tiny_path)
    with pytest.raises(ActivationError, match=r"6 pending.*index is missing"):
        model_registry.activate_model(tiny)

    embed()
    ProductEmbedding.objects.filter(model=tiny, product=products[0]).delete()
    load(Product.objects.filter(pk=products[1].pk), name="Bread knife")
    broken = ProductEmbedding.objects.filter(model=tiny, product=products[2])
    broken.update(stored_digest=None, vector=None, next_attempt_at=None)
    with pytest.raises(CommandError, match="1 missing, 1 stale, 1 failed"):
        command("activate", str(tiny.pk), "--wait", "0")
    assert EmbeddingModel.objects.active().pk == DEFAULT_MODEL_ID

    assert "Search uses" in command("activate", str(tiny.pk), "--force")
    assert EmbeddingModel.objects.active() == tiny


def test_activation_waits_for_the_last_vectors_and_builds_the_index(
    tiny: EmbeddingModel, products: list[Product], session: BaseDatabaseWrapper
) -> None:
    load(Product.objects.filter(pk=products[0].pk), name="Sledge hammer")
    late = in_background(pipeline.drain, delay_s=0.3)
    command("activate", str(tiny.pk), "--wait", "20")
    late.join()
    assert EmbeddingModel.objects.active() == tiny
    assert indexes.state(tiny)["valid"]


def age(model: EmbeddingModel, seconds: float) -> None:
    """Have all texts of a model be wanted that much earlier."""
    rows = ProductEmbedding.objects.filter(model=model)
    rows.update(wanted_at=F("wanted_at") - timedelta(seconds=seconds))


def test_live_edits_do_not_hold_up_activation(
    tiny: EmbeddingModel, products: list[Product], make_product: Any
) -> None:
    model_registry.prepare_activation(tiny)
    tiny.refresh_from_db()
    Product.objects.filter(pk=products[0].pk).update(name="Sledge hammer")
    make_product("Garden hose")
    assert coverage.gaps(tiny) == {"pending": 1, "stale": 1}
    assert model_registry.obstacles(tiny) == []

    age(tiny, coverage.LATE_EDIT_S)
    assert model_registry.obstacles(tiny) == ["Not every product has its vector: 1 pending, 1 stale."]
    Product.objects.filter(pk=products[0].pk).update(name="Claw hammer")  # its vector of before fits again
    Product.objects.update(name=Concat("name", Value("!")))
    rows = ProductEmbedding.objects.filter(model=tiny, product=products[0])
    for given_up in ({"next_attempt_at": None}, {"attempts": settings.EMBEDDING_MAX_ATTEMPTS}):
        rows.update(**given_up)
        assert model_registry.obstacles(tiny) != []
        rows.update(next_attempt_at=Now(), attempts=0)
    assert model_registry.obstacles(tiny) == []
    model_registry.activate_model(tiny)


def test_an_empty_model_is_not_activated_however_late_every_text_was_edited(
    products: list[Product], embed: Any, tiny_path: str
) -> None:
    embed()
    tiny = model_registry.add_model(tiny_path)
    indexes.build(tiny)
    gap = ["Not every product has its vector: 6 pending."]
    assert model_registry.obstacles(tiny) == gap
    for category in (Category.objects.create(name="Tools", slug="tools"), None):
        Product.objects.update(category=category)
        assert model_registry.obstacles(tiny) == gap
    Product.objects.update(category=Category.objects.get())
    Category.objects.update(name="Things")
    Product.objects.update(name=Concat("name", Value("!")))
    assert model_registry.obstacles(tiny) == gap
    with pytest.raises(ActivationError):
        model_registry.activate_model(tiny)


@pytest.mark.parametrize("how", ["retired", "template"])
def test_a_model_that_has_to_be_filled_anew_is_not_activated_before(
    tiny: EmbeddingModel, products: list[Product], embed: Any, how: str
) -> None:
    model_registry.prepare_activation(tiny)
    if how == "retired":
        model_registry.retire_model(tiny)
        Product.objects.update(name=Concat("name", Value("!")))
        model_registry.build_model(tiny)
    else:
        EmbeddingModel.objects.filter(pk=tiny.pk).update(template_version=99)
        coverage.complete(tiny)
    tiny.refresh_from_db()
    gap = ["Not every product has its vector: 6 stale."]
    assert model_registry.obstacles(tiny) == gap
    Product.objects.update(name=Concat("name", Value("?")))
    assert model_registry.obstacles(tiny) == gap
    embed()
    Product.objects.update(name=Concat("name", Value("!")))
    assert model_registry.obstacles(tiny) == []


def test_going_back_is_one_command_and_nothing_is_stale(
    tiny: EmbeddingModel, products: list[Product], embed: Any
) -> None:
    assert f"activate {DEFAULT_MODEL_ID}" in command("activate", str(tiny.pk))
    default = EmbeddingModel.objects.get(pk=DEFAULT_MODEL_ID)
    assert default.state == "building"
    Product.objects.filter(pk=products[0].pk).update(name="Mallet for tiles")
    embed()
    assert_true_vectors(default)
    command("activate", str(default.pk))
    assert_true_vectors(EmbeddingModel.objects.active())
    tiny.refresh_from_db()
    assert tiny.state == "building"


def test_search_and_edits_go_on_through_a_swap_and_back(
    tiny: EmbeddingModel, products: list[Product]
) -> None:
    """No failed query, no mixed or empty result, no lost edit."""
    model_registry.prepare_activation(tiny)
    stop, seen = threading.Event(), set()
    errors: list[Exception] = []

    def loop(work: Callable[[int], None]) -> threading.Thread:
        def run() -> None:
            try:
                for turn in itertools.count():
                    if stop.is_set():
                        return
                    work(turn)
            except Exception as error:
                errors.append(error)

        return in_background(run)

    def query(turn: int) -> None:
        model, hits = search(NAMES[turn % len(NAMES)])
        assert len(hits) == 5
        assert {hit_model for hit_model, _ in hits} == {model}
        seen.add(model)

    def edit(turn: int) -> None:
        Product.objects.filter(pk=products[turn % 6].pk).update(name=f"{NAMES[turn % 6]} {turn}")
        time.sleep(0.02)

    def work(turn: int) -> None:
        pipeline.drain(stop.is_set)
        time.sleep(0.01)

    threads = [loop(query), loop(edit), loop(work)]
    for _ in range(3):
        for model in (tiny, EmbeddingModel.objects.get(pk=DEFAULT_MODEL_ID)):
            model_registry.activate_model(model, force=True)
            time.sleep(0.4)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert seen == {DEFAULT_MODEL_ID, tiny.pk}
    pipeline.drain()
    for model in EmbeddingModel.objects.all():
        assert_true_vectors(model)


def test_a_retired_model_rests_and_comes_back_complete(
    tiny: EmbeddingModel, products: list[Product], make_product: Any, embed: Any
) -> None:
    with pytest.raises(CommandError, match="is the active model"):
        command("retire", str(DEFAULT_MODEL_ID))
    command("retire", str(tiny.pk))
    make_product("Garden hose")
    Product.objects.filter(pk=products[0].pk).update(name="Ball-peen hammer")
    products[1].delete()
    assert embed().stored == 2  # under the active model alone
    assert ProductEmbedding.objects.filter(model=tiny).count() == 5
    with pytest.raises(CommandError, match=r"It is retired\. Bring it back"):
        command("activate", str(tiny.pk), "--force")

    assert "2 products want a vector" in command("build", str(tiny.pk))
    assert embed().stored == 2
    assert_true_vectors(tiny)
    assert "is complete and has its index" in command("build", str(tiny.pk))


def test_a_removed_model_leaves_nothing(tiny: EmbeddingModel) -> None:
    indexes.build(tiny)
    name = indexes.index_name(tiny)
    with pytest.raises(CommandError, match="is the active model"):
        command("remove", str(DEFAULT_MODEL_ID))
    assert "with 6 vectors" in command("remove", str(tiny.pk))
    assert not EmbeddingModel.objects.filter(pk=tiny.pk).exists()
    assert set(ProductEmbedding.objects.values_list("model", flat=True)) == {DEFAULT_MODEL_ID}
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname = %s", [name])
        assert cursor.fetchone() == (0,)


def test_a_product_of_an_older_transaction_is_not_forgotten(
    products: list[Product], embed: Any, tiny_path: str, session: BaseDatabaseWrapper
) -> None:
    """Its writer does not know of the model, and the model does not see what is not committed."""
    model_registry.PATIENCE_S, patience = 0.3, model_registry.PATIENCE_S
    session.set_autocommit(False)
    try:
        with session.cursor() as cursor:
            cursor.execute(
                "INSERT INTO catalog_product (sku, name, currency, attributes) VALUES ('OLD', 'Hoe', 'EUR', '{}')"
            )
        tiny = model_registry.add_model(tiny_path)
        assert tiny.rows_checked_at is None
    finally:
        model_registry.PATIENCE_S = patience
    embed()
    with pytest.raises(ActivationError, match="Its rows are still being checked"):
        model_registry.activate_model(tiny)
    session.commit()
    assert coverage.gaps(tiny) == {"missing": 1}
    upkeep.mend()
    embed()
    assert coverage.gaps(tiny) == {}
    model_registry.activate_model(tiny)


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ"])
def test_an_edit_of_an_older_transaction_is_not_forgotten(
    tiny: EmbeddingModel, products: list[Product], embed: Any, session: BaseDatabaseWrapper, isolation: str
) -> None:
    """The editor takes the model for retired; whoever revives it sees the text from before the edit."""
    model_registry.retire_model(tiny)
    session.set_autocommit(False)
    with session.cursor() as cursor:
        cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
        cursor.execute("SELECT count(*) FROM catalog_product")
        if isolation == "READ COMMITTED":
            cursor.execute("UPDATE catalog_product SET name = 'Pliers' WHERE id = %s", [products[0].pk])
    EmbeddingModel.objects.filter(pk=tiny.pk).update(state="building")
    tiny.refresh_from_db()
    assert not coverage.complete(tiny, patience_s=0.3)
    with session.cursor() as cursor:
        cursor.execute("UPDATE catalog_product SET name = 'Pliers' WHERE id = %s", [products[0].pk])
    session.commit()
    assert coverage.complete(tiny)
    embed()
    assert_true_vectors(tiny)


def test_waiting_for_older_writers_holds_up_nobody(
    products: list[Product], session: BaseDatabaseWrapper
) -> None:
    session.set_autocommit(False)
    with session.cursor() as cursor:
        cursor.execute("UPDATE catalog_product SET price = 1 WHERE id = %s", [products[0].pk])
    assert not locks.wait_for_older_writers(0.2)
    waiting = in_background(lambda: locks.wait_for_older_writers(5))
    started = time.monotonic()
    Product.objects.filter(pk=products[1].pk).update(name="Tea mug")
    assert time.monotonic() - started < 1
    session.rollback()
    waiting.join(2)
    assert not waiting.is_alive()


def test_a_product_that_moves_while_its_old_category_is_renamed_has_its_new_text(
    make_category: Any, make_product: Any, embed: Any, session: BaseDatabaseWrapper
) -> None:
    old, new = make_category("Garden"), make_category("Kitchen")
    product = make_product("Watering can", category=old)
    session.set_autocommit(False)
    with session.cursor() as cursor:
        cursor.execute("UPDATE catalog_product SET category_id = %s WHERE id = %s", [new.pk, product.pk])
    rename = in_background(lambda: Category.objects.filter(pk=old.pk).update(name="Outdoors"))
    wait_until_blocked()
    session.commit()
    rename.join()
    embed()
    expected = ProductEmbedding.objects.get(product=product).wanted_digest
    Product.objects.filter(pk=product.pk).update(name="x")
    Product.objects.filter(pk=product.pk).update(name="Watering can")
    assert ProductEmbedding.objects.get(product=product).wanted_digest == expected


def test_a_rename_and_an_edit_of_text_and_price_at_once_wait_for_each_other(
    make_category: Any, make_product: Any, session: BaseDatabaseWrapper
) -> None:
    category = make_category("Garden")
    product = make_product("Watering can", category=category)
    session.set_autocommit(False)
    with session.cursor() as cursor:
        cursor.execute(
            "SELECT full_name FROM catalog_category WHERE id = %s FOR NO KEY UPDATE", [category.pk]
        )
    edit = in_background(lambda: Product.objects.filter(pk=product.pk).update(name="Can", price=5))
    wait_until_blocked()
    with session.cursor() as cursor:
        cursor.execute("UPDATE catalog_category SET name = 'Outdoors' WHERE id = %s", [category.pk])
    session.commit()
    edit.join()
    assert ProductEmbedding.objects.get(product=product).price == 5


def test_a_model_is_removed_only_when_nobody_writes_its_rows(
    tiny: EmbeddingModel, session: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_registry, "PATIENCE_S", 0.2)
    with transaction.atomic(), session.cursor() as cursor:
        session.set_autocommit(False)
        cursor.execute(
            "INSERT INTO catalog_product (sku, name, currency, attributes) VALUES ('NEW', 'Hoe', 'EUR', '{}')"
        )
    with pytest.raises(ModelStateError, match="remove it later"):
        model_registry.remove_model(tiny)
    session.commit()
    assert model_registry.remove_model(tiny) == 7


def test_upkeep_mends_an_index_that_a_dead_backfill_left_out(
    products: list[Product], embed: Any, session: BaseDatabaseWrapper
) -> None:
    model = EmbeddingModel.objects.active()
    embed()
    indexes.drop(model)
    with session.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [locks.NAMESPACE, locks.loading(model.pk)])
    upkeep.mend()
    assert not indexes.state(model)["exists"]  # the backfill still lives
    session.close()
    with connection.cursor() as cursor:
        # Its end takes PostgreSQL a moment.
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [locks.NAMESPACE, locks.loading(model.pk)])
        cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [locks.NAMESPACE, locks.loading(model.pk)])
    upkeep.mend()
    assert indexes.state(model)["valid"]
