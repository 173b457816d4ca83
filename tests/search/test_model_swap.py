"""A switch of models under load, as a customer sees it: no failed request, no mixed or empty answer."""

import time
from typing import Any

import pytest
from django.test import Client

from embeddings import model_registry, pipeline
from embeddings.models import DEFAULT_MODEL_ID, EmbeddingModel
from tests.embeddings.background import in_background

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_indexes")]


def test_requests_go_on_through_a_swap_and_back(make_product: Any, tiny_path: str, settings: Any) -> None:
    settings.SEARCH_THROTTLE_ANON = ""
    # Every product is in every answer, so that a missing one shows.
    settings.SEARCH_CUTOFF, settings.SEARCH_SEMANTIC_FLOOR = 0.0, -1.0
    for name in ("Claw hammer", "Kitchen knife", "Cordless drill", "Red wool shirt", "Steel kettle"):
        make_product(name)
    tiny = model_registry.add_model(tiny_path)
    pipeline.drain()
    default = EmbeddingModel.objects.get(pk=DEFAULT_MODEL_ID)
    for model in (tiny, default):
        model_registry.prepare_activation(model)
        model.refresh_from_db()

    def swap() -> None:
        for model in (tiny, default, tiny, default):
            model_registry.activate_model(model)
            time.sleep(0.3)

    swapping = in_background(swap)
    client, requests = Client(), 0
    while swapping.is_alive():
        # Different texts, so that no cache answers.
        answer = client.get("/api/search/", {"q": f"hammer {requests}", "mode": "semantic"}).json()
        assert answer["query"]["degraded"] is False
        assert answer["results"]
        requests += 1
    assert requests > 5
