"""The demo catalogue as a file: complete, consistent and varied, before any database sees it."""

import json
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

DEMO_FILE = Path(__file__).resolve().parents[2] / "catalog" / "demo" / "products.jsonl"
KEYS = {
    "sku",
    "name",
    "brand",
    "short_description",
    "description",
    "category",
    "price",
    "currency",
    "attributes",
    "image_url",
}

Product = dict[str, Any]


@pytest.fixture(scope="module")
def products() -> list[Product]:
    """All products of the demo file, in file order."""
    return [json.loads(line) for line in DEMO_FILE.read_text(encoding="utf-8").splitlines()]


def repeated(products: list[Product], key: str) -> list[str]:
    """Values of ``key`` that more than one product has, letter case aside."""
    counts = Counter(product[key].casefold() for product in products)
    return [value for value, count in counts.items() if count > 1]


def test_there_are_about_three_hundred_products(products: list[Product]) -> None:
    assert 300 <= len(products) <= 320


def test_every_product_has_exactly_the_documented_keys(products: list[Product]) -> None:
    assert [p["sku"] for p in products if set(p) != KEYS] == []


def test_skus_are_well_formed(products: list[Product]) -> None:
    assert [p["sku"] for p in products if not re.fullmatch(r"NS-[A-Z]{2}-\d{4}", p["sku"])] == []


@pytest.mark.parametrize("key", ["sku", "name", "short_description", "description"])
def test_no_two_products_share_a_text(products: list[Product], key: str) -> None:
    assert repeated(products, key) == []


def test_texts_are_trimmed_and_of_a_sensible_length(products: list[Product]) -> None:
    limits = {"name": (5, 80), "brand": (3, 20), "short_description": (20, 140), "description": (100, 400)}
    wrong = [
        (p["sku"], key, len(p[key]))
        for p in products
        for key, (low, high) in limits.items()
        if not low <= len(p[key]) <= high or p[key] != " ".join(p[key].split())
    ]
    assert wrong == []


def test_descriptions_have_two_to_four_sentences(products: list[Product]) -> None:
    ends = re.compile(r"[.!?](?=\s|$)")
    assert [p["sku"] for p in products if not 2 <= len(ends.findall(p["description"])) <= 4] == []


def test_short_descriptions_are_one_sentence(products: list[Product]) -> None:
    inner_end = re.compile(r"[.!?]\s+[A-Z]")
    assert [
        p["sku"]
        for p in products
        if inner_end.search(p["short_description"]) or not p["short_description"].endswith(".")
    ] == []


def test_about_thirty_leaf_categories_have_six_products_or_more(products: list[Product]) -> None:
    counts = Counter(tuple(p["category"]) for p in products)
    assert 28 <= len(counts) <= 36
    assert [path for path, count in counts.items() if count < 6] == []


def test_products_sit_only_in_leaf_categories(products: list[Product]) -> None:
    paths = {tuple(p["category"]) for p in products}
    parents = {path[:depth] for path in paths for depth in range(1, len(path))}
    assert all(len(path) >= 2 and all(part.strip() for part in path) for path in paths)
    assert paths & parents == set()


def test_prices_are_positive_euros_with_two_decimals(products: list[Product]) -> None:
    assert [p["sku"] for p in products if not re.fullmatch(r"\d{1,3}\.\d{2}", p["price"])] == []
    prices = [Decimal(p["price"]) for p in products]
    assert Decimal(2) <= min(prices) < 5
    assert 800 < max(prices) <= 900
    assert {p["currency"] for p in products} == {"EUR"}


def test_attributes_are_flat_and_readable(products: list[Product]) -> None:
    for product in products:
        attributes = product["attributes"]
        assert 3 <= len(attributes) <= 6, product["sku"]
        for key, value in attributes.items():
            assert "_" not in key and key == key.strip(), product["sku"]
            assert type(value) in (str, int, float) and value != "", product["sku"]


def test_brands_recur_across_categories(products: list[Product]) -> None:
    leaves: dict[str, set[tuple[str, ...]]] = {}
    for product in products:
        leaves.setdefault(product["brand"], set()).add(tuple(product["category"]))
    assert 40 <= len(leaves) <= 50
    assert [brand for brand, where in leaves.items() if len(where) < 2] == []


def test_exactly_one_drill_is_named_for_concrete(products: list[Product]) -> None:
    named = [p for p in products if {"drill", "concrete"} <= set(p["name"].casefold().split())]
    assert [p["category"] for p in named] == [["Tools", "Power tools", "Drills"]]
