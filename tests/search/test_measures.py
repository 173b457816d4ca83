"""Numbers with their units, in the languages of shops."""

from collections.abc import Callable
from typing import Any

import pytest

from catalog.models import Product
from search.engine import search_products
from search.measures import by_all_names
from search.query import Mode, SearchQuery
from search.terms import refresh_terms
from search.units import names_in

MakeProduct = Callable[..., Product]


@pytest.mark.parametrize(
    ("config", "measure", "other"),
    [
        ("english", "50cm", "0.5 m"),
        ("english", "9volt", "9 v"),
        ("german", "27zoll", "27 inch"),
        ("german", "27inch", "27 zoll"),
        ("german", '27"', "27 zoll"),
        ("german", "5m", "5 meter"),
        ("german_shop", "5m", "5 meter"),
        ("french", "10mètres", "10 m"),
        ("french", "64go", "64 gb"),
        ("french", "1to", "1000 gb"),
        ("french", "27pouces", "27 inch"),
        ("spanish", "27pulgadas", "27 inch"),
        ("italian", "27pollici", "27 inch"),
        ("dutch", "27duim", "27 inch"),
        ("simple", "9volt", "9 v"),
    ],
)
def test_a_measure_has_the_names_of_the_shops_language(
    settings: Any, config: str, measure: str, other: str
) -> None:
    settings.SEARCH_CONFIG = config
    assert other in by_all_names(measure)


def test_other_languages_names_are_words(settings: Any) -> None:
    assert by_all_names("27zoll") == by_all_names("1to") == []
    settings.SEARCH_CONFIG = "german"
    assert by_all_names("9feet") == []


@pytest.mark.parametrize("language", ["english", "german", "french", "spanish", "italian", "dutch"])
def test_no_name_stands_for_two_units(language: str) -> None:
    names = names_in(language)
    called = [name for symbol, others in names.items() for name in (symbol, *others)]
    assert len(called) == len(set(called)) > 30


@pytest.mark.parametrize("text", ["27 zoll monitor", "27zoll monitor", '27" monitor', "27 inch monitor"])
def test_inches_are_found_as_they_are_called(make_product: MakeProduct, settings: Any, text: str) -> None:
    settings.SEARCH_CONFIG = "german"
    for name in ('Monitor 27" schwarz', "Monitor 27 Zoll", "Monitor 24 Zoll Modell 27", "Monitor 32 Zoll"):
        make_product(name)
    refresh_terms()
    hits = search_products(SearchQuery(text, mode=Mode.KEYWORD)).hits
    assert {hit.fields["name"] for hit in hits} == {'Monitor 27" schwarz', "Monitor 27 Zoll"}
