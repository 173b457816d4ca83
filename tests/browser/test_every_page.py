"""Every page of the admin as each role, on a desk and on a phone: on the demo catalogue, and over 20,000 products."""

from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page as BrowserPage

from catalog.models import Category, Product
from embeddings import pipeline
from embeddings.models import (
    BacklogSample,
    EmbeddingModel,
    EmbeddingRun,
    ModelAddition,
    ProductEmbedding,
)
from search import encoding
from search.analytics import ids
from search.benchmarks.admin_pages import Page, pages
from search.lab import runs
from search.lab.variants import Variant
from search.merchandising import book
from search.models import (
    CurationAction,
    CurationRule,
    CurationUse,
    Judgment,
    JudgmentList,
    SearchLog,
    Synonym,
)
from search.query import Mode
from search.terms import refresh_terms
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_dashboard import PALE_TEXTS, ROLES
from tests.browser.test_storefront import WIDER_THAN_WINDOW

pytestmark = pytest.mark.benchmark

DEMO = Path(__file__).parents[2] / "catalog" / "demo" / "products.jsonl"
# So many products get their vectors; pages show the others as Pending.
EMBEDDED = 64

# Colours fade over: no need to watch.
SETTLED = "() => document.getAnimations().forEach((one) => one.finish())"
# Posts as one of the page's own forms would.
SEND = """([address, fields]) => {
  const form = document.createElement("form");
  Object.assign(form, { method: "post", action: address });
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  for (const [name, value] of [["csrfmiddlewaretoken", token], ...fields]) {
    const input = document.createElement("input");
    Object.assign(input, { type: "hidden", name, value });
    form.append(input);
  }
  document.body.append(form);
  form.submit();
}"""
# What one can do, and cannot with a keyboard alone or without seeing it.
UNREACHABLE = """() => {
  const named = (element) => element.ariaLabel || element.title || element.labels?.length || element.value
    || element.innerText?.trim() || element.querySelector("img[alt]:not([alt='']), [title], [aria-label]")
    || element.getAttribute("aria-labelledby");
  const doing = "a, button, input:not([type=hidden]), select, textarea, summary, [role=combobox]";
  return [...document.querySelectorAll(`#content :is(${doing})`)]
    .filter((one) => one.checkVisibility() && !one.disabled && !one.closest("[aria-hidden=true]"))
    .filter((one) => one.tabIndex < 0 || !named(one))
    .map((one) => one.outerHTML.slice(0, 120));
}"""


@pytest.fixture(params=["demo", "20,000 products"])
def shop(request: Any, live_server: Any) -> None:
    """A catalogue of either size, with one of everything that staff see."""
    if request.param == "demo":
        call_command("import_products", str(DEMO), stdout=StringIO())
    else:
        call_command("generate_catalogue", count=20_000, stdout=StringIO())
    active = EmbeddingModel.objects.active()
    for _ in pipeline.batches(active, limit=EMBEDDED):
        pass
    refresh_terms()
    encoding.warm_up()
    book.forget()
    author, now = User.objects.create_user("author"), timezone.now()
    products, category = list(Product.objects.order_by("pk")[:5]), Category.objects.order_by("pk").first()
    ProductEmbedding.objects.filter(product=products[3]).update(
        attempts=5, next_attempt_at=None, last_error="ValueError: unreadable", stored_digest=None,
        failures=[{"at": now.isoformat(), "attempt": 5, "error": "ValueError: unreadable " + "x" * 80}],
    )  # fmt: skip
    for state in ("building", "retired"):
        EmbeddingModel.objects.create(name=f"{state}-model", dimensions=8, state=state)
    ModelAddition.objects.create(name="wanted/model", user=author)
    ModelAddition.objects.create(name="odd/model", user=author, error="It cannot be loaded.")
    EmbeddingRun.objects.create(model=active, total=10, done=4, via_queue=True, user=author)
    BacklogSample.objects.bulk_create(
        BacklogSample(model=active, minute=now - timedelta(minutes=n), waiting=n % 9, failed=1, embedded=n)
        for n in range(60)
    )
    rule = CurationRule.objects.create(name="Drills first", query="drill", category=category)
    for place, product in enumerate(products, start=1):
        CurationAction.objects.create(rule=rule, kind="pin", product=product, position=place)
    CurationUse.objects.create(rule=rule, searches=7, last_used_at=now)
    Synonym.objects.create(term="borer", means="drill")
    judgments = JudgmentList.objects.create(name="Spring")
    for grade, product in enumerate(products[:4]):
        Judgment.objects.create(list=judgments, query="drill", sku=product.sku, grade=grade, by=author)
    runs.start_run(judgments, [Variant.current(), Variant.current().changed(mode=Mode.KEYWORD)], author)
    runs.take_turn()
    SearchLog.objects.bulk_create(
        SearchLog(id=ids.new_id(), text="a b", normalized=f"query {n % 7}", mode="hybrid", total=n % 2,
                  latency_ms=n, source="api", created_at=now, clicked=n % 5 == 0)
        for n in range(70)
    )  # fmt: skip


def fields_of(page: Page) -> list[tuple[str, str]]:
    """What is posted, one pair for each value."""
    return [
        (name, str(value))
        for name, values in (page.data or {}).items()
        for value in (values if isinstance(values, list) else [values])
    ]


def shown_to(role: str) -> list[Page]:
    """The pages that somebody of a role may open, without what is fetched by a script or as a file."""
    client = Client()
    client.force_login(User.objects.get(username=role))
    found = []
    for page in pages():
        answer = client.get(page.address) if page.data is None else client.post(page.address, page.data)
        assert answer.status_code < 500, page
        if answer.status_code == 200 and b"</html>" in answer.content:
            found.append(page)
    return found


def open_in(browser_page: BrowserPage, page: Page) -> None:
    if page.data is None:
        browser_page.goto(page.address)
    else:
        with browser_page.expect_navigation():
            browser_page.evaluate(SEND, [page.address, fields_of(page)])


def test_every_page_fits_reads_well_and_is_reached_by_keyboard(shop: None, enter: Any) -> None:
    wrong = {}
    # Changing the window takes as long as opening a page: every other page begins on the phone.
    looks = [(DESKTOP, "light"), (PHONE, "dark")]
    for role in ROLES:
        at = enter(role, "/admin/")
        found = shown_to(role)
        assert len(found) > 50
        for page in found:
            open_in(at, page)
            for width, scheme in looks:
                at.set_viewport_size(width)
                at.emulate_media(color_scheme=scheme)
                at.evaluate(SETTLED)
                seen = {
                    "wide": at.evaluate(WIDER_THAN_WINDOW),
                    "pale": at.evaluate(PALE_TEXTS, "#content"),
                    "unreachable": at.evaluate(UNREACHABLE),
                }
                if any(seen.values()):
                    wrong[role, page.name, scheme] = seen
            looks.reverse()
    assert wrong == {}
