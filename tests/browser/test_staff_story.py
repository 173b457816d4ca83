"""A day of a merchandiser's, from a product that failed to a query that finds what it should."""

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from catalog.models import Product
from embeddings import pipeline
from embeddings.encoders import encoder_for
from embeddings.models import EmbeddingModel, ProductEmbedding
from search.merchandising import book, usage
from search.models import CurationRule, SearchLog, Synonym
from search.terms import refresh_terms
from tests.browser.conftest import log_in, of_role
from tests.browser.test_analytics import logging, wait_for  # noqa: F401 - a fixture
from tests.browser.test_merchandising import choose
from tests.embeddings.faulty_encoders import Refusing

QUERY = "wozzer"  # what these customers call a hammer


@pytest.fixture
def shop(
    live_server: Any, make_product: Any, make_category: Any, embed: Any, settings: Any
) -> Iterator[Product]:
    """Hammers and a pot that are Ready, and a mallet whose text no encoder could read; returns the mallet."""
    book.forget()
    usage.forget()
    tools = make_category("Tools")
    for kind in ("Claw", "Sledge", "Locksmith's"):
        make_product(f"{kind} hammer", category=tools, brand="Bormund")
    make_product("Soup pot", category=make_category("Kitchen"))
    embed()
    mallet: Product = make_product("Rubber mallet (unreadable)", category=tools)
    model = EmbeddingModel.objects.active()
    for _ in range(settings.EMBEDDING_MAX_ATTEMPTS):
        ProductEmbedding.objects.filter(product=mallet).update(next_attempt_at=timezone.now())
        pipeline.process(Refusing(encoder_for(model), "unreadable"), pipeline.claim(model, 10))
    refresh_terms()
    yield mallet
    usage.flush()  # or its thread writes when the tables are gone


@pytest.fixture
def merchandiser(shop: Product, worker: subprocess.Popen[bytes], page: Page) -> Page:
    """A merchandiser at the dashboard. The shop stands first, so that the worker cannot mend what failed."""
    of_role("Merchandiser")
    log_in(page, "Merchandiser")
    page.set_default_timeout(10_000)
    return page


def go_to(page: Page, name: str) -> None:
    """Choose a page on the admin's first one."""
    page.goto("/admin/")
    page.locator("#content-main").get_by_role("link", name=name, exact=True).click()


def test_from_a_failed_product_to_a_query_that_finds_it_first(
    merchandiser: Page,
    shop: Product,
    logging: None,  # noqa: F811
) -> None:
    page = merchandiser
    mend_the_product(page)
    add_a_synonym_for_what_found_nothing(page)
    expect_the_gain_in_the_lab(page)
    pin_the_mallet(page)
    page.goto(f"/?q={QUERY}")
    page.get_by_role("link", name="Why these products?").click()
    first = page.locator("article.card").first
    expect(first).to_contain_text("Rubber mallet")
    expect(first.locator(".why")).to_contain_text("“wozzer” pinned to 1")


def mend_the_product(page: Page) -> None:
    go_to(page, "Dashboard")
    page.locator("#dash-status-failed").click()
    page.get_by_role("link", name="Rubber mallet").click()
    expect(page.locator(".embedding-error")).to_contain_text("ValueError: cannot read unreadable")
    page.fill("#id_name", "Rubber mallet")
    page.click("input[name=_continue]")
    badge = page.locator(".embedding-panel .embedding-badge")
    expect(badge).not_to_have_text("✕ Failed")
    page.evaluate("window.isTheSamePage = true")
    expect(badge).to_have_text("✓ Ready", timeout=20_000)  # the worker loads its model first
    expect(page.locator(".embedding-history")).to_contain_text("Attempt 5 of 5 failed")
    expect(page.locator(".embedding-neighbours li").first).to_contain_text("hammer")
    expect(page.locator(".embedding-error")).to_have_count(0)
    assert page.evaluate("window.isTheSamePage")


def add_a_synonym_for_what_found_nothing(page: Page) -> None:
    page.goto("/")
    page.locator("#q").fill(QUERY)
    page.locator("#q").press("Enter")
    expect(page.get_by_role("heading", name="Nothing on our shelves")).to_be_visible()
    wait_for(SearchLog.objects.filter(normalized=QUERY, total=0).exists)
    go_to(page, "Search analytics")
    page.get_by_role("link", name="Without results").click()
    page.get_by_role("row", name=QUERY).get_by_role("link", name="Add a synonym").click()
    expect(page.locator("#id_term")).to_have_value(QUERY)
    page.fill("#id_means", "hammer")
    page.uncheck("#id_both_ways")
    page.get_by_role("button", name="Preview").click()
    expect(sides(page).first).to_contain_text("Before: 0 products")
    expect(sides(page).last).to_contain_text("Claw hammer")
    assert not Synonym.objects.exists()
    page.click(".submit-row input[name=_save]")
    expect(page.locator(".messagelist .success")).to_contain_text(f"{QUERY} → hammer")


def expect_the_gain_in_the_lab(page: Page) -> None:
    page.locator(".messagelist").get_by_role("link", name="Try it in the search lab").click()
    expect(page.locator("#lab-q")).to_have_value(QUERY)
    expect(page.locator(".lab-hit", has_text="hammer")).to_have_count(3)


def pin_the_mallet(page: Page) -> None:
    page.get_by_role("link", name="Add a rule").click()
    expect(page.locator("#id_query")).to_have_value(QUERY)
    choose(page, "actions-0-product", "Rubber")
    page.fill("#id_actions-0-position", "1")
    page.get_by_role("button", name="Preview").click()
    expect(sides(page).first.locator("li").first).to_contain_text("hammer")
    expect(sides(page).last.locator("li").first).to_contain_text("Rubber mallet")
    assert not CurationRule.objects.exists()
    page.click(".submit-row input[name=_save]")
    page.locator(".messagelist").get_by_role("link", name="Try it in the search lab").click()
    expect(page.locator(".lab-hit").first).to_contain_text("Rubber mallet")
    expect(page.locator(".lab-hit").first.locator(".lab-why")).to_contain_text("“wozzer” pinned to 1")


def sides(page: Page) -> Locator:
    """The preview's two columns."""
    return page.locator("#merch-compared section")
