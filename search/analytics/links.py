"""From a query in a report to what staff can do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.urls import reverse

Person = AbstractBaseUser | AnonymousUser


@dataclass(frozen=True)
class Link:
    """A thing to do."""

    label: str
    url: str


@dataclass(frozen=True)
class Target:
    """A page of the admin that takes a query in one of its parameters, and who may open it."""

    label: str
    view: str
    parameter: str
    permission: str


TARGETS = (
    Target("Try it", "admin:search_lab", "q", "search.view_judgmentlist"),
    Target("Add a synonym", "admin:search_synonym_add", "term", "search.add_synonym"),
    Target("Add a rule", "admin:search_curationrule_add", "query", "search.add_curationrule"),
)


def targets_for(user: Person) -> list[tuple[Target, str]]:
    """The pages that this person may open, each with its address."""
    return [
        (target, reverse(target.view))
        for target in TARGETS
        if user.has_perm(target.permission)  # type: ignore[union-attr]
    ]


def links(targets: Sequence[tuple[Target, str]], query: str) -> list[Link]:
    """What to do about a query."""
    return [
        Link(target.label, f"{address}?{urlencode({target.parameter: query})}") for target, address in targets
    ]
