"""GET /api/products/ and one product."""

import base64
import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from catalog.models import Product
from tests.search.conftest import bad_fields, problem

pytestmark = pytest.mark.django_db

PUBLIC_FIELDS = {
    "sku",
    "name",
    "brand",
    "short_description",
    "category",
    "price",
    "currency",
    "image_url",
    "url",
}


def walk(client: Client, address: str) -> list[list[str]]:
    """SKUs page by page, following `next`."""
    pages = []
    while address:
        body = client.get(address).json()
        pages.append([product["sku"] for product in body["results"]])
        address = body["next"]
    return pages


def test_a_product_shows_its_public_fields(client: Client, make_product: Any, make_category: Any) -> None:
    make_product("Drill", sku="D 1.5", category=make_category("Tools", "Drills"), price=Decimal("89.90"))
    (product,) = client.get("/api/products/").json()["results"]
    assert product.keys() == PUBLIC_FIELDS
    assert product["category"] == {"slug": "drills", "name": "Drills", "path": "tools/drills"}
    assert (product["price"], product["url"]) == ("89.90", "/products/D%201.5/")


def test_the_list_takes_a_constant_number_of_queries(
    client: Client, make_product: Any, make_category: Any, django_assert_num_queries: Any
) -> None:
    for number in range(30):
        make_product(category=make_category(f"Shelf {number}"))
    with django_assert_num_queries(1):
        assert len(client.get("/api/products/?page_size=30").json()["results"]) == 30


def test_filters_hold_alone_and_together(client: Client, make_product: Any, make_category: Any) -> None:
    tools, drills, toys = make_category("Tools"), make_category("Tools", "Drills"), make_category("Toys")
    make_product(sku="tool", category=tools, brand="Bosch", price=10)
    make_product(sku="drill", category=drills, brand="Makita", price=50)
    make_product(sku="toy", category=toys, brand="Bosch", price=5)
    make_product(sku="unpriced", category=drills, brand="Bosch", price=None)
    make_product(sku="gone", category=drills, brand="Bosch", price=20, is_active=False)

    def found(query: str) -> set[str]:
        return {product["sku"] for product in client.get(f"/api/products/?{query}").json()["results"]}

    assert found("") == {"tool", "drill", "toy", "unpriced"}
    assert found("category=tools") == {"tool", "drill", "unpriced"}
    assert found("category=drills&category=toys") == {"drill", "toy", "unpriced"}
    assert found("brand=Bosch") == {"tool", "toy", "unpriced"}
    assert found("brand=Bosch&brand=Makita&price_min=10") == {"tool", "drill"}
    assert found("price_max=10") == {"tool", "toy"}
    assert found("price_min=10&price_max=10") == {"tool"}
    assert found("category=tools&brand=Bosch&price_max=20") == {"tool"}
    assert found("brand=Nobody") == set()


def test_attributes_are_filters_alone_and_together(client: Client, make_product: Any) -> None:
    make_product(sku="red", attributes={"colour": "red", "volt": 18}, price=10)
    make_product(sku="blue", attributes={"colour": "blue", "volt": 18.5}, price=20)
    make_product(sku="plain", attributes={})
    make_product(sku="gone", attributes={"colour": "red"}, is_active=False)

    def found(query: str) -> set[str]:
        return {product["sku"] for product in client.get(f"/api/products/?{query}").json()["results"]}

    assert found("attribute=colour:red") == {"red"}
    assert found("attribute=colour:red&attribute=colour:blue") == {"red", "blue"}
    assert found("attribute=colour:red&attribute=colour:blue&attribute=volt:18.5") == {"blue"}
    assert found("attribute=colour:red&attribute=colour:blue&price_max=15") == {"red"}
    assert found("attribute=colour:green") == set()
    assert bad_fields(client.get("/api/products/?attribute=taste:sweet")) == ["attribute"]


@pytest.mark.parametrize("ordering", ["-id", "id", "sku", "-sku", "price", "-price"])
def test_pages_follow_each_other_without_gap_or_repeat(
    client: Client, make_product: Any, ordering: str
) -> None:
    # Three products share each price, and three have none.
    for number in range(15):
        make_product(sku=f"P{number * 7 % 15:02}", price=None if number % 5 == 4 else number % 5)
    everything = walk(client, f"/api/products/?ordering={ordering}&page_size=100")[0]
    assert len(set(everything)) == 15
    pages = walk(client, f"/api/products/?ordering={ordering}&page_size=4")
    assert [len(page) for page in pages] == [4, 4, 4, 3]
    assert [sku for page in pages for sku in page] == everything


@pytest.mark.parametrize("ordering", ["-id", "sku", "price", "-price"])
def test_previous_leads_back_to_where_next_came_from(
    client: Client, make_product: Any, ordering: str
) -> None:
    for number in range(10):
        make_product(price=None if number % 3 == 0 else number % 4)
    forth, address = [], f"/api/products/?ordering={ordering}&page_size=3"
    while True:
        body = client.get(address).json()
        forth.append(body["results"])
        if not body["next"]:
            break
        address = body["next"]
    back = []
    while body["previous"]:
        body = client.get(body["previous"]).json()
        back.append(body["results"])
    assert back == forth[-2::-1]


def test_prices_are_ordered_with_unpriced_products_as_the_dearest(client: Client, make_product: Any) -> None:
    for sku, price in (("a", 5), ("b", None), ("c", 1)):
        make_product(sku=sku, price=price)
    assert walk(client, "/api/products/?ordering=price") == [["c", "a", "b"]]
    assert walk(client, "/api/products/?ordering=-price") == [["b", "a", "c"]]


def test_next_keeps_every_parameter(client: Client, make_product: Any) -> None:
    for _ in range(3):
        make_product(brand="M&M")
    body = client.get("/api/products/?brand=M%26M&brand=Other&page_size=2&ordering=sku").json()
    assert body["next"].startswith("http://testserver/api/products/?")
    assert "brand=M%26M&brand=Other" in body["next"]
    assert "page_size=2" in body["next"]
    assert len(client.get(body["next"]).json()["results"]) == 1


def test_a_product_added_meanwhile_shifts_no_page(client: Client, make_product: Any) -> None:
    for number in range(4):
        make_product(sku=f"old-{number}")
    first = client.get("/api/products/?page_size=2").json()
    make_product(sku="new")
    second = client.get(first["next"]).json()
    assert [product["sku"] for product in second["results"]] == ["old-1", "old-0"]


def _cursor(*content: Any) -> str:
    return "cursor=" + base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "query",
    [
        "cursor=xyz",
        "cursor=%00",
        "cursor=%FF",
        "cursor=" + "A" * 700,
        _cursor(),
        _cursor(1),
        _cursor(True, None, False) + "&ordering=price",
        _cursor(0, None, False) + "&ordering=price",
        _cursor(10**30, None, False) + "&ordering=price",
        _cursor(1, None, False) + "&ordering=sku",
        _cursor(1, 5, False) + "&ordering=sku",
        _cursor(1, "\x00", False) + "&ordering=sku",
        _cursor(1, "\ud800", False) + "&ordering=sku",
        _cursor(1, "NaN", False) + "&ordering=price",
        _cursor(1, "cheap", False) + "&ordering=price",
        _cursor(1, "1e999999", False) + "&ordering=price",
        "ordering=name",
        "ordering=random",
        "page_size=0",
        "page_size=101",
        "page_size=-1",
        "page_size=x",
        "categroy=tools",
        "category=no-such",
        "price_min=2&price_max=1",
        "price_min=NaN",
        "brand=%00",
        "page=2",
        "q=drill",
        "format=xml",
    ],
)
def test_the_list_refuses_what_it_cannot_answer(client: Client, query: str) -> None:
    assert bad_fields(client.get(f"/api/products/?{query}")) == [query.partition("=")[0]]


def test_a_cursor_of_a_product_that_is_gone_still_works(client: Client, make_product: Any) -> None:
    for number in range(4):
        make_product(sku=f"p{number}")
    first = client.get("/api/products/?page_size=2").json()
    Product.objects.filter(sku="p2").delete()
    assert [product["sku"] for product in client.get(first["next"]).json()["results"]] == ["p1", "p0"]


def test_one_product_is_shown_in_full(client: Client, make_product: Any) -> None:
    make_product("Saw", sku="S.1 ä+", description="Cuts.", attributes={"teeth": 24, "folding": True})
    response = client.get(f"/api/products/{quote('S.1 ä+')}/")
    product = response.json()
    assert product.keys() == PUBLIC_FIELDS | {"description", "attributes", "created_at", "updated_at"}
    assert (product["attributes"], product["description"]) == ({"teeth": 24, "folding": True}, "Cuts.")
    assert "private" in response.headers["Cache-Control"]


def test_staff_see_the_embedding_of_a_product(staff_client: Client, make_product: Any, embed: Any) -> None:
    make_product(sku="A")
    assert staff_client.get("/api/products/A/").json()["embedding"]["status"] == "pending"
    embed()
    embedding = staff_client.get("/api/products/A/").json()["embedding"]
    assert (embedding["status"], embedding["last_error"]) == ("ready", "")


def test_only_staff_see_a_product_that_is_not_active(
    client: Client, staff_client: Client, make_product: Any
) -> None:
    make_product(sku="A", is_active=False)
    problem(client.get("/api/products/A/"), 404)
    assert staff_client.get("/api/products/A/").json()["embedding"]["status"] == "inactive"


@pytest.mark.parametrize(
    "sku",
    ["no-such", "%00", "a%00b", "%FF%FE", "x" * 2000, "%ED%A0%80", "'; DROP TABLE", "%0A", "..%5C", "🔨"],
)
def test_an_unknown_sku_is_not_found(client: Client, sku: str) -> None:
    for address in (f"/api/products/{sku}/", f"/api/products/{sku}/similar/"):
        assert "errors" not in problem(client.get(address), 404)


def test_a_product_takes_no_parameters(client: Client, make_product: Any) -> None:
    make_product(sku="A")
    assert bad_fields(client.get("/api/products/A/?fields=name")) == ["fields"]
