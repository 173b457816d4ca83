"""Every page of the admin: none is left out, none asks for more when there is more, and each is for staff alone."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, URLPattern, get_resolver, resolve, reverse
from django.utils import timezone

from embeddings import pipeline
from embeddings.models import BacklogSample, EmbeddingModel, EmbeddingRun, ProductEmbedding
from search import encoding, kept
from search.analytics import ids
from search.benchmarks.admin_pages import Page, pages
from search.lab import runs
from search.lab.variants import Variant
from search.merchandising import book
from search.models import (
    CurationAction,
    CurationRule,
    CurationUse,
    EvaluationRun,
    Judgment,
    JudgmentList,
    SearchEvent,
    SearchLog,
    Synonym,
)
from search.query import Mode
from search.relevance import MEASURES
from search.terms import refresh_terms

pytestmark = pytest.mark.django_db

Fill = Callable[[int], None]
MEASURED = dict.fromkeys(MEASURES, 1.0)
OURS = ("catalog_", "embeddings_", "search_")

# What does something and shows no page of its own. (An import's preview has a test of its own in tests/catalog.)
CHANGES = {
    "catalog_product_process_import",
    *(f"embeddings_dashboard_{name}" for name in ("retry", "backfill", "reconcile", "dismiss", "revive")),
    "embeddings_dashboard_rebuild_index",
    *(f"search_lab_{name}" for name in ("judge", "list", "evaluate")),
    "search_evaluationrun_cancel",
}
# Refused to everybody: rows that nobody adds or deletes here.
REFUSED_PAGES = {
    "embedding model, add", "embedding model, delete", "embedding run, add", "embedding run, delete",
    "judgment, add", "evaluation run, add", "Django-RQ, add",
}  # fmt: skip
# No page takes more queries than these, but for the dear ones.
USUAL = 12
DEAR = {"dashboard": 22, "dashboard, figures": 21, "products, failed": 18, "products, delete several": 14}
# How many these take depends on the search.
SEARCHES = {"search lab, a query", "search lab, compared", "synonym, preview", "curation rule, preview"}


@pytest.fixture
def fill(make_product: Any, make_category: Any) -> Fill:
    """Make more of everything that the admin shows."""
    active = EmbeddingModel.objects.active()
    spring, author = JudgmentList.objects.create(name="Spring"), User.objects.create_user("author")
    big = CurationRule.objects.create(name="Much", query="drill")
    now = timezone.now()
    made = 0

    def more(number: int) -> None:
        nonlocal made
        for n in range(made, made + number):
            below = make_category(f"Tools {n}", f"Below {n}")
            product = make_product(f"Hammer drill {n}", brand=f"Bosal {n}", category=below)
            ProductEmbedding.objects.filter(product=make_product(category=below.parent)).update(
                attempts=5, next_attempt_at=None, last_error=f"ValueError: odd {n}"
            )
            EmbeddingModel.objects.create(name=f"building {n}", dimensions=8)
            EmbeddingModel.objects.create(name=f"retired {n}", dimensions=8, state="retired")
            EmbeddingRun.objects.create(model=active, total=9, via_queue=True, user=author)
            BacklogSample.objects.create(
                model=active, minute=now - timedelta(minutes=n), waiting=n, failed=0, embedded=n
            )
            rule = CurationRule.objects.create(name=f"Rule {n}", query="drill", category=below)
            for one in (rule, big):
                CurationAction.objects.create(rule=one, kind="pin", product=product, position=n + 1)
                CurationAction.objects.create(rule=one, kind="bury", category=below, factor=0.5)
            CurationUse.objects.create(rule=rule, searches=n, last_used_at=now)
            Synonym.objects.create(term=f"borer {n}", means="drill")
            other = JudgmentList.objects.create(name=f"List {n}")
            for judgments in (other, spring):
                Judgment.objects.create(
                    list=judgments, query=f"drill {n}", sku=product.sku, grade=3, by=author
                )
            run = runs.start_run(
                other, [Variant.current(), Variant.current().changed(mode=Mode.KEYWORD)], author
            )
            run.queries.update(measured=[MEASURED, MEASURED])
            run = runs.start_run(spring, [Variant.current().changed(cutoff=n / 1000)], author)
            run.queries.update(measured=[MEASURED])
            EvaluationRun.objects.filter(pk=run.pk).update(finished_at=now)
            for _ in range(5):
                search = SearchLog.objects.create(
                    id=ids.new_id(), text=f"drill {n}", normalized=f"drill {n}", mode="hybrid", total=n % 2,
                    latency_ms=n, source="api", created_at=now,
                )  # fmt: skip
                SearchEvent.objects.create(search=search, kind="click", sku=product.sku, created_at=now)
        made += number
        for _ in pipeline.batches(active):
            pass
        refresh_terms()
        book.forget()

    encoding.warm_up()
    return more


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def opened(client: Client, page: Page) -> tuple[int, int]:
    """The page's status and how many queries it takes."""
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(page.address) if page.data is None else client.post(page.address, page.data)
    assert answer.status_code in (200, 403), page
    return answer.status_code, len(captured)


def name_of(page: Page) -> str:
    return str(resolve(page.address.partition("?")[0]).url_name)


def addresses(resolver: Any) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLPattern):
            yield pattern.name or ""
        else:
            yield from addresses(pattern)


def test_no_page_is_left_out(fill: Fill) -> None:
    fill(1)
    resolver = get_resolver()
    site = next(one for one in resolver.url_patterns if getattr(one, "namespace", "") == "admin")
    ours = {name for name in addresses(site) if name.startswith(OURS)}
    # The lab's page has a second name.
    assert ours - {name_of(page) for page in pages()} == CHANGES | {"search_lab_changelist"}


@pytest.mark.usefixtures("steady")
def test_pages_take_as_many_queries_for_much_as_for_little(
    fill: Fill, boss: Client, monkeypatch: Any
) -> None:
    # The rulebook is looked after once a second by whichever page comes then.
    monkeypatch.setattr(book, "FRESH_FOR_S", 3600.0)
    # What is looked up again after a while is looked up each time.
    monkeypatch.setattr(encoding, "ACTIVE_MODEL_LASTS_S", 0.0)
    monkeypatch.setattr(kept, "KEPT_FOR_S", 0.0)
    # What a process looks up once.
    ContentType.objects.get_for_models(*apps.get_models())
    counted = []
    for number in (3, 6):
        fill(number)
        boss.get("/admin/search/lab/?q=drill")
        counted.append({page.name: opened(boss, page) for page in pages()})
    little, much = counted
    assert much == little
    assert {name for name, (status, _) in much.items() if status == 403} == REFUSED_PAGES
    assert {
        name: queries for name, (_, queries) in much.items() if queries > USUAL and name not in SEARCHES
    } == DEAR
    assert max(much[name][1] for name in SEARCHES) <= 60


def test_pages_are_for_staff_with_a_role(fill: Fill, client: Client) -> None:
    fill(1)
    everything = [page for page in pages() if name_of(page).startswith((*OURS, "app_list", "autocomplete"))]
    clerk = Client()
    clerk.force_login(User.objects.create_user("clerk", is_staff=True))
    for page in everything:
        for someone, expected in ((client, {302}), (clerk, {403, 404})):
            answer = someone.get(page.address) if page.data is None else someone.post(page.address, page.data)
            assert answer.status_code in expected, page
            if expected == {302}:
                assert "/login/" in answer.headers["Location"]


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_nothing_is_done_for_others(name: str, client: Client) -> None:
    try:
        address = reverse(f"admin:{name}")
    except NoReverseMatch:
        address = reverse(f"admin:{name}", args=[1])
    assert "/login/" in client.post(address).headers["Location"]
    client.force_login(User.objects.create_user("clerk", is_staff=True))
    assert client.post(address).status_code == 403
    assert client.get(address).status_code in (403, 405)
