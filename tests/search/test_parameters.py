"""From request parameters to a query."""

from decimal import Decimal
from typing import Any

import pytest
from django.http import QueryDict

from search.api.parameters import parse_search, parse_similar
from search.exceptions import InvalidQueryError
from search.query import Filters, Fusion, Mode, SearchQuery

pytestmark = pytest.mark.django_db


def errors_of(query: str, *, strict: bool = True) -> dict[str, list[str]]:
    with pytest.raises(InvalidQueryError) as caught:
        parse_search(QueryDict(query), strict=strict)
    return caught.value.errors


def test_nothing_given_is_a_search_with_the_defaults() -> None:
    assert parse_search(QueryDict("")) == SearchQuery(text="")


def test_every_parameter_arrives(make_category: Any, make_product: Any) -> None:
    make_category("Tools", "Drills")
    make_product(attributes={"Voltage": 18})
    query = parse_search(
        QueryDict(
            "q=%20drill%20&mode=keyword&category=tools&category=drills&brand=Bosch&brand=M%26M&price_min=1.5"
            "&price_max=99&min_score=0.25&facets=brand,price&facets=Voltage&explain=true&page=3&page_size=50"
            "&fusion=rrf"
        ),
        strict=True,
    )
    assert query == SearchQuery(
        text="drill",
        mode=Mode.KEYWORD,
        filters=Filters(("tools", "drills"), ("Bosch", "M&M"), Decimal("1.5"), Decimal(99)),
        min_score=0.25,
        facets=("brand", "price", "Voltage"),
        explain=True,
        page=3,
        page_size=50,
        fusion=Fusion.RRF,
    )


def test_empty_fields_of_a_form_mean_nothing_was_asked() -> None:
    empty = "q=saw&mode=&category=&brand=&price_min=&price_max=&min_score=&facets=&explain=&page=&page_size="
    assert parse_search(QueryDict(empty), strict=True) == SearchQuery(text="saw")


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("mode=fuzzy", "mode", "hybrid or semantic or keyword"),
        ("fusion=sum", "fusion", "convex or rrf"),
        ("facets=no-such", "facets", "no facet “no-such”"),
        ("facets=a%0Ab", "facets", "not the name of a facet"),
        ("price_min=20&price_max=10", "price_min", "above the highest"),
        ("price_min=NaN", "price_min", "amount"),
        ("price_max=Infinity", "price_max", "amount"),
        ("price_max=-Infinity", "price_max", "amount"),
        ("price_min=-1", "price_min", "greater than or equal to 0"),
        ("price_min=1e999999999", "price_min", "9999999999"),
        ("price_min=" + "9" * 5000, "price_min", "9999999999"),
        ("price_min=0." + "1" * 40, "price_min", "digits"),
        ("price_min=cheap", "price_min", "amount"),
        ("min_score=1.01", "min_score", "less than or equal to 1"),
        ("min_score=-0.1", "min_score", "greater than or equal to 0"),
        ("min_score=nan", "min_score", "0 to 1"),
        ("min_score=inf", "min_score", "0 to 1"),
        ("explain=perhaps", "explain", "true or false"),
        ("page=0", "page", "greater than or equal to 1"),
        ("page=-3", "page", "greater than or equal to 1"),
        ("page=two", "page", "whole number"),
        ("page=1.5", "page", "whole number"),
        ("page=" + "9" * 5000, "page", "whole number"),
        ("page_size=0", "page_size", "greater than or equal to 1"),
        ("page_size=101", "page_size", "less than or equal to 100"),
        ("page=51&page_size=20", "page", "up to page 50"),
        ("page=99999999999999999999", "page", "up to page 50"),
        ("q=" + "x" * 513, "q", "512"),
        ("q=a%00b", "q", "Null characters"),
        ("brand=%00", "brand", "Null characters"),
        ("category=%00", "category", "Null characters"),
        ("facets=%00", "facets", "Null characters"),
        ("price_min=%00", "price_min", "Null characters"),
        ("mode=%00", "mode", "Null characters"),
        ("a%00b=1", "a\x00b", "Null characters"),
        ("q=a&q=b", "q", "once"),
        ("page=1&page=2", "page", "once"),
        ("brand=" + "x" * 121, "brand", "120"),
        ("&".join(f"brand={number}" for number in range(51)), "brand", "50"),
        ("attribute=colour", "attribute", "a name and a value: colour:red"),
        ("attribute=:red", "attribute", "a name and a value"),
        ("attribute=colour:", "attribute", "a name and a value"),
        ("attribute=no:such:one", "attribute", "No product has an attribute “no”"),
        ("attribute=a:%00", "attribute", "Null characters"),
        ("attribute=a:" + "x" * 499, "attribute", "500"),
        ("&".join(f"attribute=a:{number}" for number in range(51)), "attribute", "50"),
        ("categroy=tools", "categroy", "did you mean “category”?"),
        ("pagesize=3", "pagesize", "did you mean “page_size”?"),
        ("xyzzy=1", "xyzzy", "no such parameter; use attribute, brand,"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_what_to_change(query: str, field: str, says: str) -> None:
    errors = errors_of(query)
    assert list(errors) == [field]
    assert says in " ".join(errors[field])


def test_everything_wrong_is_said_at_once() -> None:
    assert errors_of("mode=x&page=0&price_min=-1&colour=red").keys() == {
        "mode",
        "page",
        "price_min",
        "colour",
    }


@pytest.mark.parametrize("query", ["page=10&page_size=100", "page=50", "page=1000&page_size=1"])
def test_results_can_be_paged_to_the_thousandth(query: str) -> None:
    assert parse_search(QueryDict(query)).page >= 10


def test_512_characters_of_any_script_are_a_query() -> None:
    params = QueryDict(mutable=True)
    params["q"] = "🔨" * 512
    assert parse_search(params).text == "🔨" * 512


def test_bytes_that_are_no_text_are_still_a_query() -> None:
    assert parse_search(QueryDict("q=drill%FF%FE"), strict=True).text == "drill\ufffd\ufffd"


def test_half_of_a_character_is_refused() -> None:
    params = QueryDict(mutable=True)
    params["q"] = "a\ud800b"
    with pytest.raises(InvalidQueryError, match="Unicode"):
        parse_search(params)


def test_a_page_ignores_parameters_of_others() -> None:
    assert parse_search(QueryDict("q=saw&utm_source=mail&utm_source=ad")) == SearchQuery(text="saw")


def test_an_attribute_that_any_product_has_is_a_facet(make_product: Any) -> None:
    make_product(attributes={"Blade length, cm": 3, "colour": "red"})
    assert parse_search(QueryDict("facets=colour")).facets == ("colour",)


def test_values_of_attributes_are_read_by_name(make_product: Any) -> None:
    make_product(attributes={"colour": "red", "ratio": "16:9", "in: out": "1:2"})
    query = parse_search(
        QueryDict(
            "attribute=ratio:16:9&attribute=colour:red&attribute=colour:+blue+&attribute=&attribute=in:+out:1:2"
        )
    )
    assert query.filters.attributes == (
        ("colour", ("red", " blue ")),
        ("in: out", ("1:2",)),
        ("ratio", ("16:9",)),
    )


def test_attributes_are_asked_for_ten_at_most(make_product: Any) -> None:
    make_product(attributes={f"a{number}": 1 for number in range(11)})
    ten = "&".join(f"attribute=a{number}:1" for number in range(10))
    assert len(parse_search(QueryDict(ten)).filters.attributes) == 10
    assert "at most 10" in errors_of(f"{ten}&attribute=a10:1")["attribute"][0]


def test_similar_takes_its_own_parameters(make_category: Any) -> None:
    make_category("Tools")
    query = parse_similar(
        "A-1",
        QueryDict("limit=5&category=tools&same_category=1&price_tolerance=0.25&diversity=0.5&min_score=0.1"),
    )
    assert (query.sku, query.limit, query.same_category, query.price_tolerance) == ("A-1", 5, True, 0.25)
    assert (query.filters.categories, query.diversity, query.min_score) == (("tools",), 0.5, 0.1)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("price_tolerance=-0.1", "price_tolerance"),
        ("price_tolerance=NaN", "price_tolerance"),
        ("diversity=1.5", "diversity"),
        ("diversity=-1", "diversity"),
        ("same_category=maybe", "same_category"),
        ("q=x", "q"),
    ],
)
def test_similar_refuses_what_it_cannot_answer(query: str, field: str) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        parse_similar("A-1", QueryDict(query), strict=True)
    assert list(caught.value.errors) == [field]
