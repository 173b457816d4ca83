"""How long each page of the admin takes, on whatever is in the database."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import NoReverseMatch, reverse

from search.analytics.admin import REPORTS

ROUNDS = 3
WORD = "drill"

LAB = "admin:search_lab"
OTHERS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("start page", "admin:index", {}),
    ("products, page 500", "admin:catalog_product_changelist", {"p": "500"}),
    ("products, failed", "admin:catalog_product_changelist", {"embedding": "failed"}),
    ("products, by price", "admin:catalog_product_changelist", {"price_min": "10", "price_max": "500"}),
    ("products, import", "admin:catalog_product_import", {}),
    ("products, export", "admin:catalog_product_export", {}),
    ("dashboard, figures", "admin:embeddings_dashboard_figures", {}),
    (
        "curation rules, active, search",
        "admin:search_curationrule_changelist",
        {"state": "active", "q": WORD},
    ),
    ("search lab, a query", LAB, {"q": WORD}),
    ("search lab, compared", LAB, {"q": WORD, "compare": "on", "b-mode": "keyword", "shown": "50"}),
)


@dataclass(frozen=True)
class Page:
    """A page of the admin."""

    name: str
    address: str


@dataclass(frozen=True)
class Timing:
    """What a page took."""

    page: Page
    status: int
    queries: int
    best_ms: float


def pages() -> Iterator[Page]:
    """Every page that can be looked at: lists, searched lists, the first row of each, empty forms, and all others."""
    for model in apps.get_models():
        if admin.site.is_registered(model):
            yield from _pages_of(model)
    for name, view, params in OTHERS:
        yield Page(name, reverse(view, query=params or None))
    for key in REPORTS:
        address = reverse("admin:search_searchlog_report", args=[key], query={"period": "30d"})
        yield Page(f"search analytics, {key}", address)


def _pages_of(model: type[Model]) -> Iterator[Page]:
    options, model_admin = model._meta, admin.site.get_model_admin(model)
    view = f"admin:{options.app_label}_{options.model_name}"
    plural = str(options.verbose_name_plural)
    yield Page(plural, reverse(f"{view}_changelist"))
    if model_admin.search_fields:
        yield Page(f"{plural}, search", reverse(f"{view}_changelist", query={"q": WORD}))
    first = model._default_manager.order_by("pk").first() if options.managed else None
    for action, arguments in (("change", first), ("history", first), ("add", None)):
        if action != "add" and first is None:
            continue
        try:
            address = reverse(f"{view}_{action}", args=[arguments.pk] if arguments else None)
        except NoReverseMatch:  # a page of figures, which has no rows
            continue
        yield Page(f"{options.verbose_name}, {action}", address)


def measure(user: User) -> Iterator[Timing]:
    """Ask for each page a few times, as this user."""
    client = Client(raise_request_exception=False)
    with override_settings(ALLOWED_HOSTS=["testserver"]):
        client.force_login(user)
        try:
            for page in pages():
                yield _time(client, page)
        finally:
            client.logout()


def _time(client: Client, page: Page) -> Timing:
    best = float("inf")
    for _ in range(ROUNDS):
        with CaptureQueriesContext(connection) as captured:
            began = time.perf_counter()
            response = client.get(page.address, secure=True)
            best = min(best, time.perf_counter() - began)
    return Timing(page, response.status_code, len(captured), 1000 * best)
