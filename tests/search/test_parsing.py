"""Query text taken apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.parsing import MAX_WORDS, parse, split_code


def test_quoted_words_are_a_phrase_and_a_minus_excludes() -> None:
    parsed = parse('drill "tool set" -battery -"spare part" hammer')
    assert parsed.words == ("drill", "hammer")
    assert parsed.phrases == ("tool set",)
    assert parsed.excluded == ("spare part", "battery")
    assert parsed.wanted == "drill hammer tool set"


def test_typographic_quotes_are_quotes() -> None:
    assert parse("“usb hub”").phrases == ("usb hub",)


@pytest.mark.parametrize("text", ['17" monitor', '1/2" drill 3/4" bit', 'monitor 24"'])
def test_an_inch_mark_opens_no_phrase(text: str) -> None:
    assert parse(text).phrases == ()


@pytest.mark.parametrize("text", ["-", "--", '"', "- -", '-"', '""', "drill - hammer"])
def test_a_lone_operator_is_punctuation(text: str) -> None:
    parsed = parse(text)
    assert parsed.phrases == ()
    assert parsed.excluded == ()


@pytest.mark.parametrize("text", ['""', ' "  " ', "“”", '-""', '"" "" ""', "!!!", '"'])
def test_punctuation_is_no_empty_query(text: str) -> None:
    assert parse(text).wanted


@pytest.mark.parametrize("text", ["", "  ", "\n\t"])
def test_what_is_empty_wants_nothing(text: str) -> None:
    parsed = parse(text)
    assert (parsed.wanted, parsed.ends_inside_a_word) == ("", False)


def test_quotes_around_nothing_are_nothing_beside_words() -> None:
    assert parse('drill ""') == parse("drill ")


def test_only_an_unfinished_last_word_may_still_grow() -> None:
    assert parse("usb ca").ends_inside_a_word
    assert not parse("usb ca ").ends_inside_a_word
    assert not parse('usb "ca"').ends_inside_a_word
    assert not parse("").ends_inside_a_word


def test_part_codes_are_parted_where_letters_meet_digits() -> None:
    assert split_code("tn2110") == "tn 2110"
    assert split_code("cat6") == "cat 6"
    assert split_code("laptop") is None
    assert split_code("2110") is None
    assert split_code("a1b2c3d4e5") is None


@given(st.text(max_size=600))
def test_any_text_is_a_query(text: str) -> None:
    parsed = parse(text)
    assert len(parsed.words) <= MAX_WORDS
    assert all(part.strip() for part in (*parsed.words, *parsed.phrases, *parsed.excluded))
