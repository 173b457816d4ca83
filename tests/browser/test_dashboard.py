"""The embeddings dashboard and the product's panel, as each role sees them, on a desk and on a phone."""

import itertools
import json
import subprocess
import threading
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, cast

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.utils import timezone
from playwright.sync_api import Page, expect

from catalog.models import Product
from embeddings.model_files import PACKAGED_MODEL
from embeddings.models import BacklogSample, EmbeddingModel, EmbeddingRun, ProductEmbedding
from tests.browser.conftest import DESKTOP, PHONE, SEEN_BY

ADD_MODEL = "/admin/embeddings/dashboard/models/add/"
DASHBOARD = "/admin/embeddings/dashboard/"
ROLES = ["Viewer", "Merchandiser", "Operator"]

# Texts whose contrast to the colour behind them is below WCAG AA.
PALE_TEXTS = """root => {
  const channels = (colour) => {
    const found = colour.match(/[\\d.]+/g).map(Number);
    return { rgb: found.slice(0, 3), alpha: found.length > 3 ? found[3] : 1 };
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const { rgb, alpha } = channels(getComputedStyle(at).backgroundColor);
      if (alpha === 1) return rgb;
    }
    return [255, 255, 255];
  };
  const pale = [];
  for (const element of document.querySelector(root).querySelectorAll("*")) {
    const own = [...element.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest("option, .visually-hidden")) continue;
    const style = getComputedStyle(element);
    const colour = element instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(channels(colour).rgb), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) pale.push(`${element.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return pale;
}"""


@pytest.fixture
def enter(enter: Any) -> Any:
    """Open the dashboard, or another page, as someone of a role."""

    def make(role: str, address: str = DASHBOARD, *args: Any, **options: Any) -> Page:
        return cast("Page", enter(role, address, *args, **options))

    return make


@pytest.fixture
def busy(make_product: Any, make_category: Any, embed: Any) -> Product:
    """A shop with something of everything on its dashboard; returns the product that failed."""
    for name in ("Garden", "Kitchen"):
        for number in range(3):
            make_product(f"{name} thing {number}", category=make_category(name))
    embed()
    failed: Product = make_product("Odd thing", category=make_category("Garden"))
    rows = ProductEmbedding.objects.filter(product=failed)
    rows.update(attempts=5, next_attempt_at=None, last_error="ValueError: unreadable")
    active = EmbeddingModel.objects.active()
    EmbeddingModel.objects.create(name="another-model", dimensions=8)
    EmbeddingRun.objects.create(model=active, total=10, done=4, via_queue=True)
    for minutes in range(1, 100):
        BacklogSample.objects.create(
            model=active,
            minute=timezone.now() - timedelta(minutes=minutes),
            waiting=minutes * 7 % 50,
            failed=1,
            oldest_s=minutes * 3 % 60,
            embedded=20,
        )
    return failed


def refresh_history(page: Page) -> None:
    """Change the past, and have the page, whose clock is installed, ask for it when its time has come."""
    BacklogSample.objects.update(waiting=F("waiting") + 10)
    page.locator("#dash-history").evaluate("element => { element.dataset.before = '' }")
    page.clock.fast_forward("00:05")
    expect(page.locator("#dash-history:not([data-before])")).to_be_visible()


@pytest.mark.parametrize(("role", "viewport"), SEEN_BY)
def test_the_page_fits_and_reads_well(role: str, viewport: dict[str, int], enter: Any, busy: Product) -> None:
    page = enter(role, viewport=viewport)
    page.clock.install()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.reload()
        expect(page.get_by_role("heading", name="Embeddings dashboard")).to_be_visible()
        expect(page.get_by_text("ValueError: unreadable")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.locator("#dash-history summary").click()
        assert page.evaluate(PALE_TEXTS, ".dash") == []
        expect(page.get_by_role("button", name="Rebuild index")).to_have_count(2 * (role == "Operator"))
        refresh_history(page)
        expect(page.locator("#dash-history")).to_have_attribute("open", "")


def test_numbers_lead_to_the_products(enter: Any, busy: Product) -> None:
    page = enter("Viewer")
    page.locator("#dash-status-failed").click()
    expect(page.locator(".embedding-badge--failed")).to_have_count(1)
    page.go_back()
    page.locator("#dash-failure-1").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page.go_back()
    page.locator("#dash-category-failed-garden").click()
    expect(page.locator("#result_list")).to_contain_text("Odd thing")
    page.get_by_role("link", name="Odd thing").click()
    expect(page.get_by_text("ValueError: unreadable")).to_be_visible()


def test_an_operator_works_by_keyboard_alone(enter: Any, busy: Product) -> None:
    page = enter("Operator")
    button = page.get_by_role("button", name="Try 1 products again")
    for _ in range(80):
        if button.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(button).to_be_focused()
    # The figures change under the focus, which stays.
    updated = page.locator("#dash-updated").inner_text()
    another = ProductEmbedding.objects.filter(stored_digest__isnull=False, model__state="active").first()
    assert another is not None
    ProductEmbedding.objects.filter(pk=another.pk).update(
        stored_digest=None, next_attempt_at=None, last_error="ValueError: unreadable"
    )
    again = page.get_by_role("button", name="Try 2 products again")
    expect(again).to_be_focused(timeout=10_000)
    expect(page.locator("#dash-updated")).not_to_have_text(updated)
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 products will be tried again.")).to_be_visible()

    cancel = page.get_by_role("button", name="Cancel…")
    cancel.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("are marked as failed")).to_be_visible()
    page.get_by_role("button", name="Yes, cancel it").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("was cancelled.")).to_be_visible()


def test_a_model_that_is_not_full_is_refused_with_the_reason(enter: Any, busy: Product) -> None:
    page = enter("Operator", viewport=PHONE)
    expect(page.locator("#dash-models")).to_contain_text("0.0 % ready of 7; 7 coming")
    page.get_by_role("button", name="Activate…").click()
    expect(page.get_by_text("another-model (8 d) cannot be activated yet.")).to_be_visible()
    expect(page.get_by_text("Not every product has its vector: 7 missing.")).to_be_visible()
    page.get_by_role("link", name="Back to the dashboard").click()
    page.get_by_role("button", name="Retire…").click()
    page.get_by_role("button", name="Yes, retire it").click()
    expect(page.get_by_text("another-model (8 d) is retired.")).to_be_visible()
    expect(page.get_by_role("button", name="Build again")).to_be_visible()


def test_a_backfill_goes_on_before_ones_eyes(
    enter: Any, worker: subprocess.Popen[bytes], make_product: Any
) -> None:
    for number in range(5):
        make_product(f"Thing {number}")
    ProductEmbedding.objects.update(next_attempt_at=None, last_error="odd", attempts=5)
    page = enter("Operator")
    page.get_by_role("button", name="Start backfill").click()
    expect(page.get_by_text("the workers embed 5 products.")).to_be_visible()
    expect(page.locator("#dash-runs")).to_contain_text("5 of 5 done", timeout=40_000)
    expect(page.locator("#dash-status-ready")).to_contain_text("5")
    expect(page.locator("#dash-workers")).to_contain_text("Worker on", timeout=20_000)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_preview_follows_what_one_types(enter: Any, busy: Product, viewport: dict[str, int]) -> None:
    page = enter("Merchandiser", f"/admin/catalog/product/{busy.pk}/change/", viewport)
    preview = page.locator("#embedding-preview")
    expect(preview).to_contain_text("Odd thing. Garden")
    page.fill("#id_name", "Garden <rake>")
    expect(preview).to_contain_text("Garden <rake>. Garden")
    page.fill("#id_attributes", '{"colour": "red"')
    expect(preview).to_contain_text("not valid JSON yet")
    page.fill("#id_attributes", '{"colour": "red"}')
    expect(preview).to_contain_text("Garden <rake>. Garden. red")
    page.locator("#select2-id_category-container").click()
    page.locator(".select2-results__option", has_text="Kitchen").click()
    expect(preview).to_contain_text("Garden <rake>. Kitchen")
    assert page.evaluate(PALE_TEXTS, ".embedding-panel") == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    busy.refresh_from_db()
    assert busy.name == "Odd thing"


def test_viewers_see_the_panel_and_no_form(enter: Any, busy: Product) -> None:
    page = enter("Viewer", f"/admin/catalog/product/{busy.pk}/change/")
    expect(page.get_by_text("ValueError: unreadable")).to_be_visible()
    expect(page.locator("#id_name")).to_have_count(0)


@pytest.mark.usefixtures("own_indexes", "worker")
def test_an_operator_changes_models_and_goes_back_while_the_shop_is_busy(
    enter: Any, make_product: Any, tiny_path: str, live_server: Any, settings: Any
) -> None:
    settings.SEARCH_THROTTLE_ANON = ""
    # Every product is in every answer, by meaning and by words, so that a missing one shows.
    settings.SEARCH_CUTOFF, settings.SEARCH_SEMANTIC_FLOOR = 0.0, -1.0
    products = [make_product(f"Claw hammer {number}") for number in range(8)]
    default, other = str(EmbeddingModel.objects.active()), f"{tiny_path} (32 d)"
    stop, searches, edits = threading.Event(), itertools.count(), itertools.count()
    answers: list[tuple[int, bool]] = []

    def search() -> None:
        # Another text each time, so that no cache answers.
        address = f"{live_server.url}/api/search/?q=hammer+{next(searches)}&mode=semantic"
        with urllib.request.urlopen(address, timeout=30) as answer:  # raises where the status is an error
            body = json.load(answer)
        answers.append((len({hit["sku"] for hit in body["results"]}), body["query"]["degraded"]))

    def edit() -> None:
        number = next(edits)
        Product.objects.filter(pk=products[number % 8].pk).update(name=f"Claw hammer {number}")

    # Only superusers may name a folder; all the rest is an operator's.
    User.objects.create_superuser("Boss")
    boss = enter("Boss", ADD_MODEL, PHONE)
    assert boss.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert boss.evaluate(PALE_TEXTS, "#content") == []
    boss.get_by_label("Name").fill(tiny_path)
    boss.get_by_role("button", name="Add this model").click()
    expect(boss.get_by_text(f"A worker loads {tiny_path}")).to_be_visible()

    page = enter("Operator")
    card = page.locator("#dash-models li", has_text=other)
    expect(card).to_contain_text("100.0 % ready of 8", timeout=60_000)
    expect(card).to_contain_text("Index valid", timeout=30_000)
    with ThreadPoolExecutor(2) as shop:
        working = [shop.submit(_until, stop, *work) for work in ((search, 0.0), (edit, 0.1))]
        try:
            for name in (other, default):
                press(page, name, "Activate…", "Yes, activate it", f"Search uses {name} now.")
                already = len(answers)
                while len(answers) < already + 3 and not any(work.done() for work in working):
                    page.wait_for_timeout(50)
            press(page, other, "Retire…", "Yes, retire it", f"{other} is retired.")
            press(page, other, "Remove…", "Yes, remove it", "with 8 vectors.")
            expect(page.locator("#dash-models li")).to_have_count(1, timeout=60_000)
            # Meanwhile the worker has written down how it is.
            expect(page.locator("#dash-workers")).to_contain_text(f"{PACKAGED_MODEL} works", timeout=40_000)
        finally:
            stop.set()
    for work in working:
        work.result()
    assert {found for found, _ in answers} == {8}
    # A machine that is slow just now answers by words for a moment, and no longer.
    assert not all(degraded for _, degraded in answers)
    assert next(edits) > 8


def press(page: Page, model: str, button: str, yes: str, done: str) -> None:
    """Do something with a model on the dashboard, and say yes to the question."""
    page.locator("#dash-models li", has_text=model).get_by_role("button", name=button).click()
    page.get_by_role("button", name=yes).click()
    expect(page.get_by_text(done)).to_be_visible(timeout=20_000)


def _until(stop: threading.Event, work: Callable[[], None], pause_s: float) -> None:
    try:
        while not stop.wait(pause_s):
            work()
    finally:
        connection.close()
