"""Facets, from counts."""

from decimal import Decimal

import pytest

from search.facets import category_tree, price_ranges, round_price
from search.query import Filters


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
    prices: dict[float, int] = {float(price): 1 for price in range(1, 1000)}
    ranges = price_ranges(prices, Filters())
    assert sum(value.count for value in ranges) == 999
    assert 3 <= len(ranges) <= 5
    assert ranges[0].price_from == "0"
    assert ranges[-1].price_to is None
    assert [value.price_to for value in ranges[:-1]] == [value.price_from for value in ranges[1:]]


@pytest.mark.parametrize("prices", [{}, {5.0: 3}, {0.0: 9}])
def test_prices_that_do_not_differ_make_no_ranges(prices: dict[float, int]) -> None:
    assert price_ranges(prices, Filters()) == []


@pytest.mark.parametrize(
    ("price", "rounded"), [("37.20", "40"), ("0.17", "0.15"), ("999", "1000"), ("0", "0")]
)
def test_round_prices(price: str, rounded: str) -> None:
    assert round_price(Decimal(price)) == Decimal(rounded)
