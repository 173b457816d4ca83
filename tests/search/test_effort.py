"""What it takes to compare rows, and which way takes least."""

from dataclasses import replace
from decimal import Decimal

import pytest

from search import effort
from search.scope import Condition, Scope

RED = Scope(attributes=(("colour", ("red",)),))
CHEAP = Scope(price_max=Decimal(10))
TOOLS = Scope(category_ids=(1, 2))
RED_TOOLS = replace(TOOLS, attributes=RED.attributes)


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[Scope, int]:
    """How many products each scope keeps; those of tests are added."""
    numbers = {RED: 10_000, CHEAP: 30_000, TOOLS: 4_000, RED_TOOLS: 500}

    def rows_kept(scope: Scope, constraint: Condition) -> int:
        return numbers[scope]

    monkeypatch.setattr(effort, "rows_kept", rows_kept)
    monkeypatch.setattr(effort, "categories_hold", lambda scope: numbers[Scope(scope.category_ids)])
    return numbers


def test_the_index_of_attributes_is_read_whatever_else_is_asked(kept: dict[Scope, int]) -> None:
    reading = effort.INDEX_FACTOR * 10_000
    assert effort.effort_of_indexed(RED) == pytest.approx(reading + effort.INDEXED_FACTOR * 10_000)
    assert effort.effort_of_indexed(RED_TOOLS) == pytest.approx(reading + effort.INDEXED_FACTOR * 500)
    cheap = replace(RED_TOOLS, price_max=Decimal(10))
    kept[cheap] = 1  # it does not know prices, which are looked at in each row
    assert effort.effort_of_indexed(cheap) == effort.effort_of_indexed(RED_TOOLS)


def test_rows_of_a_category_are_read_where_they_are_fewer(kept: dict[Scope, int]) -> None:
    assert effort.effort_of_rows(RED) == effort.effort_of_indexed(RED)
    assert effort.effort_of_rows(RED_TOOLS) == effort.effort_of_indexed(RED_TOOLS) < 4_000
    kept[TOOLS] = 600
    assert effort.effort_of_rows(RED_TOOLS) == 600


@pytest.mark.parametrize(("cheap", "is_better"), [(30_000, True), (5_000, False)])
def test_what_has_the_price_is_looked_up_where_it_is_less_than_what_has_the_attributes(
    kept: dict[Scope, int], cheap: int, is_better: bool
) -> None:
    kept[CHEAP] = cheap
    assert effort.looks_at_copies(RED)
    assert effort.looks_at_copies(RED_TOOLS)
    assert effort.looks_at_copies(replace(RED, price_max=Decimal(10))) is is_better
