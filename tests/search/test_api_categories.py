"""GET /api/categories/"""

from typing import Any

import pytest
from django.test import Client

from search.categories import MAX_DEPTH
from tests.search.conftest import bad_fields

pytestmark = pytest.mark.django_db


def test_counts_include_everything_below(client: Client, make_category: Any, make_product: Any) -> None:
    tools, drills = make_category("Tools"), make_category("Tools", "Power tools", "Drills")
    make_category("Toys")
    make_product(category=tools)
    make_product(category=drills)
    make_product(category=drills)
    make_product(category=drills, is_active=False)
    make_product(category=None)

    def flat(nodes: list[dict[str, Any]]) -> list[tuple[str, int]]:
        return [
            pair
            for node in nodes
            for pair in [(node["path"], node["product_count"]), *flat(node["children"])]
        ]

    assert flat(client.get("/api/categories/").json()["results"]) == [
        ("tools", 3),
        ("tools/power-tools", 2),
        ("tools/power-tools/drills", 2),
        ("toys", 0),
    ]


def test_the_tree_takes_two_queries_and_may_be_kept_for_a_minute(
    client: Client, make_category: Any, django_assert_num_queries: Any
) -> None:
    for number in range(20):
        make_category("Tools", f"Shelf {number}", f"Row {number}")
    with django_assert_num_queries(2):
        response = client.get("/api/categories/")
        client.get("/api/categories/")
    assert len(response.json()["results"][0]["children"]) == 20
    assert "max-age=60" in response.headers["Cache-Control"]


def test_a_very_deep_tree_is_cut_but_counted(client: Client, make_category: Any, make_product: Any) -> None:
    make_product(category=make_category(*(f"c{number}" for number in range(120))))
    node = client.get("/api/categories/").json()["results"][0]
    assert node["product_count"] == 1
    depth = 1
    while node["children"]:
        (node,) = node["children"]
        depth += 1
    assert depth == MAX_DEPTH


def test_the_tree_takes_no_parameters(client: Client) -> None:
    assert bad_fields(client.get("/api/categories/?depth=2")) == ["depth"]
