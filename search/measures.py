"""Numbers and what they measure: `10 m` is what `10m` is, and what `10 metres` and `1000 cm` are.

Such a number counts only with its measure. Else a cable of 1.5 m that has a 10 in its model's name would be as good.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal

from search.lexical_query import Lexeme, documents_of

# So many products with a number, and such a share of them, have a word right behind it where that is a measure.
LEAST_DOCUMENTS = 3
LEAST_SHARE = 0.003
# Marks of inches are this word, with a blank before it.
INCH = "inch"
# Behind a number these may be inches too, unless another number follows (2 in 1), or may not: boots 10 in black.
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
# So many of the other unit are one of the first.
_FACTORS = (
    ("m", "cm", 100),
    ("m", "mm", 1000),
    ("cm", "mm", 10),
    ("kg", "g", 1000),
    ("l", "ml", 1000),
    ("kw", "w", 1000),
    ("tb", "gb", 1000),
    ("gb", "mb", 1024),
)
# What is less, or takes more decimals, is said in smaller units.
_LEAST, _DECIMALS = Decimal("0.1"), 2
_SYMBOL_OF = {name: symbol for symbol, names in _NAMES.items() for name in names}
_NUMBER = re.compile(r"\d[\d.,/]*")
_PLAIN_NUMBER = re.compile(r"\d{1,6}(?:[.,]\d{1,2})?")
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
    if not (measure := _MEASURE.fullmatch(word)):
        return []
    number, unit = measure.groups()
    symbol = _symbol(unit)
    if symbol not in _NAMES:
        return []
    others = [way for pair in _in_other_units(number, symbol) for way in ("".join(pair), " ".join(pair))]
    return [number + symbol, *(f"{number} {name}" for name in (symbol, *_NAMES[symbol])), *others]


def _in_other_units(number: str, symbol: str) -> list[tuple[str, str]]:
    """A measure as a number of each other unit in which somebody would say it."""
    if not _PLAIN_NUMBER.fullmatch(number):
        return []
    amount = Decimal(number.replace(",", "."))
    amounts = [(amount * factor, small) for big, small, factor in _FACTORS if symbol == big]
    amounts += [(amount / factor, big) for big, small, factor in _FACTORS if symbol == small]
    return [
        (f"{found.normalize():f}", unit)
        for found, unit in amounts
        if found >= _LEAST and found == round(found, _DECIMALS)
    ]


def _symbol(unit: str) -> str:
    name = unit.lower()
    return _SYMBOL_OF.get(name) or _SYMBOL_OF.get(name.removesuffix("s")) or name


def _is_measure(number: str, word: str, lexemes: Callable[[str], Sequence[Lexeme]]) -> bool:
    if not (_NUMBER.fullmatch(number) and word.isalpha()):
        return False
    symbol = _symbol(word)
    if symbol == INCH or (symbol in _NAMES and len(word) > 1):  # a single letter may be anything
        return True
    alone = lexemes(number)
    together = [lexemes(name) for name in by_all_names(number + word) or [number + word]]
    documents = documents_of([found for found in together if len(found) == 1])
    return bool(alone) and documents >= max(LEAST_DOCUMENTS, LEAST_SHARE * documents_of([alone]))
