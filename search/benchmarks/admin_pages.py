"""How long each page of the admin takes, on whatever is in the database."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import NoReverseMatch, reverse

from catalog.models import Product
from embeddings.models import EmbeddingModel, EmbeddingRun
from search.analytics.admin import REPORTS
from search.lab.models import EvaluationRun, JudgmentList
from search.merchandising.forms import PREVIEW

ROUNDS = 3
WORD = "drill"
# Rows that a question about several is asked for.
CHOSEN = 100

LAB = "admin:search_lab"
LOOKS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("start page", "admin:index", {}),
    ("products, page 500", "admin:catalog_product_changelist", {"p": "500"}),
    ("products, failed", "admin:catalog_product_changelist", {"embedding": "failed"}),
    ("products, by price", "admin:catalog_product_changelist", {"price_min": "10", "price_max": "500"}),
    ("products, import", "admin:catalog_product_import", {}),
    ("products, export", "admin:catalog_product_export", {}),
    (
        "chooser of products",
        "admin:autocomplete",
        {
            "term": WORD,
            "app_label": "search",
            "model_name": "curationaction",
            "field_name": "product",
        },
    ),
    ("dashboard, figures", "admin:embeddings_dashboard_figures", {}),
    ("dashboard, add a model", "admin:embeddings_dashboard_add_model", {}),
    (
        "curation rules, active, search",
        "admin:search_curationrule_changelist",
        {"state": "active", "q": WORD},
    ),
    ("search lab, a query", LAB, {"q": WORD}),
    ("search lab, compared", LAB, {"q": WORD, "compare": "on", "b-mode": "keyword", "shown": "50"}),
)
# Actions of the list of products, each of which asks before it does anything.
PRODUCT_ACTIONS = ("reembed", "retry_failed", "activate", "deactivate")


@dataclass(frozen=True)
class Page:
    """A page of the admin; one with `data` is posted, which asks a question or shows a preview and changes nothing."""

    name: str
    address: str
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Timing:
    """What a page took."""

    page: Page
    status: int
    queries: int
    best_ms: float


def pages() -> Iterator[Page]:
    """Every page there is: lists, searched lists, the first row of each, empty forms, previews, questions, figures."""
    for app in ("catalog", "embeddings", "search"):
        yield Page(f"index of {app}", reverse("admin:app_list", args=[app]))
    for model in apps.get_models():
        if admin.site.is_registered(model):
            yield from _pages_of(model)
    for name, view, params in LOOKS:
        yield Page(name, reverse(view, query=params or None))
    for key in REPORTS:
        address = reverse("admin:search_searchlog_report", args=[key], query={"period": "30d"})
        yield Page(f"search analytics, {key}", address)
    yield from _product_pages()
    yield from _dashboard_questions()
    yield from _lab_pages()
    yield from _previews()


def _pages_of(model: type[Model]) -> Iterator[Page]:
    options, model_admin = model._meta, admin.site.get_model_admin(model)
    view = f"admin:{options.app_label}_{options.model_name}"
    plural = str(options.verbose_name_plural)
    yield Page(plural, reverse(f"{view}_changelist"))
    if model_admin.search_fields:
        yield Page(f"{plural}, search", reverse(f"{view}_changelist", query={"q": WORD}))
    rows = model._default_manager.order_by("pk") if options.managed else None
    first = rows.first() if rows is not None else None
    for action, arguments in (("change", first), ("history", first), ("delete", first), ("add", None)):
        if action != "add" and first is None:
            continue
        try:
            address = reverse(f"{view}_{action}", args=[arguments.pk] if arguments else None)
        except NoReverseMatch:  # a page of figures, which has no rows
            continue
        yield Page(f"{options.verbose_name}, {action}", address)
        if action == "delete" and rows is not None:
            yield Page(
                f"{plural}, delete several", reverse(f"{view}_changelist"), _chosen("delete_selected", rows)
            )


def _chosen(action: str, rows: Any) -> dict[str, Any]:
    """What a list's form sends for an action on its first rows."""
    return {"action": action, ACTION_CHECKBOX_NAME: list(rows.values_list("pk", flat=True)[:CHOSEN])}


def _product_pages() -> Iterator[Page]:
    products = Product.objects.order_by("pk")
    for action in PRODUCT_ACTIONS:
        yield Page(
            f"products, {action}", reverse("admin:catalog_product_changelist"), _chosen(action, products)
        )
    if (product := products.first()) is None:
        return
    badges = ",".join(str(pk) for pk in products.values_list("pk", flat=True)[:CHOSEN])
    yield Page("badges", reverse("admin:catalog_product_embedding_status", query={"ids": badges}))
    yield Page("product, panel", reverse("admin:catalog_product_embedding_panel", args=[product.pk]))
    category = str(product.category_id or "")
    yield Page(
        "product, text as typed",
        reverse("admin:catalog_product_embedding_preview"),
        {"name": "A drill", "category": category},
    )


def _dashboard_questions() -> Iterator[Page]:
    """What the dashboard asks before it does anything, where there is something to do it to."""
    State = EmbeddingModel.State
    for verb, state in (
        ("activate", State.BUILDING),
        ("retire", State.BUILDING),
        ("remove", State.RETIRED),
    ):
        if (model := EmbeddingModel.objects.filter(state=state).first()) is not None:
            yield Page(
                f"embedding model, {verb}", reverse(f"admin:embeddings_dashboard_{verb}", args=[model.pk]), {}
            )
    if (run := EmbeddingRun.objects.open().first()) is not None:
        yield Page("embedding run, cancel", reverse("admin:embeddings_dashboard_cancel", args=[run.pk]), {})


def _lab_pages() -> Iterator[Page]:
    if (judgments := JudgmentList.objects.order_by("pk").first()) is not None:
        for action in ("import", "export"):
            address = reverse(f"admin:search_judgmentlist_{action}", args=[judgments.pk])
            yield Page(f"judgment list, {action}", address)
    if (run := EvaluationRun.objects.order_by("pk").first()) is not None:
        yield Page("evaluation run, figures", reverse("admin:search_evaluationrun_figures", args=[run.pk]))


def _previews() -> Iterator[Page]:
    asked = {PREVIEW: "1"}
    words = {"term": WORD, "means": "borer", "both_ways": "on"}
    yield Page("synonym, preview", reverse("admin:search_synonym_add"), words | asked)
    if (product := Product.objects.order_by("pk").first()) is not None:
        rule = {"name": "A rule", "query": WORD, "match": "exact", "is_active": "on", "priority": "0"}
        actions = {"actions-TOTAL_FORMS": "1", "actions-INITIAL_FORMS": "0", "actions-0-kind": "pin"}
        pin = {"actions-0-product": str(product.pk), "actions-0-position": "2"}
        yield Page(
            "curation rule, preview", reverse("admin:search_curationrule_add"), rule | actions | pin | asked
        )


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
            if page.data is None:
                response = client.get(page.address, secure=True)
            else:
                response = client.post(page.address, page.data, secure=True)
            best = min(best, time.perf_counter() - began)
    return Timing(page, response.status_code, len(captured), 1000 * best)
