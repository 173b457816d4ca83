"""Judgment lists for the lab's tests."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from catalog.models import Product
from search.lab.models import Judgment, JudgmentList

ROLES = ["Viewer", "Merchandiser", "Operator"]
LAB = "/admin/search/lab/"


@pytest.fixture
def author(db: None) -> User:
    return User.objects.create_user("author", password="x", is_staff=True)


@pytest.fixture
def judgments(demo: None, db: None) -> JudgmentList:
    """Some of the demo catalogue judged for five queries, one of them without anything relevant."""
    made = JudgmentList.objects.create(name="Spring")
    graded = {
        "drill for concrete": {"hammer drill": 3, "drill": 2, "frying pan": 0},
        "something to hang a picture": {"hook": 3, "hang": 2, "frame": 1, "drill": 0},
        "frying pan": {"frying pan": 3, "pan": 1, "hook": 0},
        "light for my desk": {"lamp": 3, "light": 2, "pan": 0},
        "nothing of the kind": {"pan": 0},
    }
    for query, grades in graded.items():
        for word, grade in grades.items():
            for sku in (
                Product.objects.filter(name__icontains=word).order_by("sku").values_list("sku", flat=True)[:4]
            ):
                Judgment.objects.get_or_create(list=made, query=query, sku=sku, defaults={"grade": grade})
    return made


@pytest.fixture
def login(client: Client) -> Callable[..., Client]:
    """Log in as a member of a group, or as staff without any."""

    def as_role(role: str = "") -> Client:
        user = User.objects.create_user(f"a {role}", password="x", is_staff=True)
        if role:
            user.groups.add(Group.objects.get(name=role))
        client.force_login(user)
        return client

    return as_role


def page(client: Client, address: str, **params: Any) -> str:
    """The text of a page that must be there."""
    response = client.get(address, params)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())
