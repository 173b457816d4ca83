"""Completions under the search box, in a browser."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, Request, Route, expect

from catalog.models import Product
from search.terms import refresh_terms
from tests.browser.test_storefront import SMALL_TARGETS, TARGET_PX, WIDER_THAN_WINDOW

MakeProduct = Callable[..., Product]

TYPE_QUICKLY = """(field, text) => {
    for (const letter of text) {
        field.value += letter;
        field.dispatchEvent(new Event("input"));
    }
}"""


@pytest.fixture(autouse=True)
def shop(live_server: Any, make_product: MakeProduct, make_category: Callable[..., Any]) -> None:
    """Drills of a brand and in a category that begin alike, counted."""
    drills = make_category("Drills")
    for number in range(4):
        make_product(f"Drill driver {number}", sku=f"D {number}+", brand="Drillissimo", category=drills)
    make_product("Soup pot", sku="P-1")
    refresh_terms()


def begin(page: Page, text: str, address: str = "/") -> None:
    """Type a text, and wait until all of it has been answered: a slow machine is asked for its beginning as well."""
    page.goto(address)
    page.locator("#q").fill("")
    with page.expect_response(f"**/api/suggest/?{urlencode({'q': text})}"):
        page.locator("#q").press_sequentially(text)


def test_the_arrows_walk_the_completions_and_escape_leaves_them(page: Page) -> None:
    begin(page, "drill")
    field, options = page.get_by_role("combobox"), page.get_by_role("option")
    expect(field).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("listbox", name="Suggestions")).to_be_visible()
    expect(options.first).to_have_text("Drills category")
    expect(page.get_by_role("status")).to_have_text(f"{options.count()} suggestions")
    assert field.get_attribute("aria-activedescendant") is None

    field.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    expect(field).to_have_attribute("aria-activedescendant", options.first.get_attribute("id") or "")
    field.press("ArrowUp")
    expect(options.first).to_have_attribute("aria-selected", "false")
    expect(options.last).to_have_attribute("aria-selected", "true")
    expect(field).to_be_focused()
    expect(field).to_have_value("drill")

    field.press("Escape")
    expect(field).to_have_attribute("aria-expanded", "false")
    assert field.get_attribute("aria-activedescendant") is None
    expect(options).to_have_count(0)
    expect(field).to_have_value("drill")
    field.press("ArrowDown")
    expect(options.first).to_be_visible()
    field.press("Tab")
    expect(options).to_have_count(0)


def test_enter_searches_what_was_typed_unless_a_completion_is_active(page: Page) -> None:
    begin(page, "drill")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Results for drill")


def test_a_phrase_is_searched_in_the_mode_in_force(page: Page) -> None:
    begin(page, "drill dri", "/?q=pot&mode=keyword")
    phrase = page.get_by_role("option", name="drill driver", exact=True)
    expect(phrase).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(phrase).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Results for drill driver")
    assert page.url.endswith("/?q=drill+driver&mode=keyword")


@pytest.mark.parametrize(
    ("option", "address"),
    [
        ("Drills category", "/?category=drills"),
        ("Drillissimo brand", "/?brand=Drillissimo"),
        ("Drill driver 0 product", "/products/D%200%2B/"),
    ],
)
def test_a_category_a_brand_or_a_product_is_gone_to(page: Page, option: str, address: str) -> None:
    begin(page, "dril")
    page.get_by_role("option", name=option, exact=True).click()
    page.wait_for_url(f"**{address}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()


@pytest.mark.parametrize(
    ("typed", "completes"),
    [("drill d", "river 3"), ("pot", "Soup"), ("pot s", "oup"), ("soup po", "t"), ("soup (p", "ot")],
)
def test_what_was_typed_is_plain_wherever_it_stands_and_bold_what_completes_it(
    page: Page, typed: str, completes: str
) -> None:
    begin(page, typed)
    expect(page.get_by_role("option").last.locator("b")).to_have_text([completes])


def test_one_question_is_asked_for_many_keys_and_a_late_answer_is_dropped(page: Page) -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/api/suggest/" in request.url:
            asked.append(request.url.rpartition("=")[2])

    page.on("request", note)
    page.goto("/")
    field = page.get_by_role("combobox")
    field.evaluate(TYPE_QUICKLY, "drill")
    expect(page.get_by_role("option").first).to_be_visible()
    assert asked == ["drill"]
    page.route("**/api/suggest/?q=soup", lambda route: None)  # never answered
    with page.expect_request("**/api/suggest/?q=soup") as pending:
        field.fill("soup")
    field.fill("soup p")
    expect(page.get_by_role("option").first).to_have_text("Soup pot product")
    assert pending.value.failure == "net::ERR_ABORTED"


def test_a_later_answer_leaves_active_what_was_walked_to(page: Page) -> None:
    held: list[Route] = []
    begin(page, "dri")
    field, first = page.get_by_role("combobox"), page.get_by_role("option").first
    field.press("ArrowDown")
    expect(first).to_have_attribute("aria-selected", "true")

    page.route("**/api/suggest/?q=drill", lambda route: held.append(route))
    with page.expect_request("**/api/suggest/?q=drill"):
        field.press_sequentially("ll")
    expect(first).to_have_attribute("aria-selected", "false")  # who types on has left the list
    expect(first).to_have_text("Drills category")
    field.press("ArrowDown")
    expect(first).to_have_attribute("aria-selected", "true")

    held[0].continue_()
    expect(first.locator("b")).to_have_text("s")  # the answer for "drill" is shown
    expect(first).to_have_attribute("aria-selected", "true")
    field.press("Enter")
    page.wait_for_url("**/?category=drills")


def test_what_nothing_begins_with_opens_nothing(page: Page) -> None:
    begin(page, "drill")
    expect(page.get_by_role("option").first).to_be_visible()
    page.locator("#q").press_sequentially(" zzz")
    expect(page.get_by_role("option")).to_have_count(0)
    expect(page.locator("#q")).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_role("status")).to_have_text("0 suggestions")


def test_a_thumb_hits_the_completions(open_page: Any) -> None:
    page = open_page({"width": 390, "height": 844}, has_touch=True)
    for address in ("/", "/?q=pot"):
        begin(page, "drill", address)
        expect(page.get_by_role("option").first).to_be_in_viewport()
        assert page.get_by_role("option").evaluate_all(SMALL_TARGETS, TARGET_PX) == []
        assert not page.evaluate(WIDER_THAN_WINDOW)
    page.get_by_role("option", name="Drills category").tap()
    page.wait_for_url("**/?category=drills")
