"""Promises of the system checks: they speak up where something wants doing, and only there."""

from typing import Any

import pytest

from catalog.models import Product
from embeddings import coverage, indexes
from embeddings.checks import check_models
from embeddings.model_files import PACKAGED_MODEL
from embeddings.models import EmbeddingModel, ProductEmbedding

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_indexes")]


def warnings() -> list[tuple[str | None, str, str | None]]:
    return [(message.id, message.msg, message.hint) for message in check_models(databases=["default"])]


@pytest.fixture
def second(make_product: Any, embed: Any) -> EmbeddingModel:
    """A model that has just been added beside the active one, which is complete."""
    make_product("Claw hammer")
    embed()
    return EmbeddingModel.objects.create(
        name=PACKAGED_MODEL, revision="", document_prompt="product: ", dimensions=384
    )


def test_a_shop_in_order_gives_no_warning(make_product: Any, embed: Any) -> None:
    make_product("Claw hammer")
    embed()
    assert warnings() == []


def test_a_model_that_is_still_filling_may_lack_its_index(second: EmbeddingModel, embed: Any) -> None:
    assert warnings() == []  # its rows are still to be made
    coverage.complete(second)
    assert ProductEmbedding.objects.filter(model=second).waiting().exists()
    assert warnings() == []
    embed()
    (warning,) = warnings()
    assert warning[0] == "embeddings.W001"
    assert str(second.pk) in str(warning[2])
    indexes.build(second)
    assert warnings() == []


def test_the_active_model_may_not_lack_its_index_even_while_products_wait(make_product: Any) -> None:
    make_product("Claw hammer")
    model = EmbeddingModel.objects.active()
    indexes.drop(model)
    try:
        assert Product.objects.exists()
        assert [(code, "missing" in text) for code, text, _ in warnings()] == [("embeddings.W001", True)]
    finally:
        indexes.build(model)
