"""The text that is embedded."""

import json

import pytest
from django.db import connection

from embeddings.documents import MAX_ATTRIBUTES, MAX_CHARACTERS, ProductText, attribute_text, product_text


def text(**fields: object) -> ProductText:
    empty = {
        "name": "",
        "brand": "",
        "category": "",
        "short_description": "",
        "description": "",
        "attributes": {},
    }
    return ProductText(**(empty | fields))  # type: ignore[arg-type]


def test_important_fields_come_first() -> None:
    product = text(
        name="Hammer drill",
        brand="Borvik",
        category="Tools > Drills",
        short_description="For masonry.",
        description="Drills\n  concrete.",
        attributes={"colour": "red"},
    )
    assert product_text(product) == (
        "Hammer drill. Borvik. Tools > Drills. For masonry. Drills concrete. red"
    )


def test_empty_fields_leave_no_trace() -> None:
    assert product_text(text(name="Nail", brand="  ")) == "Nail"


def test_numbers_and_flags_are_left_out_of_the_attributes() -> None:
    assert attribute_text({"weight": 3.5, "in_stock": True, "colour": "red", "volt": "18 V"}) == "18 V, red"


def test_a_data_sheet_is_left_out() -> None:
    short = {f"name{number}": "red" for number in range(MAX_ATTRIBUTES)}
    assert attribute_text(short) == ", ".join(["red"] * MAX_ATTRIBUTES)
    assert attribute_text({**short, "one more": 1}) == ""


def test_a_brand_in_the_name_and_a_description_that_repeats_it_are_not_said_twice() -> None:
    assert product_text(text(name="Borvik saw", brand="Borvik", description="Borvik  saw")) == "Borvik saw"


def test_the_text_is_capped() -> None:
    assert len(product_text(text(name="long " * 10_000))) == MAX_CHARACTERS


@pytest.mark.django_db
@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"volt": "18 V", "colour": "red", "é": "x", "zz": "y", "a number": 3, "flag": False, "nothing": None},
        {"long": "x" * 61, "short": "x" * 60, "empty": "", "list": ["red"], "object": {"colour": "red"}},
        {f"name{number}": "red" for number in range(MAX_ATTRIBUTES)},
        {f"name{number}": "red" for number in range(MAX_ATTRIBUTES + 1)},
    ],
)
def test_the_database_takes_the_same_attributes(attributes: dict[str, object]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT public.embeddings_attribute_text(%s::jsonb)", [json.dumps(attributes)])
        assert cursor.fetchone()[0] == attribute_text(attributes)
