"""Spelling against the catalogue's own words."""

from collections.abc import Callable

import pytest

from catalog.models import Product
from search import encoding, spelling
from search.analysis import analyse
from search.engine import search_products
from search.parsing import parse
from search.query import Mode, SearchQuery
from search.spelling import corrected_text, edit_distance, parted
from search.suggest import suggest
from search.terms import refresh_terms

MakeProduct = Callable[..., Product]


@pytest.mark.parametrize(
    ("left", "right", "distance"),
    [
        ("drill", "drill", 0),
        ("dril", "drill", 1),
        ("dirll", "drill", 1),
        ("brill", "drill", 1),
        ("", "abc", 3),
    ],
)
def test_edit_distance(left: str, right: str, distance: int) -> None:
    assert edit_distance(left, right) == distance


@pytest.fixture
def catalogue(make_product: MakeProduct) -> None:
    make_product("Wireless keyboard")
    make_product("Keyboard with numeric pad")
    make_product("Cordless screwdriver")
    refresh_terms()


@pytest.mark.parametrize("typo", ["keybord", "keybaord", "keeyboard", "keyboerd", "KEYBORD"])
def test_one_typo_is_corrected(catalogue: None, typo: str) -> None:
    assert corrected_text([typo]) == "keyboard"


@pytest.mark.parametrize("typo", ["screwdryvr", "screwwdriiver", "SCREWDIRVRE", "scredrivre"])
def test_two_typos_in_a_long_word_are_corrected(catalogue: None, typo: str) -> None:
    assert corrected_text([typo]) == "screwdriver"


@pytest.mark.parametrize("typo", ["srcewdrivre", "screwdryyyr", "wirlss"])
def test_more_typos_are_too_many(catalogue: None, typo: str) -> None:
    assert corrected_text([typo]) is None


@pytest.mark.parametrize(
    ("typo", "expected"),
    [
        ("telly", None),  # another letter makes another word of a short one
        ("akai", None),  # and so does one less
        ("xenos", None),
        ("ketle", "kettle"),  # a letter is forgotten
        ("xneon", "xenon"),  # two are swapped
        ("nexon", None),
        ("micraphone", "microphone"),  # long words have few neighbours
        ("micrafone", None),
        ("clable", "cable"),  # many products have it
        ("xable", "cable"),
    ],
)
def test_a_short_or_doubtful_word_is_not_taken_for_a_rare_one(
    make_product: MakeProduct, monkeypatch: pytest.MonkeyPatch, typo: str, expected: str | None
) -> None:
    for name in ("It tells aka", "Kettle", "Xenon lamp", "Microphone"):
        make_product(name)
    for _ in range(4):
        make_product("Cable")
    refresh_terms()
    monkeypatch.setattr(spelling, "PRODUCTS_FOR_ONE", 4)
    assert corrected_text([typo]) == expected


def test_a_word_that_the_model_knows_is_no_typo(make_product: MakeProduct) -> None:
    make_product("Computer for the desk")
    refresh_terms()
    encoding.warm_up()
    assert corrected_text(["compiler"]) is None
    assert corrected_text(["compitir"]) == "computer"


@pytest.mark.usefixtures("steady")
def test_what_was_a_typo_without_the_model_is_a_word_once_it_is_there(
    make_product: MakeProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_product("Computer for the desk")
    refresh_terms()
    encoding.warm_up()
    query = parse("desk compiler")
    with monkeypatch.context() as patch:
        patch.setattr(encoding, "loaded", lambda model: False)
        assert any(group.corrections for group in analyse(query, "desk compiler").groups)
        assert [found.text for found in suggest("compiler")] == ["computer", "Computer for the desk"]
    assert not any(group.corrections for group in analyse(query, "desk compiler").groups)
    assert suggest("compiler") == []


def test_what_is_not_nearly_a_word_stays(catalogue: None) -> None:
    assert corrected_text(["xylophone", "abc", "12345"]) is None


@pytest.fixture
def chargers(make_product: MakeProduct) -> None:
    make_product("Power bank 10,000 mAh")
    make_product("Powerpack for the car")
    make_product("Power strip, a bank of sockets")
    make_product("Plug over the wall")
    refresh_terms()


@pytest.mark.parametrize("word", ["powerbank", "PowerBank", "powerbanks"])
def test_a_word_that_the_catalogue_writes_apart_finds_it_so(chargers: None, word: str) -> None:
    result = search_products(SearchQuery(word, mode=Mode.KEYWORD, explain=True))
    assert [hit.fields["name"] for hit in result.hits] == ["Power bank 10,000 mAh"]
    assert result.corrected is None
    assert result.hits[0].explanation is not None
    assert result.hits[0].explanation["matched_terms"] == [word]


def test_a_word_is_parted_beside_others(chargers: None) -> None:
    result = search_products(SearchQuery("car powerbank", mode=Mode.KEYWORD))
    assert {hit.fields["name"] for hit in result.hits} == {"Power bank 10,000 mAh", "Powerpack for the car"}


def test_a_word_is_parted_only_where_a_product_has_both_parts_together(chargers: None) -> None:
    assert parted(["powerbank", "Powerstrip"]) == {"powerbank": ["power bank"], "Powerstrip": ["Power strip"]}
    assert parted(["bankpower", "strippower", "plugover", "powerxyz", "power", "x" * 500, ""]) == {}


def test_a_word_that_is_parted_may_be_a_typo_all_the_same(chargers: None, make_product: MakeProduct) -> None:
    printer = make_product("Lumo Workdesc")
    desk = make_product("Work desk with drawers")
    make_product("Lumo scanner")
    refresh_terms()
    found = search_products(SearchQuery("workdesk", mode=Mode.KEYWORD))
    assert [hit.fields["name"] for hit in found.hits] == [desk.name, printer.name]
    assert (
        search_products(SearchQuery("lumo workdesk", mode=Mode.KEYWORD)).hits[0].fields["name"]
        == printer.name
    )


def test_a_word_that_products_have_is_not_parted(chargers: None, make_product: MakeProduct) -> None:
    make_product("Powerbank")
    refresh_terms()
    result = search_products(SearchQuery("powerbank", mode=Mode.KEYWORD))
    assert [hit.fields["name"] for hit in result.hits] == ["Powerbank"]


def test_a_query_of_typos_alone_is_corrected_and_says_so(catalogue: None) -> None:
    result = search_products(SearchQuery("keybord", mode=Mode.KEYWORD))
    assert result.corrected == "keyboard"
    assert result.total == 2


def test_a_query_with_results_is_not_corrected(catalogue: None, make_product: MakeProduct) -> None:
    make_product("Keybord, a board of keys")  # newer than the last count of terms
    result = search_products(SearchQuery("keybord", mode=Mode.KEYWORD))
    assert result.corrected is None
    assert result.total == 1


def test_a_typo_beside_known_words_is_forgiven(catalogue: None) -> None:
    result = search_products(SearchQuery("wireles keyboard", mode=Mode.KEYWORD))
    assert result.corrected is None
    assert result.hits[0].fields["name"] == "Wireless keyboard"


def test_the_word_that_a_product_has_is_named_instead_of_the_typo(
    catalogue: None, make_product: MakeProduct
) -> None:
    make_product("Wireles keyboard")  # newer than the last count of terms
    hits = search_products(SearchQuery("wireles keyboard", mode=Mode.KEYWORD, explain=True)).hits
    named = {hit.fields["name"]: hit.explanation["matched_terms"] for hit in hits if hit.explanation}
    assert named == {
        "Wireles keyboard": ["wireles", "keyboard"],
        "Wireless keyboard": ["wireless", "keyboard"],
    }


@pytest.mark.parametrize("text", ["keybord with numeric pad", "the keybord with a numeric pad"])
def test_stop_words_do_not_keep_a_typo_from_being_forgiven(catalogue: None, text: str) -> None:
    (first, *_) = search_products(SearchQuery(text, mode=Mode.KEYWORD, explain=True)).hits
    assert first.fields["name"] == "Keyboard with numeric pad"
    assert first.explanation is not None
    assert first.explanation["matched_terms"] == ["keyboard", "numeric", "pad"]


def test_in_a_sentence_a_word_that_the_catalogue_lacks_is_no_typo(catalogue: None) -> None:
    result = search_products(SearchQuery("keybord numeric pad cordless", mode=Mode.KEYWORD))
    assert "Wireless keyboard" not in [hit.fields["name"] for hit in result.hits]


@pytest.fixture
def cartridges(make_product: MakeProduct) -> None:
    for number in range(50):
        make_product(f"Ink cartridge {number}, a brother of toner")
    make_product("Ink cartrige")
    make_product("Milk frother")
    make_product("Tonor")
    refresh_terms()


@pytest.mark.parametrize("text", ["cartrige", "Cartrige", "ink cartrige"])
def test_a_typo_that_a_product_has_too_finds_those_without_it(cartridges: None, text: str) -> None:
    result = search_products(SearchQuery(text, mode=Mode.KEYWORD, explain=True))
    assert result.total == 51
    assert result.corrected is None
    assert result.hits[0].fields["name"] == "Ink cartrige"
    assert result.hits[1].explanation is not None
    assert result.hits[1].explanation["matched_terms"][-1] == "cartridge"


def test_a_rare_word_is_no_typo_of_a_short_one_nor_of_one_that_begins_otherwise(cartridges: None) -> None:
    assert [search_products(SearchQuery(word, mode=Mode.KEYWORD)).total for word in ("frother", "tonor")] == [
        1,
        1,
    ]


def test_a_word_that_is_not_rare_enough_is_no_typo(cartridges: None, make_product: MakeProduct) -> None:
    make_product("Black cartrige")
    refresh_terms()
    assert search_products(SearchQuery("cartrige", mode=Mode.KEYWORD)).total == 2


def test_a_rare_word_that_the_model_knows_is_no_typo(make_product: MakeProduct) -> None:
    for number in range(50):
        make_product(f"Rice cooker {number}")
    make_product("Cooler")
    refresh_terms()
    encoding.warm_up()
    assert search_products(SearchQuery("cooler", mode=Mode.KEYWORD)).total == 1
