"""The search lab as each role sees it, on a desk and on a phone, and a merchandiser at work in it by keyboard."""

import subprocess
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from search.lab import runs
from search.lab.models import EvaluationRun, Judgment, JudgmentList
from search.lab.variants import Variant
from search.query import Mode
from search.terms import refresh_terms
from tests.browser.conftest import DESKTOP, PHONE, SEEN_BY
from tests.browser.test_dashboard import PALE_TEXTS
from tests.search.lab.conftest import LAB

COMPARED = f"{LAB}?q=hammer&compare=on&a-cutoff=0&b-mode=keyword"


@pytest.fixture
def go_in(enter: Any) -> Any:
    """Open the lab as someone of a role, and from there a page."""

    def make(role: str, address: str, viewport: dict[str, int] = DESKTOP, **options: Any) -> Page:
        page: Page = enter(role, LAB, viewport, **options)
        page.goto(address)
        return page

    return make


@pytest.fixture
def shop(make_product: Any, make_category: Any, embed: Any) -> JudgmentList:
    for word in ("light", "heavy", "small"):
        make_product(f"Claw hammer {word}", category=make_category("Tools"), brand="Bormund")
    make_product("Mallet for driving nails", category=make_category("Garden"))
    embed()
    refresh_terms()
    judgments = JudgmentList.objects.create(name="Spring")
    Judgment.objects.create(list=judgments, query="hammer", sku="T-1", grade=3)
    Judgment.objects.create(list=judgments, query="mallet", sku="T-4", grade=2)
    return judgments


def check(page: Page) -> None:
    """Nothing sticks out, and every text can be read, by day and by night."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        # Colours of links fade over.
        page.evaluate("() => document.getAnimations().forEach((one) => one.finish())")
        assert page.evaluate(PALE_TEXTS, ".lab") == []


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until the target has the focus."""
    for _ in range(80):
        if target.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(target).to_be_focused()


@pytest.mark.parametrize(("role", "viewport"), SEEN_BY)
def test_every_page_fits_and_reads_well(
    role: str, viewport: dict[str, int], go_in: Any, shop: JudgmentList
) -> None:
    author = User.objects.create_user("author")
    run = runs.start_run(shop, [Variant.current(), Variant.current().changed(mode=Mode.KEYWORD)], author)
    page = go_in(role, COMPARED, viewport)
    for details in page.locator(".lab-variant:not([open]) summary").all():
        details.click()
    expect(page.locator("#lab-column-A .lab-move--gone")).to_contain_text("gone")
    expect(page.locator("#lab-column-B .lab-why").first).to_contain_text("hammer")
    check(page)
    first, second = (page.locator(f"#lab-column-{name}").bounding_box() for name in "AB")
    assert (second["y"] >= first["y"] + first["height"]) is (viewport == PHONE)
    expect(page.get_by_role("button", name="Evaluate the whole list")).to_have_count(int(role != "Viewer"))
    page.goto(f"{LAB}?q=hammer&price_min=9&price_max=1&a-cutoff=2")
    expect(page.get_by_text("is above the highest")).to_be_visible()
    check(page)
    page.clock.install()
    page.goto(f"/admin/search/evaluationrun/{run.pk}/change/")
    expect(page.get_by_text("Waits for a worker")).to_be_visible()
    check(page)
    runs.take_turn()
    page.clock.fast_forward("00:05")
    expect(page.get_by_role("heading", name="B against A")).to_be_visible()
    check(page)
    if role != "Viewer":
        page.goto(f"/admin/search/judgmentlist/{shop.pk}/import/")
        page.set_input_files(
            "#id_file", {"name": "j.csv", "mimeType": "text/csv", "buffer": b"query,sku,grade\na,b,9"}
        )
        page.get_by_role("button", name="Import").click()
        expect(page.locator("#import-problem")).to_contain_text("Line 2: the grade must be")
        check(page)


def test_a_merchandiser_compares_judges_and_evaluates_by_keyboard(
    go_in: Any, shop: JudgmentList, worker: subprocess.Popen[bytes]
) -> None:
    page = go_in("Merchandiser", LAB)
    tab_to(page, page.locator("#lab-q"))
    page.keyboard.type("hammer")
    tab_to(page, page.locator("#lab-compare"))
    page.keyboard.press("Space")
    tab_to(page, page.locator(".lab-variant summary").last)
    page.keyboard.press("Enter")
    tab_to(page, page.locator("#lab-b-mode"))
    page.keyboard.type("keyw")
    page.keyboard.press("Enter")
    tab_to(page, page.locator("#lab-b-cutoff"))
    page.keyboard.type("0.2")
    page.keyboard.press("Enter")
    expect(page.locator("#lab-column-B h2")).to_have_text("B: mode keyword, cut-off 0.2")
    assert "b-fusion" not in page.url

    hits = page.locator("#lab-column-A .lab-hit")
    sku = hits.nth(1).get_attribute("data-sku")
    tab_to(page, hits.nth(1).locator("[data-grade='0']"))
    page.keyboard.press("2")
    expect(page.locator("#lab-said")).to_have_text(f"Graded {sku}: 2.")
    both = page.locator(f".lab-hit[data-sku='{sku}'] [data-grade='2'][aria-pressed=true]")
    expect(both).to_have_count(2)
    tab_to(page, hits.nth(1).locator("[data-grade='3']"))
    page.keyboard.press("Enter")
    expect(page.locator("#lab-said")).to_have_text(f"Graded {sku}: 3.")
    assert Judgment.objects.get(sku=sku, query="hammer").grade == 3
    tab_to(page, hits.nth(1).locator(".lab-clear"))
    page.keyboard.press("Enter")
    expect(page.locator("#lab-said")).to_have_text(f"Took back the grade of {sku}.")
    expect(hits.nth(1).locator("[data-grade='0']")).to_be_focused()
    assert not Judgment.objects.filter(sku=sku).exists()

    button = page.get_by_role("button", name="Evaluate the whole list, A against B")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="B against A")).to_be_visible(timeout=40_000)
    expect(page.get_by_role("heading", name="Finished")).to_be_visible()
    expect(page.locator("#evaluation-table [data-measure='ndcg@10']").first).to_contain_text("0.7500")
    assert EvaluationRun.objects.get().user == User.objects.get(username="Merchandiser")


def test_all_of_it_works_without_scripts(go_in: Any, shop: JudgmentList) -> None:
    page = go_in("Merchandiser", COMPARED, java_script_enabled=False)
    page.locator("#lab-column-B [data-grade='1']").first.click()
    expect(page.locator("#lab-column-B [data-grade='1'][aria-pressed=true]")).to_have_count(1)
    assert page.url.endswith("q=hammer&compare=on&a-cutoff=0&b-mode=keyword")
    page.fill("#lab-new-name", "Autumn")
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("#lab-list")).to_contain_text("Autumn")
    expect(page.locator("[aria-pressed=true]")).to_have_count(0)


def test_new_figures_leave_the_keyboard_where_it_is(go_in: Any, shop: JudgmentList) -> None:
    run = runs.start_run(shop, [Variant.current()], User.objects.create_user("author"))
    page = go_in("Operator", f"/admin/search/evaluationrun/{run.pk}/change/")
    link = page.locator("#evaluation").get_by_role("link", name="Spring")
    link.focus()
    EvaluationRun.objects.update(lease_until=timezone.now() + timedelta(minutes=1))
    expect(page.get_by_role("heading", name="Running")).to_be_visible()
    expect(link).to_be_focused()


def test_an_evaluation_is_cancelled_before_ones_eyes(go_in: Any, shop: JudgmentList) -> None:
    run = runs.start_run(shop, [Variant.current()], User.objects.create_user("author"))
    page = go_in("Operator", f"/admin/search/evaluationrun/{run.pk}/change/")
    tab_to(page, page.locator("#evaluation-stop"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("was cancelled")).to_be_visible()
    expect(page.get_by_role("heading", name="Cancelled")).to_be_visible()
