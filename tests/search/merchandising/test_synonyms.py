"""Synonyms: as plain values, and in searches by meaning."""

from collections.abc import Callable
from typing import Any

import pytest

from catalog.models import Product
from search.analysis import analyse
from search.engine import search_products
from search.lexical_query import Run
from search.merchandising.rules import Entry
from search.merchandising.synonyms import Meaning, Synonyms
from search.models import Synonym
from search.parsing import parse
from search.query import SearchQuery
from search.terms import refresh_terms


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


@pytest.mark.django_db
def test_meaning_decides_between_a_word_and_its_synonym(
    make_product: Callable[..., Product], embed: Callable[[], Any]
) -> None:
    bag, computer = "Everyday 15.6 inch sleeve for a laptop", "Pavilion 15 notebook PC"
    make_product(bag)
    make_product(computer)
    refresh_terms()
    embed()
    assert names("laptop") == [bag, computer]
    Synonym.objects.create(term="laptop", means="notebook", both_ways=False)
    assert names("laptop") == [computer, bag]


@pytest.mark.django_db
def test_a_synonym_counts_as_much_as_the_word(make_product: Callable[..., Product]) -> None:
    """However many products have either."""
    make_product("Telly stand")
    make_product("Telly tray")
    make_product("Television stand")
    refresh_terms()
    Synonym.objects.create(term="telly", means="television", both_ways=False)
    Synonym.objects.create(term="telly", means="picture tube", both_ways=False)
    (choice,) = analyse(parse("telly"), "telly").terms.choices
    as_typed, synonym, two_words = (list(way.weights.values()) for way in choice)
    assert as_typed == synonym
    assert sum(two_words) == pytest.approx(sum(as_typed))


def names(text: str) -> list[str]:
    return [hit.fields["name"] for hit in search_products(SearchQuery(text)).hits]
