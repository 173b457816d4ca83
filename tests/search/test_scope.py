"""Filters as SQL."""

from decimal import Decimal

import pytest

from search.scope import Scope, any_of

TOOLS = Scope(category_ids=(1, 2))
CHEAP = Scope(price_max=Decimal(10))
RED, SMALL = ("colour", ("red",)), ("size", ("small",))
CHEAP_TOOLS = Scope(category_ids=(1, 2), price_max=Decimal(10))


def test_scopes_that_are_parts_of_others_are_not_mentioned() -> None:
    both = any_of([TOOLS, CHEAP], "p")
    assert any_of([CHEAP_TOOLS, CHEAP, TOOLS, CHEAP], "p") in (both, any_of([CHEAP, TOOLS], "p"))
    assert both.sql.count(" OR ") == 1
    assert any_of([CHEAP_TOOLS, TOOLS, Scope()], "p") == Scope().condition("p")


@pytest.mark.parametrize(
    ("scope", "other", "is_part"),
    [
        (CHEAP_TOOLS, TOOLS, True),
        (TOOLS, CHEAP_TOOLS, False),
        (TOOLS, TOOLS, True),
        (TOOLS, CHEAP, False),
        (CHEAP, Scope(price_max=Decimal(20)), False),  # it is, in other words
        (Scope(brands=("Acme",)), Scope(brands=("Acme", "Bolt")), False),  # so it is here
        (Scope(brands=("Acme",)), Scope(), True),
        (Scope(attributes=(RED, SMALL)), Scope(attributes=(RED,)), True),
        (Scope(attributes=(RED,)), Scope(attributes=(RED, SMALL)), False),
        (Scope(), Scope(attributes=(RED,)), False),
    ],
)
def test_a_scope_is_part_of_one_that_asks_for_less(scope: Scope, other: Scope, is_part: bool) -> None:
    assert scope.is_part_of(other) is is_part


def test_each_filter_can_be_lifted_alone() -> None:
    everything = Scope((1,), ("Acme",), Decimal(1), Decimal(2), (RED, SMALL))
    assert everything.without("category") == Scope(None, ("Acme",), Decimal(1), Decimal(2), (RED, SMALL))
    assert everything.without("brand") == Scope((1,), (), Decimal(1), Decimal(2), (RED, SMALL))
    assert everything.without("price") == Scope((1,), ("Acme",), None, None, (RED, SMALL))
    assert everything.without("colour") == Scope((1,), ("Acme",), Decimal(1), Decimal(2), (SMALL,))
    assert everything.without("voltage") == everything
