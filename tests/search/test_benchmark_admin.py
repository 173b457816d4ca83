"""The admin's benchmark opens every page there is."""

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command

from search.benchmarks import admin_pages
from search.models import CurationAction, CurationRule, JudgmentList, Synonym

pytestmark = pytest.mark.django_db


def test_every_page_is_measured_and_none_fails(make_product: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(admin_pages, "ROUNDS", 1)
    User.objects.create_superuser("boss")
    rule = CurationRule.objects.create(name="A rule", query="drill")
    CurationAction.objects.create(rule=rule, kind="pin", product=make_product("Drill"), position=1)
    Synonym.objects.create(term="borer", means="drill")
    JudgmentList.objects.create(name="Spring")
    out = StringIO()
    call_command("benchmark_admin", stdout=out)
    names = {line.split("|")[1].strip() for line in out.getvalue().splitlines()}
    assert {
        "products", "products, search", "product, change", "product, history", "dashboard", "search lab, compared",
        "search analytics, slowest", "curation rule, change", "synonym, add", "judgment list, change",
        "judgment list, import", "products, reembed", "product, panel", "curation rule, preview",
    } <= names  # fmt: skip
    assert not Session.objects.exists()


def test_it_says_that_it_needs_a_superuser() -> None:
    User.objects.create_superuser("boss")
    with pytest.raises(CommandError, match="createsuperuser"):
        call_command("benchmark_admin", user="nobody")
