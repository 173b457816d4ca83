"""Prices, scores and attributes as people read them."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils import translation

from search.storefront.formats import (
    attribute_name,
    attribute_value,
    money,
    percent,
    picture_address,
    price_range,
)


@pytest.mark.parametrize(
    ("price", "currency", "written"),
    [
        (Decimal("89.9"), "EUR", "€89.90"),
        ("1299", "USD", "$1,299.00"),
        ("1299.00", "JPY", "¥1,299"),
        ("5", "CHF", "CHF\N{NO-BREAK SPACE}5.00"),
        ("0", "GBP", "£0.00"),
        (None, "EUR", "Price on request"),
    ],
)
def test_money_has_its_currencys_symbol_and_places(price: Any, currency: str, written: str) -> None:
    assert money(price, currency) == written


def test_money_follows_the_language() -> None:
    with translation.override("de"):
        assert money("1299.5", "EUR") == "€1.299,50"


def test_a_range_of_prices_may_be_open_at_either_end() -> None:
    assert price_range("10", "19.99", "EUR") == "€10 – €19.99"
    assert price_range("10", None, "EUR") == "€10 and more"
    assert price_range(None, "20", "EUR") == "Up to €20"
    assert price_range(None, None, "EUR") == ""


def test_a_score_becomes_whole_percent() -> None:
    assert [percent(score) for score in (0.874, 1.2, -0.1, None)] == [87, 100, 0, 0]


@pytest.mark.parametrize(
    ("value", "written"),
    [(True, "Yes"), (False, "No"), (None, "–"), ("", "–"), (6.0, "6"), (2.4, "2.4"), ("red", "red")],
)
def test_an_attributes_value_is_written_for_people(value: Any, written: str) -> None:
    assert attribute_value(value) == written


def test_an_attributes_name_is_written_for_people() -> None:
    assert attribute_name("max_speed  rpm") == "Max speed rpm"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:image/svg+xml,<svg/>",
        "//elsewhere.example/a.png",
        "ftp://elsewhere.example/a.png",
        "https://",
        "http://[broken/a.png",
        "",
        None,
    ],
)
def test_only_http_addresses_of_pictures_are_shown(url: str | None) -> None:
    assert picture_address(url) == ""


def test_an_ordinary_picture_is_shown() -> None:
    assert picture_address("http://pictures.example/a.png") == "http://pictures.example/a.png"
