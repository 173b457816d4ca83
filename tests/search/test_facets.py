"""Facets, from counts."""

from collections import Counter
from decimal import Decimal

import numpy as np
import pytest
from django.db import connection

from catalog.models import Product
from search.facets import category_tree, count
from search.price_ranges import Prices, price_ranges, round_price
from search.query import Filters
from search.scope import NOTHING, resolve
from tests.search.plans import plans


def test_a_category_counts_what_is_below_it() -> None:
    categories = [
        (1, "tools", "Tools", "tools"),
        (2, "drills", "Drills", "tools/drills"),
        (3, "toys", "Toys", "toys"),
    ]
    values = category_tree({1: 2, 2: 3}, categories, ["toys"])
    assert [(value.value, value.count, value.depth, value.selected) for value in values] == [
        ("tools", 5, 0, False),
        ("drills", 3, 1, False),
        ("toys", 0, 0, True),
    ]


def test_price_ranges_hold_every_price_once() -> None:
    prices = np.array([np.nan, *range(1, 1000)])
    ranges = price_ranges(Prices.of(prices), Filters())
    assert sum(value.count for value in ranges) == 999
    assert 3 <= len(ranges) <= 5
    assert ranges[0].price_from == "0"
    assert ranges[-1].price_to is None
    assert [value.price_to for value in ranges[:-1]] == [value.price_from for value in ranges[1:]]


@pytest.mark.parametrize("less", ["0.01", "0"])
def test_the_range_that_is_filtered_on_is_selected(less: str) -> None:
    """The filter is closed above, so who asks for a range asks for a penny less."""
    prices = Prices.of(np.arange(1.0, 1000.0))
    second = price_ranges(prices, Filters())[1]
    assert second.price_from and second.price_to
    filters = Filters(
        price_min=Decimal(second.price_from), price_max=Decimal(second.price_to) - Decimal(less)
    )
    selected = [value.value for value in price_ranges(prices, filters) if value.selected]
    assert selected == [second.value]


@pytest.mark.parametrize("prices", [[], [5.0] * 3, [0.0] * 9, [np.nan]])
def test_prices_that_do_not_differ_make_no_ranges(prices: list[float]) -> None:
    assert price_ranges(Prices.of(np.array(prices, dtype=np.float64)), Filters()) == []


@pytest.mark.parametrize(
    ("prices", "bounds"),
    [
        ([1009.95, 1029.95], ["1010"]),
        ([1.01, 1.02], ["1.02"]),
        ([21 + number / 20 for number in range(60)], ["22", "23"]),
        ([9_999_999_999.98, 9_999_999_999.99], ["9999999999.99"]),
    ],
)
def test_prices_that_differ_a_little_are_told_apart(prices: list[float], bounds: list[str]) -> None:
    ranges = price_ranges(Prices.of(np.array(prices)), Filters())
    assert sum(value.count for value in ranges) == len(prices)
    assert [value.price_to for value in ranges] == [*bounds, None]


@pytest.mark.parametrize(
    ("price", "rounded"), [("37.20", "40"), ("0.17", "0.15"), ("999", "1000"), ("0", "0")]
)
def test_round_prices(price: str, rounded: str) -> None:
    assert round_price(Decimal(price)) == Decimal(rounded)


@pytest.mark.django_db
@pytest.mark.usefixtures("demo")
def test_what_a_category_page_counts_is_read_from_an_index_alone() -> None:
    filters = Filters(categories=("tools",))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE catalog_product")
        # As a vacuum leaves it, which cannot run here.
        cursor.execute("UPDATE pg_class SET relallvisible = relpages WHERE relname = 'catalog_product'")
    scope = resolve(filters)
    (plan,) = plans(lambda: count(("brand", "price"), scope, filters, NOTHING))
    assert plan.count("Index Only Scan using product_active_values") == 2


@pytest.mark.django_db
@pytest.mark.usefixtures("demo")
def test_facets_of_a_category_page_are_those_of_its_products() -> None:
    filters = Filters(categories=("tools",))
    products = Product.objects.active().in_categories(["tools"])
    attribute = next(
        key for attributes in products.values_list("attributes", flat=True) for key in attributes
    )
    total, found = count(("brand", "category", attribute, "price"), resolve(filters), filters, NOTHING)
    assert total == products.count()
    for name, field in (("brand", "brand"), (attribute, f"attributes__{attribute}")):
        expected = Counter(products.values_list(field, flat=True))
        shown = {value.value: value.count for value in found[name]}
        assert shown, name
        assert shown == {value: expected[value] for value in shown}
    tools = next(value for value in found["category"] if value.value == "tools")
    assert tools.count == products.count()
    assert sum(value.count for value in found["price"]) == products.exclude(price=None).count()
