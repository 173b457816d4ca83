"""Rules in the database."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from search.models import CurationAction, CurationRule


@pytest.fixture
def make_rule(db: None) -> Callable[..., CurationRule]:
    """Make a rule for a query, with its actions as dictionaries."""

    def make(query: str = "drill", *actions: dict[str, Any], **fields: Any) -> CurationRule:
        fields.setdefault("name", f"Rule for {query}")
        rule = CurationRule.objects.create(query=query, **fields)
        for action in actions:
            CurationAction.objects.create(rule=rule, **action)
        return rule

    return make


@pytest.fixture
def login(db: None) -> Callable[..., Client]:
    """Log in as a member of a group, or as staff without any."""

    def as_role(role: str = "") -> Client:
        user = User.objects.create_user(f"a {role}", password="x", is_staff=True)
        if role:
            user.groups.add(Group.objects.get(name=role))
        client = Client()
        client.force_login(user)
        return client

    return as_role
