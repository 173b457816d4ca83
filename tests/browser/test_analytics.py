"""From a visitor's search and click to what staff read of them."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from search.analytics import ids, recording
from search.analytics.recording import Recorder
from search.models import SearchEvent, SearchLog
from tests.browser.conftest import PHONE
from tests.browser.test_dashboard import PALE_TEXTS
from tests.browser.test_storefront import WIDER_THAN_WINDOW

ANALYTICS = "/admin/search/searchlog/"


@pytest.fixture
def logging(settings: Any, monkeypatch: Any, live_server: Any) -> Iterator[None]:
    settings.SEARCH_LOG = True
    recorder = Recorder(interval_s=0.05)
    monkeypatch.setattr(recording, "recorder", recorder)
    yield
    recorder.stop()


def wait_for(happened: Callable[[], bool]) -> None:
    """Wait until the thread has written."""
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_search_and_a_click_are_seen_in_the_analytics(
    staff_page: Page, logging: None, make_product: Any
) -> None:
    for number in range(3):
        make_product(f"Claw hammer {number}", sku=f"H-{number}")
    staff_page.goto("/?q=claw+Hammer&mode=keyword")
    staff_page.locator(".card-name a").nth(1).click()
    expect(staff_page.locator(".product h1")).to_be_visible()
    wait_for(SearchEvent.objects.exists)
    staff_page.goto("/?q=zeppelin&mode=keyword")
    wait_for(SearchLog.objects.filter(normalized="zeppelin").exists)

    staff_page.goto(ANALYTICS)
    expect(staff_page.locator("#analytics-searches")).to_have_text("2")
    expect(staff_page.locator("#analytics-clicked")).to_have_text("50 %")
    staff_page.get_by_role("link", name="Without results").click()
    row = staff_page.get_by_role("row", name="zeppelin")
    expect(row).to_be_visible()
    row.get_by_role("link", name="Add a synonym").click()
    expect(staff_page.locator("#id_term")).to_have_value("zeppelin")
    event = SearchEvent.objects.select_related("search").get()
    assert (event.search.normalized, event.kind, event.position) == ("claw hammer", "click", 2)


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_pages_fit_a_phone_and_are_read_easily(staff_page: Page, make_log: Any, colours: Any) -> None:
    make_log()
    staff_page.emulate_media(color_scheme=colours)
    staff_page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    for report in ("", "top-queries/", "without-results/", "low-click-rate/", "slowest/"):
        staff_page.goto(f"{ANALYTICS}{report}?period=24h")
        assert not staff_page.evaluate(WIDER_THAN_WINDOW), report
        assert staff_page.evaluate(PALE_TEXTS, ".dash") == []


@pytest.fixture
def make_log(db: None) -> Any:
    def make() -> None:
        SearchLog.objects.bulk_create(
            SearchLog(
                id=ids.new_id(),
                text="x",
                normalized=f"a query of several words and averylongwordthatdoesnotbreak {number % 2}",
                mode="hybrid",
                total=number % 2,
                latency_ms=12.5,
                source="api",
                created_at=timezone.now(),
            )
            for number in range(20)
        )

    return make
