"""Which words of a query are one word of the catalogue, with a stop word in it."""

import pytest

from search.lexical_query import Lexeme
from search.stop_words import in_one_word, runs

# How many products of a made-up catalogue have a word; what is not there is a stop word.
DOCUMENTS = {"pad": 300, "ipad": 16, "mount": 847, "amount": 3, "pc": 900, "apc": 900, "dimm": 2, "sodimm": 2}
DOCUMENTS |= {"2": 5000, "1": 8000, "2in1": 3, "plug": 90, "play": 90, "plugandplay": 3, "case": 40}


def lexemes(piece: str) -> list[Lexeme]:
    return [Lexeme(piece, 1, DOCUMENTS[piece])] if piece in DOCUMENTS else []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("i pad case", ["i pad", "case"]),
        ("2 in 1 case", ["2 in 1", "case"]),
        ("case plug and play", ["case", "plug and play"]),
        ("a mount", ["a", "mount"]),  # next to no amount against all mounts
        ("a pc", ["a", "pc"]),  # too short
        ("so dimm", ["so", "dimm"]),  # too few have it
        ("in a case", ["in", "a", "case"]),
        ("in", ["in"]),
        ("", []),
    ],
)
def test_words_are_one_where_that_is_no_chance(words: str, expected: list[str]) -> None:
    assert list(in_one_word(words.split(), lexemes)) == expected


def test_all_that_may_be_one_word_is_looked_up() -> None:
    assert runs(["a", "b", "longer", "c"]) == [
        ("a", "b"),
        ("b", "longer"),
        ("longer", "c"),
        ("a", "b", "longer"),
    ]
