"""From a query to the pages of the admin where staff can do something about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.urls import reverse

from search.query import MAX_QUERY_LENGTH

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
    longest: int  # that the page's field takes
    permission: str


TRY_IT = Target("Try it", "admin:search_lab", "q", MAX_QUERY_LENGTH, "search.view_judgmentlist")
CHANGES = (
    Target("Add a synonym", "admin:search_synonym_add", "term", 100, "search.add_synonym"),
    Target("Add a rule", "admin:search_curationrule_add", "query", 200, "search.add_curationrule"),
)


def targets_for(user: Person, targets: Iterable[Target] = (TRY_IT, *CHANGES)) -> list[tuple[Target, str]]:
    """The pages that this person may open, each with its address."""
    return [
        (target, reverse(target.view))
        for target in targets
        if user.has_perm(target.permission)  # type: ignore[union-attr]
    ]


def links(targets: Sequence[tuple[Target, str]], query: str) -> list[Link]:
    """What to do about a query."""
    return [
        Link(target.label, f"{address}?{urlencode({target.parameter: query[: target.longest]})}")
        for target, address in targets
    ]
