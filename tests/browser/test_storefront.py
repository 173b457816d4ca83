"""What visitors do in the shop, in a browser."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from catalog.models import Product
from tests.browser.conftest import DESKTOP, PHONE

MakeProduct = Callable[..., Product]

NARROW = {"width": 320, "height": 640}
TARGET_PX = 44  # a fingertip
WIDER_THAN_WINDOW = "document.documentElement.scrollWidth > window.innerWidth"
COVERED_COUNTS = """(tiles) => tiles.filter(tile => {
    const icon = tile.querySelector(".stand-in").getBoundingClientRect();
    const count = tile.querySelector(".department-count").getBoundingClientRect();
    const words = document.createRange();
    words.selectNodeContents(tile.querySelector(".department-count"));
    return count.bottom > icon.top && words.getBoundingClientRect().right > icon.left;
}).map(tile => tile.innerText)"""
PLACEHOLDER_FITS = """(input) => {
    const style = getComputedStyle(input);
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.font = style.font;
    const room = input.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return canvas.measureText(input.placeholder).width <= room;
}"""
MATCH_BELOW_PRICE = """(feet) => feet.map(foot => {
    const [price, match] = [...foot.children].map(part => part.getBoundingClientRect());
    return match.top >= price.bottom - 1 && match.left === price.left;
})"""
SMALL_TARGETS = """(elements, least) => elements.filter(element => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && box.height < least;
}).map(element => element.outerHTML.slice(0, 120))"""


@pytest.fixture
def shop(live_server: Any, make_product: MakeProduct, make_category: Callable[..., Any]) -> None:
    """Three pages of drills in two categories, and a pot."""
    hammer_drills, drivers = make_category("Tools", "Hammer drills"), make_category("Tools", "Drivers")
    for number in range(45):
        make_product(
            f"Hammer drill {number}" if number % 3 else f"Drill driver {number}",
            sku=f"D-{number}",
            brand="Bormund" if number % 2 else "Tessvik",
            category=hammer_drills if number % 3 else drivers,
            price=Decimal(20 + number),
            attributes={"voltage": f"{12 + 6 * (number % 2)} V"},
            short_description="Makes holes where holes are wanted.",
        )
    make_product("Soup pot", sku="P-1", brand="Kuvali", category=make_category("Kitchen"), price=Decimal(39))


def search(page: Page, words: str) -> None:
    page.goto("/")
    page.locator("#q").fill(words)
    page.get_by_role("button", name="Search", exact=True).click()


def test_a_visitor_searches_filters_turns_pages_and_looks_at_a_product(page: Page, shop: None) -> None:
    search(page, "drill")
    expect(page.get_by_role("heading", level=1)).to_have_text("Results for drill")
    expect(page.locator(".results-count")).to_contain_text("45 products")

    page.get_by_role("button", name="By words").click()
    expect(page.get_by_role("button", name="By words")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#q")).to_have_value("drill")

    page.get_by_role("navigation", name="Brand").get_by_role("link", name="Bormund").click()
    expect(page.locator(".results-count")).to_contain_text("22 products")
    page.get_by_role("navigation", name="Category").get_by_role("link", name="Hammer drills").click()
    expect(page.locator(".results-count")).to_contain_text("15 products")
    expect(page.locator("#q")).to_have_value("drill")
    page.get_by_role("link", name="Remove Brand: Bormund").click()
    expect(page.locator(".results-count")).to_contain_text("30 products")
    page.get_by_role("navigation", name="Voltage").get_by_role("link", name="18 V").click()
    expect(page.locator(".results-count")).to_contain_text("15 products")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator(".results-count")).to_contain_text("15 products")

    page.get_by_label("To (EUR)").fill("60")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("link", name="Remove Price: Up to €60")).to_be_visible()
    page.get_by_role("link", name="Remove all").click()

    page.get_by_role("link", name="Next").click()
    expect(page.locator("a[aria-current=page]")).to_have_text("Page 2")
    expect(page.locator(".card")).to_have_count(20)
    page.get_by_role("link", name="Page 3").click()
    expect(page.locator(".card")).to_have_count(5)
    assert "mode=keyword" in page.url

    product = page.locator(".card-name a").first
    name = product.inner_text()
    product.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.get_by_role("heading", name="Similar products")).to_be_visible()
    page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Tools").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Tools")


def test_blank_fields_stay_out_of_the_address(page: Page, shop: None) -> None:
    search(page, "drill")
    page.locator("#q").press("Enter")
    page.wait_for_load_state()
    assert page.url.endswith("/?q=drill")
    page.go_back()
    expect(page.locator("#q")).to_be_enabled()


def test_an_explanation_is_one_click_away(page: Page, shop: None) -> None:
    page.goto("/?q=drill&mode=keyword")
    page.get_by_role("link", name="Why these products?").click()
    expect(page.locator(".card mark").first).to_have_text("drill")


def test_the_keyboard_is_enough(page: Page, shop: None) -> None:
    page.goto("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("drill")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Results for drill")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()

    first = page.locator(".card-name a").first
    for _ in range(60):
        page.keyboard.press("Tab")
        if first.evaluate("element => element === document.activeElement"):
            break
    expect(first).to_be_focused()
    ring = first.evaluate("element => getComputedStyle(element, '::after').outlineWidth")
    assert ring == "3px"
    page.keyboard.press("Enter")
    expect(page.locator(".product h1")).to_be_visible()


def test_a_phone_shows_everything_within_its_width(phone: Page, shop: None) -> None:
    for address in ("/", "/?q=drill&mode=keyword&explain=1", "/?q=zeppelin&mode=keyword", "/products/D-1/"):
        phone.goto(address)
        assert not phone.evaluate(WIDER_THAN_WINDOW), address
        alone = phone.locator("button, select, input, summary, .chip, .pages a, .footer a, .examples a")
        assert alone.evaluate_all(SMALL_TARGETS, TARGET_PX) == [], address


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE, NARROW], ids=["desktop", "phone", "narrow"])
def test_the_start_page_shows_all_of_its_words(
    open_page: Callable[..., Page], shop: None, make_category: Callable[..., Any], viewport: dict[str, int]
) -> None:
    wordy = make_category("Household and living room furniture")
    Product.objects.filter(category__slug="kitchen").update(category=wordy)
    page = open_page(viewport)
    page.goto("/")
    expect(page.locator(".department")).to_have_count(2)
    assert page.locator(".department").evaluate_all(COVERED_COUNTS) == []
    assert page.locator("#q").evaluate(PLACEHOLDER_FITS)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_price_and_match_stand_alike_on_every_card(
    open_page: Callable[..., Page], shop: None, viewport: dict[str, int]
) -> None:
    Product.objects.filter(sku="D-0").update(price=Decimal("12345.60"))
    page = open_page(viewport)
    page.goto("/?q=drill&mode=keyword")
    expect(page.locator(".match")).to_have_count(20)
    assert set(page.locator(".card-foot").evaluate_all(MATCH_BELOW_PRICE)) == {True}


def test_a_phone_folds_the_filters(phone: Page, shop: None) -> None:
    phone.goto("/?q=drill&mode=keyword")
    brand = phone.get_by_role("link", name="Bormund")
    expect(brand).to_be_hidden()
    phone.locator("summary", has_text="Filters").click()
    expect(brand).to_be_visible()
    assert phone.locator(".choice a").evaluate_all(SMALL_TARGETS, TARGET_PX) == []
    brand.click()
    expect(phone.locator(".results-count")).to_contain_text("22 products")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everything_works_without_javascript(open_page: Any, shop: None, viewport: dict[str, int]) -> None:
    page = open_page(viewport, java_script_enabled=False)
    search(page, "drill")
    page.get_by_role("button", name="By words").click()
    expect(page.locator(".results-count")).to_contain_text("45 products")
    if viewport is PHONE:
        page.locator("summary", has_text="Filters").click()
    page.get_by_label("From (EUR)").fill("50")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".results-count")).to_contain_text("15 products")
    page.get_by_role("link", name="Remove Price").click()
    page.get_by_role("link", name="Next").click()
    expect(page.locator("a[aria-current=page]")).to_have_text("Page 2")
    page.locator(".card-name a").first.click()
    expect(page.locator(".product h1")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_picture_that_does_not_load_leaves_its_placeholder(
    browser: Browser, live_server: Any, make_product: MakeProduct, scripts: bool
) -> None:
    make_product(sku="I-1", image_url="https://pictures.example/gone.png")
    # A page of its own: browsers put a picture that fails into the console.
    with browser.new_context(base_url=live_server.url, java_script_enabled=scripts) as context:
        page = context.new_page()
        failed = []

        def refuse(route: Route) -> None:
            failed.append(route.request.headers.get("referer"))
            route.abort()

        page.route("**/gone.png", refuse)
        page.goto("/products/I-1/", wait_until="load")
        picture = page.locator(".product-picture")
        with_image = picture.screenshot()
        picture.locator("img").evaluate("element => element.remove()")
        assert with_image == picture.screenshot()
        assert failed == [None]


def test_dark_windows_get_a_dark_shop(open_page: Any, shop: None) -> None:
    page = open_page(color_scheme="dark")
    page.goto("/")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(19, 23, 21)"


def test_a_mistake_leads_to_its_field(browser: Browser, live_server: Any, shop: None) -> None:
    with browser.new_context(base_url=live_server.url) as context:
        page = context.new_page()
        page.goto("/?q=drill&price_min=90&price_max=10")
        page.get_by_role("alert").get_by_role("link").click()
        expect(page.get_by_label("From (EUR)")).to_be_focused()
        page.keyboard.press("ControlOrMeta+A")
        page.keyboard.type("5")
        page.get_by_label("To (EUR)").fill("30")
        page.get_by_role("button", name="Apply").click()
        expect(page.get_by_role("link", name="Remove Price: €5 – €30")).to_be_visible()
