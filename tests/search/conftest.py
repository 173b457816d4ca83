"""What tests of search and of the API may use."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from catalog.models import Category, Product
from embeddings import pipeline
from search import attributes, categories, encoding, redis_client, semantic
from search.merchandising import book, usage
from search.terms import forget_size, refresh_terms

DEMO = Path(__file__).parents[2] / "catalog" / "demo" / "products.jsonl"


@pytest.fixture(autouse=True)
def _start_afresh() -> None:
    """Forget what this process remembers of the catalogue and of Redis."""
    attributes.names.forget()
    forget_size()
    categories.forget()
    semantic.forget_estimates()
    redis_client.try_again()
    book.forget()
    usage.forget()


@pytest.fixture(scope="module")
def demo(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The demo catalogue with its real vectors, embedded once for all tests of a file."""
    with django_db_blocker.unblock():
        call_command("import_products", str(DEMO), verbosity=0)
        pipeline.drain()
        refresh_terms()
        encoding.warm_up()
        yield
        Product.objects.all().delete()
        while Category.objects.exists():
            Category.objects.filter(children=None).delete()
        refresh_terms()


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_user("staff", password="long enough 7", is_staff=True)


@pytest.fixture
def customer(db: None) -> User:
    return User.objects.create_user("customer", password="long enough 7")


@pytest.fixture
def staff_client(staff: User) -> Client:
    client = Client()
    client.force_login(staff)
    return client


def problem(response: Any, status: int) -> dict[str, Any]:
    """The body of a problem; fails where the response is none."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert {"type", "title", "detail", "instance"} <= body.keys()
    return body


def bad_fields(response: Any) -> list[str]:
    """The fields that a 400 names."""
    return [error["field"] for error in problem(response, 400)["errors"]]
