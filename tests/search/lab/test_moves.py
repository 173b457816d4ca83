"""Moves between two rankings."""

from search.lab.moves import moves


def test_every_product_is_told_what_became_of_it() -> None:
    found = moves(["a", "b", "c", "d"], ["c", "b", "x", "a"])
    assert {name: move.text for name, move in found.items()} == {
        "a": "down 3",
        "b": "same",
        "c": "up 2",
        "d": "gone",
        "x": "new",
    }
    assert len({move.symbol for move in found.values()}) == 5


def test_nothing_against_nothing() -> None:
    assert moves([], []) == {}
