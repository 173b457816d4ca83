"""The pages that visitors see."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.template.loader import get_template
from django.test import Client
from django.test.utils import CaptureQueriesContext

from catalog.models import Category, Product
from embeddings.models import EmbeddingModel

pytestmark = pytest.mark.django_db

MakeProduct = Callable[..., Product]
MakeCategory = Callable[..., Category]


def text_of(response: Any) -> str:
    """What a visitor reads of a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


@pytest.fixture
def shop(make_product: MakeProduct, make_category: MakeCategory) -> None:
    """A small shop with two departments."""
    drills, pots = make_category("Tools", "Drills"), make_category("Kitchen", "Pots")
    make_product("Hammer drill", sku="D-1", brand="Bormund", category=drills, price=Decimal("89.90"))
    make_product("Cordless drill", sku="D-2", brand="Tessvik", category=drills, price=Decimal("129.00"))
    make_product("Soup pot", sku="P-1", brand="Kuvali", category=pots, price=Decimal("39.00"))
    make_product("Drill with no price", sku="D-3", brand="", category=None, price=None)


def test_the_start_page_invites(client: Client, shop: None, settings: Any) -> None:
    settings.SHOP_NAME = "Corner & Co"
    settings.STOREFRONT_EXAMPLES = ["make a hole in a wall"]
    response = client.get("/")
    page = response.content.decode()
    assert response.status_code == 200
    assert '<a href="/?q=make%20a%20hole%20in%20a%20wall">' in page
    assert '<a href="/?category=tools">Tools</a>' in page
    assert "2 products" in text_of(response)
    assert "Corner &amp; Co" in page
    assert "Drill with no price" in page


def test_an_empty_shop_says_so(client: Client) -> None:
    response = client.get("/")
    assert response.status_code == 200
    assert "The shelves are still empty" in text_of(response)


def test_a_search_shows_what_it_found_and_keeps_the_words(client: Client, shop: None) -> None:
    response = client.get("/", {"q": "drill", "mode": "keyword"})
    page = response.content.decode()
    assert response.status_code == 200
    assert "<title>drill – Nearshelf</title>" in page
    assert 'value="drill"' in page
    assert "3 products" in text_of(response)
    assert '<a href="/products/D-1/">Hammer drill</a>' in page
    assert "Soup pot" not in page
    assert "€89.90" in page
    assert "Price on request" in page
    assert 'aria-pressed="true" title="Finds the words' in page
    assert '<meta name="robots" content="noindex, follow">' in page


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"category": "tools"}, {"Hammer drill", "Cordless drill"}),
        ({"brand": "Bormund"}, {"Hammer drill"}),
        ({"brand": ["Bormund", "Tessvik"]}, {"Hammer drill", "Cordless drill"}),
        ({"price_min": "100"}, {"Cordless drill"}),
        ({"price_max": "100", "category": "drills"}, {"Hammer drill"}),
    ],
)
def test_filters_hold(client: Client, shop: None, filters: dict[str, Any], names: set[str]) -> None:
    response = client.get("/", {"q": "drill", "mode": "keyword", **filters})
    found = re.findall(r'<h3 class="card-name"><a [^>]+>([^<]+)<', response.content.decode())
    assert set(found) == names
    # The filter leads out again, with the words kept.
    assert 'href="/?q=drill&amp;mode=keyword"' in response.content.decode()


def test_facets_keep_the_words_and_the_other_filters(client: Client, shop: None) -> None:
    page = client.get("/", {"q": "drill", "mode": "keyword", "brand": "Bormund"}).content.decode()
    assert 'href="/?q=drill&amp;mode=keyword&amp;category=tools&amp;brand=Bormund"' in page
    assert 'href="/?q=drill&amp;mode=keyword&amp;brand=Bormund&amp;brand=Tessvik"' in page


def test_attributes_that_part_what_is_found_can_be_chosen(client: Client, make_product: MakeProduct) -> None:
    for number in range(6):
        make_product(
            f"Lamp {number}", attributes={"socket": ["E14", "E27"][number % 2], "dimmable": number < 4}
        )
    page = client.get("/", {"q": "lamp", "mode": "keyword"}).content.decode()
    assert '<nav class="facet" aria-label="Socket">' in page
    assert 'href="/?q=lamp&amp;mode=keyword&amp;attribute=socket%3AE27"' in page
    chosen = client.get("/", {"q": "lamp", "mode": "keyword", "attribute": ["socket:E27", "dimmable:true"]})
    page = chosen.content.decode()
    assert "2 products" in text_of(chosen)
    assert {name for name in ("Lamp 0", "Lamp 1", "Lamp 3", "Lamp 5") if name in page} == {"Lamp 1", "Lamp 3"}
    assert "Dimmable: Yes" in page
    assert '<input type="hidden" name="attribute" value="socket:E27">' in page
    assert 'href="/?q=lamp&amp;mode=keyword&amp;attribute=dimmable%3Atrue"' in page


def test_an_attribute_that_is_gone_can_be_left_out(client: Client, shop: None) -> None:
    response = client.get("/", {"q": "drill", "brand": "Bormund", "attribute": "taste:sweet"})
    page = response.content.decode()
    assert response.status_code == 400
    assert '<a href="/?q=drill&amp;brand=Bormund">Search without it</a>' in page
    assert 'name="attribute"' not in page


def test_pages_of_attributes_are_not_for_search_engines(client: Client, make_product: MakeProduct) -> None:
    make_product(attributes={"colour": "red"})
    assert "noindex" in client.get("/", {"attribute": "colour:red"}).content.decode()


def test_a_category_can_be_browsed_without_words(client: Client, shop: None) -> None:
    response = client.get("/", {"category": "kitchen"})
    page = response.content.decode()
    assert "<h1>Kitchen</h1>" in page
    assert "Soup pot" in page
    assert "Hammer drill" not in page
    assert "% match" not in page
    assert '<meta name="robots" content="index, follow">' in page
    assert '<link rel="canonical" href="http://testserver/?category=kitchen">' in page


def test_pages_follow_each_other(client: Client, make_product: MakeProduct) -> None:
    for number in range(45):
        make_product(f"Screw {number}")
    first = client.get("/", {"q": "screw", "mode": "keyword"}).content.decode()
    last = client.get("/", {"q": "screw", "mode": "keyword", "page": "3"}).content.decode()
    assert '<link rel="next" href="/?q=screw&amp;mode=keyword&amp;page=2">' in first
    assert 'rel="prev"' not in first
    assert 'rel="next"' not in last
    assert last.count('class="card"') == 5
    assert re.search(r'aria-current="page"><span class="unseen">Page </span>3', last)


def test_a_page_beyond_the_last_is_not_found(client: Client, shop: None) -> None:
    response = client.get("/", {"q": "drill", "mode": "keyword", "page": "7"})
    assert response.status_code == 404
    assert "There is no page 7" in text_of(response)


def test_nothing_found_says_what_to_try(client: Client, shop: None) -> None:
    response = client.get("/", {"q": "zeppelin", "mode": "keyword", "category": "tools"})
    page = response.content.decode()
    assert response.status_code == 200
    assert "Nothing on our shelves matches that" in page
    assert '<a href="/?q=zeppelin&amp;mode=keyword">Tools</a>' in page
    assert '<a href="/?q=zeppelin&amp;category=tools">Search by meaning</a>' in page


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"q": "x" * 513}, "q"),
        ({"q": "drill\0"}, "q"),
        ({"q": "drill", "price_min": "cheap"}, "price_min"),
        ({"q": "drill", "price_max": "NaN"}, "price_max"),
        ({"q": "drill", "price_min": "9", "price_max": "1"}, "price_min"),
        ({"q": "drill", "category": "nowhere"}, "category"),
        ({"category": "nowhere"}, "category"),
    ],
)
def test_a_mistake_is_named_beside_its_field(
    client: Client, shop: None, params: dict[str, str], field: str
) -> None:
    response = client.get("/", params)
    page = response.content.decode()
    assert response.status_code == 400
    assert re.search(rf'id="{field}"[^>]+aria-invalid="true" aria-describedby="{field}-error"', page)
    assert f'id="{field}-error"' in page
    assert f'<a href="#{field}">' in page


@pytest.mark.parametrize("field", ["q", "brand", "category", "price_min"])
def test_bytes_that_are_not_utf_8_are_named_beside_their_field(
    client: Client, shop: None, field: str
) -> None:
    response = client.get(f"/?{field}=dr%ff")
    assert response.status_code == 400
    assert f'<a href="#{field}">' in response.content.decode()
    assert "cannot be answered as it stands" in text_of(response)
    assert client.get("/?q=drill&utm_source=%ff").status_code == 200


@pytest.mark.parametrize("params", [{"mode": "magic"}, {"page": "0"}, {"page": "x"}, {"page": "51"}])
def test_a_mistake_without_a_field_is_named(client: Client, shop: None, params: dict[str, str]) -> None:
    response = client.get("/", {"q": "drill", **params})
    assert response.status_code == 400
    assert "cannot be answered as it stands" in text_of(response)


@pytest.mark.parametrize("page", ["0", "x", "51"])
def test_a_page_that_cannot_be_is_named_and_leads_to_the_first(client: Client, shop: None, page: str) -> None:
    response = client.get("/", {"q": "drill", "brand": "Bormund", "page": page})
    assert f"Page “{page}”: " in text_of(response)
    assert '<a href="/?q=drill&amp;brand=Bormund">To the first page</a>' in response.content.decode()


def test_an_explanation_comes_on_demand(client: Client, shop: None) -> None:
    plain = client.get("/", {"q": "drill", "mode": "keyword"}).content.decode()
    explained = client.get("/", {"q": "drill", "mode": "keyword", "explain": "1"}).content.decode()
    assert 'href="/?q=drill&amp;mode=keyword&amp;explain=1"' in plain
    assert "<mark>" not in plain
    assert "<mark>drill</mark>" in explained


def test_search_by_meaning_finds_other_words(
    client: Client, make_product: MakeProduct, embed: Callable[[], Any]
) -> None:
    make_product("Cast iron skillet", description="Sears steak evenly, on the hob or in the oven.")
    make_product("Bicycle pump", description="Inflates tyres by hand.")
    embed()
    page = client.get("/", {"q": "frying pan for meat", "mode": "semantic"}).content.decode()
    names = re.findall(r'<h3 class="card-name"><a [^>]+>([^<]+)<', page)
    assert names[0] == "Cast iron skillet"
    assert re.search(r"\d+% match", page)


@pytest.mark.parametrize("words", ["under €100", "-hammer"])
def test_what_asks_for_no_product_is_matched_by_none(client: Client, shop: None, words: str) -> None:
    page = client.get("/", {"q": words}).content.decode()
    assert "Soup pot" in page
    assert "% match" not in page


def test_without_a_model_visitors_are_told(client: Client, shop: None) -> None:
    EmbeddingModel.objects.update(state=EmbeddingModel.State.RETIRED)
    response = client.get("/", {"q": "drill"})
    assert response.status_code == 200
    assert "Search by meaning is taking a short break" in text_of(response)
    assert "Hammer drill" in text_of(response)


def test_a_product_page_shows_the_product(
    client: Client, make_product: MakeProduct, make_category: Any
) -> None:
    make_product(
        "Hammer drill",
        sku="A 1.2",
        brand="Brook & Hale",
        category=make_category("Tools", "Drills"),
        price=Decimal("1299"),
        description="First.\n\nSecond.",
        attributes={"power_w": 850.0, "cordless": False},
    )
    response = client.get("/products/A%201.2/")
    page = response.content.decode()
    assert response.status_code == 200
    assert "<title>Hammer drill – Nearshelf</title>" in page
    assert '<a href="/?category=tools">Tools</a>' in page
    assert '<a href="/?category=drills">Drills</a>' in page
    assert '<a href="/?brand=Brook%20%26%20Hale"' in page
    assert "€1,299.00" in page
    assert "<p>First.</p>" in page
    assert '<th scope="row">Power w</th><td>850</td>' in page
    assert '<th scope="row">Cordless</th><td>No</td>' in page
    assert '<link rel="canonical" href="http://testserver/products/A%201.2/">' in page


def test_a_product_page_shows_similar_products(
    client: Client, make_product: MakeProduct, embed: Callable[[], Any]
) -> None:
    make_product("Hammer drill for concrete", sku="D-1")
    make_product("Rotary hammer for masonry", sku="D-2")
    make_product("Hammer drill, retired", sku="D-3", is_active=False)
    embed()
    page = client.get("/products/D-1/").content.decode()
    assert '<a href="/products/D-2/">' in page
    assert '<a href="/products/D-1/">' not in page
    assert '<a href="/products/D-3/">' not in page


def test_unknown_and_inactive_products_are_not_found_in_the_shops_look(
    client: Client, make_product: MakeProduct
) -> None:
    make_product("Retired", sku="R-1", is_active=False)
    for sku in ("R-1", "none", "%00", "x" * 2000, "%F0%9F%94%A8"):
        response = client.get(f"/products/{sku}/")
        assert response.status_code == 404
        assert "This shelf is empty" in text_of(response)
        assert "storefront/shop.css" in response.content.decode()


def test_nothing_of_a_product_becomes_markup(client: Client, make_product: MakeProduct) -> None:
    evil = "<script>alert(1)</script>"
    make_product(
        f"Drill {evil}",
        sku="E-1",
        brand=evil,
        short_description=evil,
        description=evil,
        attributes={evil: evil},
        image_url='javascript:alert(1)"><script>',
    )
    for address in ("/", "/?q=drill&mode=keyword&explain=1", "/products/E-1/", f"/?q={evil}&brand={evil}"):
        page = client.get(address).content.decode()
        assert "<script>" not in page
        assert "javascript:" not in page


def test_a_picture_is_loaded_lazily_and_without_a_referrer(client: Client, make_product: MakeProduct) -> None:
    make_product(sku="I-1", image_url="https://pictures.example/a.png?w=1&h=2")
    page = client.get("/").content.decode()
    (image,) = re.findall(r"<img [^>]+>", page)
    assert 'src="https://pictures.example/a.png?w=1&amp;h=2"' in image
    assert 'alt=""' in image
    assert 'loading="lazy"' in image
    assert 'referrerpolicy="no-referrer"' in image
    assert 'class="stand-in"' in page


@pytest.mark.parametrize(
    "address", ["/", "/?q=drill&mode=keyword", "/?page=x&q=a", "/products/D-1/", "/nowhere/"]
)
def test_pages_allow_nothing_inline(client: Client, shop: None, address: str) -> None:
    response = client.get(address)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    page = response.content.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=)", page)


def test_the_policy_is_the_storefronts_alone(client: Client, shop: None) -> None:
    assert "Content-Security-Policy" not in client.get("/admin/login/").headers
    assert "Content-Security-Policy" not in client.get("/api/categories/").headers


def test_pages_need_no_session(client: Client, shop: None) -> None:
    response = client.get("/?q=drill&mode=keyword")
    assert not response.cookies
    assert "Cookie" not in response.headers.get("Vary", "")


@pytest.mark.parametrize("address", ["/", "/products/D-1/"])
def test_pages_are_only_read(client: Client, shop: None, address: str) -> None:
    assert client.head(address).status_code == 200
    assert client.post(address).status_code == 405


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/?q=drill&mode=keyword",
        "/?q=drill&mode=keyword&category=tools&explain=1",
        "/?category=tools",
        "/products/D-1/",
    ],
)
def test_more_products_need_no_more_queries(
    client: Client, shop: None, make_product: MakeProduct, make_category: MakeCategory, address: str
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    queries()  # what a process learns once is not counted
    before = queries()
    for number in range(12):
        shelf = make_category("Tools", f"Shelf {number}")
        make_product(f"Drill number {number}", category=shelf, brand=f"Brand {number}")
    queries()  # new categories are read once
    assert queries() == before


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_error_pages_need_neither_a_request_nor_the_database(
    status: int, django_assert_num_queries: Callable[[int], Any]
) -> None:
    with django_assert_num_queries(0):
        page = get_template(f"{status}.html").render()
    assert f">{status}</p>" in page
    assert '<a class="button" href="/">To the shop</a>' in page
