"""Texts without what looks personal. Pure functions."""

import re
import unicodedata
from collections.abc import Iterable

_EMAIL = re.compile(r"[^\s@<>\"',;()]+@[^\s@<>\"',;()]+")
# Digits that at most two separators part, not inside a word: `CX-1234567890` and `4x100` are part codes and sizes.
_NUMBER = re.compile(r"(?<!\w)(?<!\w-)[+(]{0,2}\d(?:[ \-./()]{0,2}\d){5,}(?!\w)")
# Shorter numbers are sizes and part codes, except in the spelling of telephone numbers.
LONG, LONG_AS_TELEPHONE = 9, 6

EMAIL_MASK, NUMBER_MASK = "[e-mail]", "[number]"


def masked(text: str) -> str:
    """The text with e-mail addresses, and numbers as long as those of telephones and cards, left out.

    >>> masked("drill jane@example.com +49 170 1234567")
    'drill [e-mail] [number]'
    """
    return _NUMBER.sub(_mask_number, _EMAIL.sub(EMAIL_MASK, unicodedata.normalize("NFKC", text)))


def normalized(text: str) -> str:
    """The text as reports group it: upper and lower case, and spaces, make no difference."""
    return " ".join(text.lower().split())


def visible(words: Iterable[str], text: str) -> list[str]:
    """Those of some words that a masked text still shows, as reports group them; a part of what is masked is not.

    >>> visible(["Drill", "170", "1234567"], "drill [number]")
    ['drill']
    """
    shown = f" {normalized(text)} "
    grouped = (normalized(unicodedata.normalize("NFKC", word)) for word in words)
    return list(dict.fromkeys(word for word in grouped if f" {word} " in shown))


def _mask_number(match: re.Match[str]) -> str:
    digits = sum(letter.isdecimal() for letter in match[0])
    least = LONG_AS_TELEPHONE if match[0][0] in "+(0" else LONG
    return NUMBER_MASK if digits >= least else match[0]
