"""Numbers and what they measure: `10 m` is what `10m` is, and what `10 metres` and `1000 cm` are.

Such a number counts only with its measure. Else a cable of 1.5 m that has a 10 in its model's name would be as good.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from decimal import Decimal

from django.conf import settings

from search.lexical_query import Lexeme, documents_of
from search.units import FACTORS, INCH, names_in, symbols_in

# So many products with a number, and such a share of them, have a word right behind it where that is a measure.
LEAST_DOCUMENTS = 3
LEAST_SHARE = 0.003
# Behind a number these may be inches too, unless another number follows (2 in 1), or may not: boots 10 in black.
_INCHES = "in"
# What is less, or takes more decimals, is said in smaller units.
_LEAST, _DECIMALS = Decimal("0.1"), 2
_NUMBER = re.compile(r"\d[\d.,/]*")
_PLAIN_NUMBER = re.compile(r"\d{1,6}(?:[.,]\d{1,2})?")
_INCH_MARKS = re.compile(r"(?<=\d)(?:\"|″|'')$")
_MEASURE = re.compile(rf"({_NUMBER.pattern}) ?([^\W\d_]+)")


def in_one_word(words: Sequence[str], lexemes: Callable[[str], Sequence[Lexeme]]) -> tuple[str, ...]:
    """Words of a query, each number and its measure as one with a blank in it, as far as the catalogue has them so.

    `lexemes` are those of a piece of text in the index: it is asked for each word, and for two that stand side by side.
    """
    found: list[str] = []
    for word, after in zip(words, (*words[1:], ""), strict=False):
        measure = INCH if word.lower() == _INCHES and not after[:1].isdigit() else word
        if found and _is_measure(found[-1], measure, lexemes):
            found[-1] += f" {word}"
        else:
            found.append(word)
    return tuple(found)


def may_be_alone(word: str) -> bool:
    """Whether the number of a measure may be meant by itself, for what follows is a word of its own."""
    return word.lower().endswith(f" {_INCHES}")


def is_measure(word: str) -> bool:
    """Whether a word is a number and what may be a unit, with a blank between them or none."""
    return _MEASURE.fullmatch(word) is not None


def by_all_names(word: str) -> list[str]:
    """A measure by all names of its unit, and in others; of any other word none.

    Of `50cm`: `50cm`, `50 cm`, `50 centimeter`, `50 centimetre`, `0.5m`, `0.5 m`, `500mm` and `500 mm`.
    """
    if not (measure := _MEASURE.fullmatch(_INCH_MARKS.sub(f" {INCH}", word))):
        return []
    number, unit = measure.groups()
    symbol, names = _symbol(unit), names_in(settings.SEARCH_CONFIG)
    if symbol not in names:
        return []
    others = [way for pair in _in_other_units(number, symbol) for way in ("".join(pair), " ".join(pair))]
    return [number + symbol, *(f"{number} {name}" for name in (symbol, *names[symbol])), *others]


def _in_other_units(number: str, symbol: str) -> list[tuple[str, str]]:
    """A measure as a number of each other unit in which somebody would say it."""
    if not _PLAIN_NUMBER.fullmatch(number):
        return []
    amount = Decimal(number.replace(",", "."))
    amounts = [(amount * factor, small) for big, small, factor in FACTORS if symbol == big]
    amounts += [(amount / factor, big) for big, small, factor in FACTORS if symbol == small]
    return [
        (f"{found.normalize():f}", unit)
        for found, unit in amounts
        if found >= _LEAST and found == round(found, _DECIMALS)
    ]


def _symbol(unit: str) -> str:
    name, symbols = _folded(unit), symbols_in(settings.SEARCH_CONFIG)
    return symbols.get(name) or symbols.get(name.removesuffix("s")) or name


def _folded(unit: str) -> str:
    """In lower case and without accents, as the index has it."""
    return re.sub(r"[\u0300-\u036f]", "", unicodedata.normalize("NFKD", unit)).lower()


def _is_measure(number: str, word: str, lexemes: Callable[[str], Sequence[Lexeme]]) -> bool:
    if not (_NUMBER.fullmatch(number) and word.isalpha()):
        return False
    symbol = _symbol(word)
    # A single letter may be anything.
    if symbol == INCH or (len(word) > 1 and symbol in names_in(settings.SEARCH_CONFIG)):
        return True
    alone = lexemes(number)
    together = [lexemes(name) for name in by_all_names(number + word) or [number + word]]
    documents = documents_of([found for found in together if len(found) == 1])
    return bool(alone) and documents >= max(LEAST_DOCUMENTS, LEAST_SHARE * documents_of([alone]))
