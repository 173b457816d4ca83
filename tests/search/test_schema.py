"""The OpenAPI document, and whether the API does what it says."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from search.api import schema as document

pytestmark = pytest.mark.django_db

EXAMPLES = 30

OPERATIONS = {
    "/api/search/": "search",
    "/api/search/batch/": "search_batch",
    "/api/events/": "events",
    "/api/suggest/": "suggest",
    "/api/similar/": "similar",
    "/api/products/": "product_list",
    "/api/products/{sku}/": "product_detail",
    "/api/products/{sku}/similar/": "product_similar",
    "/api/categories/": "category_tree",
    "/api/embeddings/status/": "embedding_status",
}


# That every documented value is accepted cannot hold: a category must exist.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]

with_good_values = [(path, GenerationMode.POSITIVE) for path in OPERATIONS]
with_bad_values = [
    (path, GenerationMode.NEGATIVE)
    for path in (
        "/api/search/",
        "/api/search/batch/",
        "/api/events/",
        "/api/similar/",
        "/api/products/",
        "/api/products/{sku}/similar/",
    )
]


@pytest.fixture
def api(settings: Any, make_product: Any, make_category: Any, embed: Any) -> Iterator[Any]:
    """The API over a small shop, without limits, as its own document describes it."""
    for name in ("ANON", "BATCH", "SUGGEST", "EVENTS"):
        setattr(settings, f"SEARCH_THROTTLE_{name}", "")
    for number in range(5):
        make_product(sku=f"0{number}", category=make_category("tools"), attributes={"colour": "red"})
    embed()
    # A request's end would close the connection on which the test's transaction is open.
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield schemathesis.openapi.from_wsgi("/api/schema/", get_wsgi_application())
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.mark.parametrize(("path", "mode"), [*with_good_values, *with_bad_values])
def test_the_api_does_what_its_document_says(api: Any, path: str, mode: GenerationMode) -> None:
    (operation,) = api[path].values()

    @seed(7)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    check()


def test_every_endpoint_is_described(client: Client) -> None:
    response = client.get("/api/schema/")
    body = response.json()
    assert body["openapi"] == "3.1.0"
    assert {
        path: next(iter(methods.values()))["operationId"] for path, methods in body["paths"].items()
    } == OPERATIONS
    for methods in body["paths"].values():
        for operation in methods.values():
            success = "202" if operation["operationId"] == "events" else "200"
            assert {success, "401", "403", "405", "406", "429", "503"} <= operation["responses"].keys()
            assert operation["summary"]


def test_the_document_names_every_kind_of_body_that_is_taken(client: Client) -> None:
    paths = client.get("/api/schema/").json()["paths"]
    kinds = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"]
    for path in ("/api/search/batch/", "/api/events/", "/api/similar/"):
        answers = {kind: client.generic("POST", path, "{}", kind).status_code for kind in kinds}
        taken = [kind for kind, status in answers.items() if status != 415]
        assert sorted(paths[path]["post"]["requestBody"]["content"]) == taken


def test_a_text_of_an_event_is_described_as_the_event(client: Client) -> None:
    content = client.get("/api/schema/").json()["paths"]["/api/events/"]["post"]["requestBody"]["content"]
    event, text = (content[kind]["schema"] for kind in ("application/json", "text/plain"))
    assert text["type"] == "string"
    assert (text["contentMediaType"], text["contentSchema"]) == ("application/json", event)
    (example,) = content["text/plain"]["examples"].values()
    assert json.loads(example["value"]).keys() == event["properties"].keys()


def test_the_document_is_made_without_a_warning(capsys: Any) -> None:
    document.document.cache_clear()
    document.document()
    assert capsys.readouterr().err == ""


def test_two_first_visitors_do_not_make_the_document_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """drf-spectacular loads its extensions while it makes one, and fails where another thread has only begun to."""
    at_work: list[int] = []
    most: list[int] = []

    def make(*args: Any, **kwargs: Any) -> dict[str, Any]:
        at_work.append(1)
        most.append(len(at_work))
        time.sleep(0.05)
        at_work.pop()
        return {}

    monkeypatch.setattr(document.SchemaGenerator, "get_schema", make)
    document.document.cache_clear()
    try:
        with ThreadPoolExecutor(2) as visitors:
            assert [made.result() for made in [visitors.submit(document.document) for _ in range(2)]] == [
                {},
                {},
            ]
    finally:
        document.document.cache_clear()
    assert max(most) == 1


def test_the_docs_need_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api/docs/").content.decode()
    assert "/api/schema/" in page
    assert "/static/drf_spectacular_sidecar/" in page
    assert "cdn" not in page
    address = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
    with closing(client.get(address)) as script:  # it is read from an open file
        assert script.status_code == 200
