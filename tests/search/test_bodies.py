"""From JSON bodies to queries."""

from decimal import Decimal
from typing import Any

import pytest

from search.api.bodies import parse_batch, parse_seeds
from search.exceptions import InvalidQueryError
from search.query import Filters, Mode, Seed, SeedQuery

pytestmark = pytest.mark.django_db


def test_a_batch_is_texts_and_objects_in_order(make_category: Any) -> None:
    make_category("Tools")
    queries = parse_batch(
        {
            "queries": [
                "drill",
                {
                    "q": "saw",
                    "mode": "keyword",
                    "category": ["tools"],
                    "price_max": 50,
                    "explain": True,
                    "page": 2,
                },
                {"q": "axe", "price_min": None},
            ]
        }
    )
    assert [query.text for query in queries] == ["drill", "saw", "axe"]
    assert queries[1].filters == Filters(categories=("tools",), price_max=Decimal(50))
    assert (queries[1].explain, queries[1].page, queries[1].mode) == (True, 2, Mode.KEYWORD)


def test_a_batch_asks_once_which_categories_exist(make_category: Any, django_assert_num_queries: Any) -> None:
    make_category("Tools")
    with django_assert_num_queries(1):
        parse_batch({"queries": [{"q": "saw", "category": "tools"}] * 50})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, ""),
        ([], ""),
        ("drill", ""),
        ({}, "queries"),
        ({"queries": "drill"}, "queries"),
        ({"queries": []}, "queries"),
        ({"queries": ["x"] * 51}, "queries"),
        ({"querys": ["x"]}, "querys"),
        ({"queries": ["x", 3]}, "queries[1]"),
        ({"queries": ["x", None]}, "queries[1]"),
        ({"queries": [["x"]]}, "queries[0]"),
        ({"queries": ["x", "y", "z", {"q": "w", "mode": "bad"}]}, "queries[3].mode"),
        ({"queries": [{"q": "w", "moed": "keyword"}]}, "queries[0].moed"),
        ({"queries": [{"q": {"text": "w"}}]}, "queries[0].q"),
        ({"queries": [{"q": "w", "category": "no-such"}]}, "queries[0].category"),
        ({"queries": [{"q": "w", "category": ["\x00"]}]}, "queries[0].category"),
        ({"queries": [{"q": "w", "page": [1, 2]}]}, "queries[0].page"),
        ({"queries": ["a\x00"]}, "queries[0].q"),
        ({"queries": ["x" * 513]}, "queries[0].q"),
    ],
)
def test_a_batch_names_the_query_that_is_wrong(body: Any, field: str) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        parse_batch(body)
    assert list(caught.value.errors) == [field]


def test_seeds_are_skus_with_weights(make_category: Any) -> None:
    make_category("Tools")
    assert parse_seeds({"seeds": ["A", {"sku": "B", "weight": -0.5}, {"sku": "C"}]}) == SeedQuery(
        seeds=(Seed("A", 1.0), Seed("B", -0.5), Seed("C", 1.0))
    )
    assert parse_seeds(
        {
            "seeds": ["A"],
            "limit": 3,
            "category": ["tools"],
            "price_max": 9.5,
            "min_score": 0.1,
            "diversity": 1,
        }
    ) == SeedQuery((Seed("A"),), Filters(("tools",), price_max=Decimal("9.5")), 3, 0.1, 1.0)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ([], [""]),
        ({}, ["seeds"]),
        ({"seeds": []}, ["seeds"]),
        ({"seeds": "A"}, ["seeds"]),
        ({"seeds": [str(number) for number in range(21)]}, ["seeds"]),
        ({"seeds": ["A", 3]}, ["seeds[1]"]),
        ({"seeds": [{"weight": 1}]}, ["seeds[0]"]),
        ({"seeds": [{"sku": "A", "weight": "x"}]}, ["seeds[0]"]),
        ({"seeds": [{"sku": "A", "weight": True}]}, ["seeds[0]"]),
        ({"seeds": [{"sku": "A", "weight": 101}]}, ["seeds[0]"]),
        ({"seeds": [{"sku": "A", "wieght": 1}]}, ["seeds[0]"]),
        ({"seeds": ["A", "A"]}, ["seeds[1].sku"]),
        ({"seeds": ["A\x00"]}, ["seeds[0].sku"]),
        ({"seeds": [{"sku": "A", "weight": -1}]}, ["seeds"]),
        ({"seeds": [], "limit": 0, "same_category": True}, ["same_category", "limit", "seeds"]),
    ],
)
def test_seeds_that_give_no_direction_are_named(body: Any, fields: list[str]) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        parse_seeds(body)
    assert list(caught.value.errors) == fields
