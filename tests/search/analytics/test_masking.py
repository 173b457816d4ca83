"""What looks personal is not kept, and what shops sell is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.analytics.masking import EMAIL_MASK, NUMBER_MASK, masked, normalized


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("drill jane.doe+shop@example.co.uk please", "drill [e-mail] please"),
        ("jane@localhost", "[e-mail]"),
        ("ｊａｎｅ＠example.com", "[e-mail]"),
        ("call +49 170 1234567", "call [number]"),
        ("(555) 123-4567", "[number]"),
        ("0170/1234567", "[number]"),
        ("5551234567", "[number]"),
        ("4111 1111 1111 1111", "[number]"),
        ("4111-1111-1111-1111 visa", "[number] visa"),
        ("٠١٢٣٤٥٦٧٨٩", "[number]"),
    ],
)
def test_addresses_and_numbers_of_people_are_masked(text: str, kept: str) -> None:
    assert masked(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "TN-2110",
        "dcd796p2 18v 5.0ah",
        "CX-1234567890",
        "m8x100 12345678",
        "iphone 12 128 256",
        "ISO 9001 2015",
        "1/2 3/4 zoll",
        "bolt @ 10 mm",
        "price 100 - 200",
    ],
)
def test_sizes_and_part_codes_stay(text: str) -> None:
    assert masked(text) == text


@given(st.from_regex(r"[a-z]{1,9}@[a-z]{1,9}\.[a-z]{2,3}", fullmatch=True), st.text(max_size=40))
def test_no_address_gets_through_whatever_stands_around_it(address: str, around: str) -> None:
    assert address not in masked(f"{around} {address} {around}")


@given(st.integers(10**12, 10**18), st.sampled_from(["", " ", "-"]))
def test_no_card_gets_through_however_it_is_spaced(number: int, separator: str) -> None:
    digits = str(number)
    text = separator.join(digits[place : place + 4] for place in range(0, len(digits), 4))
    assert masked(f"buy {text}") == f"buy {NUMBER_MASK}"


def test_a_text_is_grouped_whatever_its_case_and_spaces() -> None:
    assert normalized("  Cordless \t DRILL ") == normalized("cordless drill") == "cordless drill"
    assert masked(EMAIL_MASK) == EMAIL_MASK
