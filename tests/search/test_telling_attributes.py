"""Which attributes part the products found."""

from typing import Any

import pytest

from search import browse
from search.engine import search_products
from search.query import Filters, SearchQuery
from search.telling_attributes import MOST, telling_attributes

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(make_product: Any) -> Any:
    """What tells products apart that have these attributes."""

    def ask(*attributes: dict[str, Any], others: tuple[str, ...] = ()) -> list[str]:
        return telling_attributes([make_product(attributes=one).pk for one in attributes], others)

    return ask


def test_what_parts_evenly_comes_first(told: Any) -> None:
    found = told(
        *(
            {"even": number % 2, "uneven": number < 9, "three": number % 3, "all": "same"}
            for number in range(10)
        )
    )
    assert found == ["three", "even", "uneven"]


def test_what_each_has_for_itself_parts_nothing(told: Any) -> None:
    assert told(*({"serial": number, "size": number % 2} for number in range(8))) == ["size"]


def test_what_a_visitor_can_take_in_comes_before_a_long_tail(told: Any) -> None:
    found = told(*({"weight": number // 2, "socket": f"E{number % 4}"} for number in range(40)))
    assert found == ["socket", "weight"]


def test_what_few_have_or_nobody_can_read_is_left_out(told: Any) -> None:
    few = [{"rare": number % 2, "text": f"{number % 2} " * 30} for number in range(2)]
    assert told(*few, *({"text": f"{number % 2} " * 30} for number in range(6))) == []


def test_no_more_than_a_page_has_room_for_and_none_twice(told: Any) -> None:
    products = [{f"a{place}": number % 2 for place in range(9)} for number in range(4)]
    assert told(*products) == ["a0", "a1", "a2", "a3"]
    assert told(*products, others=("a1", "a7")) == ["a0", "a2", "a3", "a4"]
    assert MOST == 4


def test_a_built_in_facet_is_taken_for_no_attribute_of_its_name(told: Any, make_product: Any) -> None:
    names = ("brand", "category", "price", "attributes", "colour")
    assert told(*(dict.fromkeys(names, number % 2) for number in range(4))) == ["colour"]
    make_product("Lamp", brand="Acme", attributes={"brand": "1", "colour": "red"})
    filters = Filters(attributes=(("brand", ("1",)),))
    assert search_products(SearchQuery("lamp", filters=filters, facets=("attributes",))).facets == {}
    found = search_products(SearchQuery("lamp", filters=filters, facets=("attributes", "brand"))).facets
    assert list(found) == ["brand"]
    assert [(value.value, value.selected) for value in found["brand"]] == [("Acme", False)]


def test_attributes_that_are_no_object_and_blank_values_tell_nothing(told: Any) -> None:
    assert told(["red"], "red", {}, {"colour": ""}, {"colour": ""}, {"colour": None}) == []
    assert telling_attributes([]) == []


def test_the_first_products_tell(make_product: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.telling_attributes.SAMPLE", 10)
    first = [make_product(attributes={"near": number % 2}).pk for number in range(10)]
    others = [make_product(attributes={"far": number % 2}).pk for number in range(20)]
    assert telling_attributes([*first, *others]) == ["near"]


@pytest.mark.parametrize("text", ["", "lamp"])
def test_they_are_counted_over_all_that_is_found_beside_those_filtered_on(
    make_product: Any, text: str
) -> None:
    for number in range(12):
        make_product(
            "Lamp",
            attributes={"colour": ["red", "blue"][number % 2], "socket": f"E{number % 3}", "volt": 230},
        )
    make_product("Lamp", attributes={"colour": "red", "socket": "E0"}, is_active=False)
    filters = Filters(attributes=(("volt", ("230",)),))
    query = SearchQuery(text, filters=filters, facets=("attributes", "brand", "socket"), page_size=1)
    found = search_products(query).facets
    assert list(found) == ["brand", "socket", "volt", "colour"]
    assert {value.value: value.count for value in found["socket"]} == {"E0": 4, "E1": 4, "E2": 4}
    assert {value.value: value.count for value in found["colour"]} == {"red": 6, "blue": 6}
    assert [(value.value, value.count, value.selected) for value in found["volt"]] == [("230", 12, True)]


def test_of_too_many_products_none_are_read(make_product: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        make_product(attributes={"colour": ["red", "blue"][number % 2]})
    query = SearchQuery("", facets=("attributes",))
    assert list(search_products(query).facets) == ["colour"]
    monkeypatch.setattr(browse, "MOST_READ", 3)
    assert list(search_products(query).facets) == []
