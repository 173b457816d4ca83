"""The admin's badge, panel, filter and actions."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.models import Product
from embeddings import admin, pipeline
from embeddings.models import EmbeddingModel, ProductEmbedding

pytestmark = pytest.mark.django_db
LIST = "/admin/catalog/product/"


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss", password="x"))
    return client


def badges(client: Client, *products: Product) -> dict[str, str]:
    ids = ",".join(str(product.pk) for product in products)
    return client.get(reverse("admin:catalog_product_embedding_status"), {"ids": ids}).json()


def test_the_badge_goes_from_pending_to_ready(staff: Client, make_product: Any, embed: Any) -> None:
    product = make_product()
    assert "Pending" in staff.get(LIST).content.decode()
    assert 'data-settled="false"' in badges(staff, product)[str(product.pk)]
    embed()
    assert "Ready" in badges(staff, product)[str(product.pk)]
    assert 'data-settled="true"' in staff.get(LIST).content.decode()


def test_badges_are_for_staff_who_may_see_products(client: Client, make_product: Any) -> None:
    address = reverse("admin:catalog_product_embedding_status")
    assert client.get(address, {"ids": "1"}).status_code == 302
    client.force_login(User.objects.create_user("clerk", password="x", is_staff=True))
    assert client.get(address, {"ids": "1"}).status_code == 403


def test_badges_of_nonsense_are_none(staff: Client) -> None:
    address = reverse("admin:catalog_product_embedding_status")
    for ids in ("", "a,b", "-1", "99999999", "1;drop", "²"):
        assert staff.get(address, {"ids": ids}).json() == {}


def test_the_panel_says_what_is_read_and_what_is_near(staff: Client, make_product: Any, embed: Any) -> None:
    drill = make_product("Hammer drill", description="Drills holes in masonry.")
    make_product("Impact drill", description="Drills holes in brick.")
    embed()
    page = staff.get(f"{LIST}{drill.pk}/change/").content.decode()
    assert "Hammer drill. Drills holes in masonry" in page
    assert "Impact drill" in page
    assert "of 256 tokens" in page


def test_the_panel_says_why_it_failed_and_what_to_do(staff: Client, make_product: Any) -> None:
    product = make_product()
    ProductEmbedding.objects.update(
        attempts=5, next_attempt_at=None, last_error="ValueError: <b>odd</b> text"
    )
    page = staff.get(f"{LIST}{product.pk}/change/").content.decode()
    assert "ValueError: &lt;b&gt;odd&lt;/b&gt; text" in page
    assert "Mend the text and save" in page
    assert "5 of 5" in page


def test_the_panel_tells_of_each_attempt(staff: Client, make_product: Any, embed: Any) -> None:
    product = make_product()
    model = EmbeddingModel.objects.active()
    for reason in ("<b>odd</b>", "odder"):
        ProductEmbedding.objects.update(next_attempt_at=timezone.now())
        pipeline.fail(pipeline.claim(model, 1)[0], reason)
    address = reverse("admin:catalog_product_embedding_panel", args=[product.pk])
    page = staff.get(address).content.decode()
    first, second = (
        page.index("Attempt 1 of 5 failed: &lt;b&gt;odd&lt;/b&gt;"),
        page.index("Attempt 2 of 5 failed: odder"),
    )
    assert page.index("The text changed") < first < second < page.index("The next attempt is due")
    ProductEmbedding.objects.update(next_attempt_at=timezone.now())
    embed()
    page = staff.get(address).content.decode()
    assert page.index("Attempt 2 of 5 failed: odder") < page.index("Embedded.")
    assert "Last error" not in page


def test_the_panel_is_for_staff_who_may_see_products(client: Client, make_product: Any) -> None:
    address = reverse("admin:catalog_product_embedding_panel", args=[make_product().pk])
    assert client.get(address).status_code == 302
    client.force_login(User.objects.create_user("clerk", password="x", is_staff=True))
    assert client.get(address).status_code == 403


def test_the_page_of_a_new_product_shows_but_the_preview(staff: Client) -> None:
    page = staff.get(f"{LIST}add/").content.decode()
    assert "embedded within a second or two after it is saved" in page
    assert "Nothing yet: write a name." in page
    assert "embedding-badge" not in page


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        ("ready", {}),
        ("stale", {"stored_digest": ""}),
        ("pending", {"stored_digest": None}),
        ("processing", {"stored_digest": None, "lease_until": "later"}),
        ("failed", {"stored_digest": None, "next_attempt_at": None}),
        ("inactive", {"is_active": False}),
    ],
)
def test_the_filter_agrees_with_the_badge(
    status: str, changes: dict[str, Any], staff: Client, make_product: Any, embed: Any
) -> None:
    make_product("The other one")
    product = make_product("The one")
    embed()
    if "lease_until" in changes:
        changes = {**changes, "lease_until": timezone.now() + timedelta(hours=1)}
    ProductEmbedding.objects.filter(product=product).update(**changes)
    listed = staff.get(LIST, {"embedding": status}).context["cl"].result_list
    assert product.pk in [other.pk for other in listed]
    assert len(listed) == (2 if status == "ready" else 1)
    assert f"embedding-badge--{status}" in badges(staff, product)[str(product.pk)]


@pytest.mark.parametrize("action", ["reembed", "retry_failed", "activate", "deactivate"])
def test_actions_ask_first(action: str, staff: Client, make_product: Any, embed: Any) -> None:
    product = make_product()
    embed()
    before = ProductEmbedding.objects.values("stored_digest", "attempts", "is_active", "lease_until").get()
    page = staff.post(LIST, {"action": action, "_selected_action": [product.pk]}).content.decode()
    assert "Are you sure" in page
    assert ProductEmbedding.objects.values(*before).get() == before


def confirm(client: Client, action: str, product: Product) -> None:
    data = {"action": action, "_selected_action": [product.pk], "confirmed": "yes"}
    assert client.post(LIST, data, follow=True).status_code == 200


def test_actions_do_what_they_say(staff: Client, make_product: Any, embed: Any) -> None:
    product = make_product()
    embed()
    confirm(staff, "reembed", product)
    assert "Stale" in badges(staff, product)[str(product.pk)]
    embed()
    confirm(staff, "deactivate", product)
    assert "Inactive" in badges(staff, product)[str(product.pk)]
    confirm(staff, "activate", product)
    assert "Ready" in badges(staff, product)[str(product.pk)]
    ProductEmbedding.objects.update(stored_digest=None, next_attempt_at=None, attempts=5)
    confirm(staff, "retry_failed", product)
    assert "Pending" in badges(staff, product)[str(product.pk)]
    history = staff.get(f"{LIST}{product.pk}/history/").content.decode()
    assert history.count("Bulk action") == 4


@pytest.mark.parametrize(
    ("action", "changes"),
    [
        ("reembed", {}),
        ("retry_failed", {"stored_digest": None, "next_attempt_at": None}),
        ("activate", {"is_active": False}),
        ("deactivate", {}),
    ],
)
def test_the_history_of_every_product_that_changed_says_so(
    action: str, changes: dict[str, Any], staff: Client, make_product: Any, embed: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(admin, "NOTED_AT_ONCE", 2)
    products = [make_product() for _ in range(5)]
    embed()
    table = Product if "is_active" in changes else ProductEmbedding
    table.objects.update(**changes)
    already = make_product() if action in ("activate", "retry_failed") else make_product(is_active=False)
    EmbeddingModel.objects.create(name="another", dimensions=8)
    chosen = {"_selected_action": [products[0].pk], "select_across": "1", "confirmed": "yes"}
    assert staff.post(LIST, {"action": action, **chosen}).status_code == 302
    noted = LogEntry.objects.values_list("object_id", "change_message")
    expected = {str(product.pk) for product in products} | (
        {str(already.pk)} if action == "reembed" else set()
    )
    assert sorted(str(pk) for pk, _ in noted) == sorted(expected)
    assert all(message.startswith("Bulk action") for _, message in noted)


def test_a_product_without_a_vector_is_embedded_again(staff: Client, make_product: Any) -> None:
    product = make_product()
    ProductEmbedding.objects.update(attempts=5, next_attempt_at=None)
    EmbeddingModel.objects.create(name="another", dimensions=8)
    data = {"action": "reembed", "_selected_action": [product.pk], "confirmed": "yes"}
    assert "Embed again: 1 product." in staff.post(LIST, data, follow=True).content.decode()
    assert "Pending" in badges(staff, product)[str(product.pk)]


def test_the_list_takes_as_many_queries_for_one_product_as_for_fifty(
    staff: Client, make_product: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    make_product()
    staff.get(LIST)
    with CaptureQueriesContext(connection) as few:
        staff.get(LIST)
    for _ in range(49):
        make_product()
    with CaptureQueriesContext(connection) as many:
        staff.get(LIST)
    assert len(many) == len(few)


def test_the_queue_pages_are_for_superusers(staff: Client) -> None:
    pages = ["admin:django_rq_dashboard_changelist", "admin:django_rq_home", "admin:django_rq_home_json"]
    clerk, stranger = Client(), Client()
    clerk.force_login(User.objects.create_user("clerk", password="x", is_staff=True))
    for name in pages:
        address = reverse(name)
        assert staff.get(address).status_code == 200
        assert clerk.get(address).status_code == 403
        assert stranger.get(address).status_code in (302, 403)
