"""What staff do in the admin, in a browser, with a worker running."""

import subprocess
from typing import Any

from django.utils.timezone import now
from playwright.sync_api import Page, expect

from catalog.models import Product
from embeddings.models import ProductEmbedding

READY = ".embedding-badge--ready"


def test_a_saved_product_becomes_ready_by_itself_and_is_found_by_meaning(
    staff_page: Page, worker: subprocess.Popen[bytes], make_category: Any
) -> None:
    make_category("Kitchen")
    staff_page.goto("/admin/catalog/product/add/")
    staff_page.fill("#id_sku", "K-1")
    staff_page.fill("#id_name", "Cast iron skillet")
    staff_page.fill("#id_description", "Sears steak evenly and goes from hob to oven.")
    staff_page.fill("#id_price", "39.90")
    staff_page.click("input[name=_save]")
    badge = staff_page.locator(".embedding-badge")
    expect(badge).to_contain_text("Ready", timeout=15_000)  # the worker loads its model first
    staff_page.goto("/?q=frying+pan+for+meat&mode=semantic")
    expect(staff_page.get_by_role("link", name="Cast iron skillet").first).to_be_visible()

    staff_page.goto(f"/admin/catalog/product/{Product.objects.get().pk}/change/")
    staff_page.fill("#id_name", "Rain jacket")
    staff_page.fill("#id_description", "Waterproof shell with a hood, for storms.")
    staff_page.click("input[name=_continue]")
    expect(staff_page.locator(READY)).to_be_visible(timeout=3_000)
    staff_page.goto("/?q=stay+dry+in+bad+weather&mode=semantic")
    expect(staff_page.get_by_role("link", name="Rain jacket").first).to_be_visible()

    before = ProductEmbedding.objects.get()
    staff_page.goto(f"/admin/catalog/product/{before.product_id}/change/")
    staff_page.fill("#id_price", "12.00")
    staff_page.click("input[name=_continue]")
    expect(staff_page.locator(READY)).to_be_visible()
    after = ProductEmbedding.objects.get()
    assert (after.embedded_at, after.stored_digest) == (before.embedded_at, before.stored_digest)
    assert str(after.price) == "12.00"

    staff_page.click("text=Delete")
    staff_page.click("input[type=submit]")
    staff_page.goto("/?q=stay+dry+in+bad+weather")
    expect(staff_page.get_by_role("link", name="Rain jacket")).to_have_count(0)


def test_the_panel_says_why_a_product_failed(staff_page: Page, make_product: Any) -> None:
    product = make_product("Odd one")
    ProductEmbedding.objects.update(attempts=5, next_attempt_at=None, last_error="ValueError: unreadable")
    staff_page.goto("/admin/catalog/product/?embedding=failed")
    expect(staff_page.locator(".embedding-badge--failed")).to_have_count(1)
    staff_page.goto(f"/admin/catalog/product/{product.pk}/change/")
    expect(staff_page.get_by_text("ValueError: unreadable")).to_be_visible()


def test_all_of_the_list_of_products_is_seen_beside_the_filters(
    staff_page: Page, make_product: Any, make_category: Any
) -> None:
    category = make_category("Tools", "Hand tools")
    for number in range(110, 113):
        make_product(
            "Adjustable Water Pump Pliers 250 mm",
            sku=f"NS-TH-0{number}",
            brand="Quellmark",
            category=category,
            price="1249.00",
        )
    ProductEmbedding.objects.update(embedded_at=now())
    staff_page.goto("/admin/catalog/product/")
    expect(staff_page.get_by_text("Hand tools").first).to_be_visible()
    list_of_them = "document.querySelector('#changelist .results')"
    assert staff_page.evaluate(f"{list_of_them}.scrollWidth - {list_of_them}.clientWidth") == 0
