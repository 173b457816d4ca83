"""Numbers and what they measure: `10 m` is what `10m` is, and what `10 metres` are.

Such a number counts only with its measure. Else a cable of 1.5 m that has a 10 in its model's name would be as good.
"""

import re
from collections.abc import Callable, Sequence

from search.lexical_query import Lexeme, documents_of

# So many products with a number, and such a share of them, have a word right behind it where that is a measure.
LEAST_DOCUMENTS = 3
LEAST_SHARE = 0.003
# Marks of inches are this word, with a blank before it.
INCH = "inch"
# Behind a number these are inches too, unless another number follows: 2 in 1.
_INCHES = "in"
# What catalogues abbreviate, and what people who do not may call it; with an s or without.
_NAMES = {
    "m": ("meter", "metre"),
    "cm": ("centimeter", "centimetre"),
    "mm": ("millimeter", "millimetre"),
    "km": ("kilometer", "kilometre"),
    "ft": ("foot", "feet"),
    "kg": ("kilogram", "kilo"),
    "g": ("gram",),
    "lb": ("pound", "lbs"),
    "l": ("liter", "litre"),
    "ml": ("milliliter", "millilitre"),
    "v": ("volt",),
    "w": ("watt",),
    "kw": ("kilowatt",),
    "a": ("amp", "ampere"),
    "hz": ("hertz",),
    "mb": ("megabyte",),
    "gb": ("gigabyte", "gig"),
    "tb": ("terabyte",),
}
_SYMBOL_OF = {name: symbol for symbol, names in _NAMES.items() for name in names}
_NUMBER = re.compile(r"\d[\d.,/]*")
_MEASURE = re.compile(rf"({_NUMBER.pattern}) ?([^\W\d_]+)")


def in_one_word(words: Sequence[str], lexemes: Callable[[str], Sequence[Lexeme]]) -> tuple[str, ...]:
    """Words of a query, each number and its measure as one with a blank in it, as far as the catalogue has them so.

    `lexemes` are those of a piece of text in the index: it is asked for each word, and for two that stand side by side.
    """
    found: list[str] = []
    for word, after in zip(words, (*words[1:], ""), strict=False):
        measure = INCH if word.lower() == _INCHES and not after[:1].isdigit() else word
        if found and _is_measure(found[-1], measure, lexemes):
            found[-1] += f" {measure}"
        else:
            found.append(word)
    return tuple(found)


def is_measure(word: str) -> bool:
    """Whether a word is a number and what may be a unit, with a blank between them or none."""
    return _MEASURE.fullmatch(word) is not None


def by_all_names(word: str) -> list[str]:
    """A measure by all names of its unit: `10m`, `10 m`, `10 meter`, `10 metre`; of any other word none."""
    if not (measure := _MEASURE.fullmatch(word)):
        return []
    number, unit = measure.groups()
    symbol = _symbol(unit)
    if symbol not in _NAMES:
        return []
    return [number + symbol, *(f"{number} {name}" for name in (symbol, *_NAMES[symbol]))]


def _symbol(unit: str) -> str:
    name = unit.lower()
    return _SYMBOL_OF.get(name) or _SYMBOL_OF.get(name.removesuffix("s")) or name


def _is_measure(number: str, word: str, lexemes: Callable[[str], Sequence[Lexeme]]) -> bool:
    if not (_NUMBER.fullmatch(number) and word.isalpha()):
        return False
    if word.lower() == INCH or _symbol(word) != word.lower():
        return True
    alone, together = lexemes(number), lexemes(number + word)
    if not alone or len(together) != 1:
        return False
    return documents_of([together]) >= max(LEAST_DOCUMENTS, LEAST_SHARE * documents_of([alone]))
