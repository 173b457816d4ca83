"""Rules and synonyms in a browser: as each role, on a desk and on a phone, by keyboard, with and without JavaScript."""

from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from catalog.models import Product
from search.merchandising import book, usage
from search.models import CurationAction, CurationRule, CurationUse, Synonym
from tests.browser.conftest import DESKTOP, PHONE, SEEN_BY
from tests.browser.test_dashboard import PALE_TEXTS

RULES = "/admin/search/curationrule/"
SYNONYMS = "/admin/search/synonym/"
FITS = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture(autouse=True)
def _afresh() -> None:
    book.forget()
    usage.forget()


@pytest.fixture
def shop(make_product: Any, make_category: Any) -> CurationRule:
    """A few products, a rule of each kind of state and a synonym; returns the first rule."""
    tools = make_category("Tools")
    for letter in "ABCD":
        make_product(f"Drill {letter}", sku=f"D-{letter}", brand="Bosal", category=tools)
    saw = make_product("Saw for everything that is made of wood", sku="S-1", category=tools, is_active=False)
    rule = CurationRule.objects.create(name="Saw first", query="drill", note="Asked for by Ann.")
    CurationAction.objects.create(rule=rule, kind="pin", product=saw, position=1)
    CurationAction.objects.create(rule=rule, kind="bury", brand="Bosal", factor=0.5)
    CurationUse.objects.create(rule=rule, searches=12, last_used_at=timezone.now())
    CurationRule.objects.create(name="Later", query="drill", valid_from="2090-01-01T00:00Z")
    CurationRule.objects.create(name="Over", category=tools, valid_to="2020-01-01T00:00Z")
    CurationRule.objects.create(name="Not now", query="hammer", match="contains", is_active=False)
    Synonym.objects.create(term="borer", means="drill")
    return rule


def choose(page: Page, field: str, name: str) -> None:
    """Choose from one of the admin's choosers."""
    page.locator(f"#id_{field} + .select2 .select2-selection").click()
    page.locator(".select2-search__field").fill(name)
    page.locator(".select2-results__option", has_text=name).first.click()


@pytest.mark.parametrize(("role", "viewport"), SEEN_BY)
def test_the_pages_fit_and_read_well(
    role: str, viewport: dict[str, int], enter: Any, shop: CurationRule
) -> None:
    page = enter(role, RULES, viewport, color_scheme="dark" if role == "Viewer" else "light")
    for state in ("Active now", "Scheduled", "Expired", "Off"):
        expect(page.locator("#result_list .embedding-badge", has_text=state)).to_be_visible()
    may_change = role == "Merchandiser"
    for address in (
        RULES,
        f"{RULES}{shop.pk}/change/",
        SYNONYMS,
        f"{SYNONYMS}{Synonym.objects.get().pk}/change/",
    ):
        page.goto(address)
        assert page.evaluate(FITS), address
        assert page.evaluate(PALE_TEXTS, "#content-main") == [], address
        if "change" in address:
            expect(page.get_by_role("button", name="Preview")).to_have_count(int(may_change))
            expect(page.locator(".submit-row input[name=_save]")).to_have_count(int(may_change))
    page.goto(RULES)
    expect(page.get_by_role("link", name="Add curation rule")).to_have_count(int(may_change))
    page.goto("/admin/")
    expect(page.locator("#content-main").get_by_role("link", name="Synonyms")).to_be_visible()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_merchandiser_puts_a_product_first(
    enter: Any, shop: CurationRule, viewport: dict[str, int]
) -> None:
    CurationRule.objects.all().delete()
    Product.objects.filter(sku="S-1").update(is_active=True)
    page = enter("Merchandiser", f"{RULES}add/?query=drill", viewport)
    expect(page.locator("#id_query")).to_have_value("drill")
    page.get_by_role("button", name="Preview").click()
    compared = page.locator("#merch-compared")
    expect(compared).to_contain_text("Say what the rule does")
    choose(page, "actions-0-product", "Saw for")
    expect(compared).to_contain_text("Say to which position")  # it follows what one does
    page.fill("#id_actions-0-position", "2")
    expect(compared.get_by_text("After: 5 products")).to_be_visible()
    expect(compared.locator("section").nth(1).locator("li").nth(1)).to_contain_text("pinned, + new")
    assert page.evaluate(FITS)
    assert page.evaluate(PALE_TEXTS, "#merch-preview") == []
    assert not CurationRule.objects.exists()
    page.locator("#id_name").press("Enter")  # saves, as in every form of the admin
    expect(page.locator(".messagelist .success")).to_contain_text("“drill”")
    book.forget()
    page.goto("/?q=drill&explain=1")
    second = page.locator("article.card").nth(1)
    expect(second).to_contain_text("Saw for everything")
    expect(second.locator(".why")).to_contain_text("pinned to 2")
    assert page.evaluate(FITS)


def test_a_rule_is_made_by_keyboard_alone(enter: Any, shop: CurationRule) -> None:
    page = enter("Merchandiser", f"{RULES}add/?query=drill")
    page.locator("#id_actions-0-kind").focus()
    page.keyboard.type("Hide")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # opens the chooser
    expect(page.locator(".select2-search__field")).to_be_focused()
    page.keyboard.type("Drill C")
    expect(page.locator(".select2-results__option--highlighted")).to_have_text("Drill C")
    page.keyboard.press("Enter")
    button = page.get_by_role("button", name="Preview")
    for _ in range(30):
        if button.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#merch-compared")).to_contain_text("no longer found")
    expect(button).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".messagelist .success")).to_be_visible()
    assert CurationAction.objects.filter(kind="hide", product__sku="D-C").exists()


def test_the_preview_works_without_javascript(enter: Any, shop: CurationRule) -> None:
    page = enter("Merchandiser", f"{SYNONYMS}add/?term=gogglebox", java_script_enabled=False)
    page.fill("#id_means", "drill")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("Before: 0 products")).to_be_visible()
    expect(page.get_by_text("After: 4 products").first).to_be_visible()
    expect(page.locator("#id_term")).to_have_value("gogglebox")
    assert Synonym.objects.count() == 1
    page.locator(".submit-row input[name=_save]").click()
    assert Synonym.objects.filter(term="gogglebox").exists()
