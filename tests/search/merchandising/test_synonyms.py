"""Synonyms by the words of a query, as plain values."""

from search.merchandising.rules import Entry
from search.merchandising.synonyms import Meaning, Run, Synonyms


def singular(word: str) -> str:
    return word.lower().removesuffix("s")


def meanings(entries: list[Entry], *words: str) -> dict[Run, list[Meaning]]:
    return Synonyms(entries, singular).meanings(words, singular)


def test_they_are_found_for_runs_of_words_in_either_direction() -> None:
    entries = [
        Entry("Telly", "television", True, 4),
        Entry("hot water maker thing", "kettle", False),
        Entry("wi-fi", "wlan", True),
    ]
    assert meanings(entries, "cheap", "TELLY", "now") == {(1, 2): [Meaning("television", 4)]}
    assert meanings(entries, "television") == {(0, 1): [Meaning("Telly", 4)]}
    assert meanings(entries, "a", "hot", "water", "maker", "thing") == {(1, 5): [Meaning("kettle", 0)]}
    assert meanings(entries, "kettle") == {}
    assert meanings(entries, "wi", "fi") == {(0, 2): [Meaning("wlan", 0)]}
    assert meanings(entries, "Wi-Fi") == {(0, 1): [Meaning("wlan", 0)]}
    assert meanings([], "telly") == {}


def test_other_forms_of_the_words_find_them_too() -> None:
    entries = [Entry("laptops", "notebook", False, 1), Entry("hoover bag", "dust bag", True, 2)]
    assert meanings(entries, "cheap", "Laptop") == {(1, 2): [Meaning("notebook", 1)]}
    assert meanings(entries, "hoovers", "bags") == {(0, 2): [Meaning("dust bag", 2)]}
    assert meanings(entries, "dusts", "bag") == {(0, 2): [Meaning("hoover bag", 2)]}


def test_a_term_with_the_very_words_goes_before_one_with_other_forms() -> None:
    entries = [Entry("glasses", "spectacles", False, 1), Entry("glass", "tumbler", False, 2)]
    assert Synonyms(entries, lambda word: "glass").meanings(["glasses"], lambda word: "glass") == {
        (0, 1): [Meaning("spectacles", 1)]
    }
    assert Synonyms(entries, lambda word: "glass").meanings(["glassy"], lambda word: "glass") == {
        (0, 1): [Meaning("spectacles", 1), Meaning("tumbler", 2)]
    }


def test_a_circle_is_walked_one_step() -> None:
    circle = [Entry("a", "b", True), Entry("b", "c", True), Entry("c", "a", True)]
    assert {tuple(sorted(one.text for one in found)) for found in meanings(circle, "a").values()} == {
        ("b", "c")
    }
    line = [Entry("a", "b", False), Entry("b", "c", False)]
    assert meanings(line, "a") == {(0, 1): [Meaning("b", 0)]}
