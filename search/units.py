"""What units are called, in the languages of shops, and how many of one are another one."""

from collections.abc import Mapping
from functools import lru_cache

# Marks of inches are this word, with a blank before it.
INCH = "inch"

# What most languages call alike.
_ALIKE = {
    "v": ("volt",),
    "w": ("watt",),
    "kw": ("kilowatt",),
    "a": ("ampere",),
    "hz": ("hertz",),
    "mb": ("megabyte",),
    "gb": ("gigabyte",),
    "tb": ("terabyte",),
}
# What catalogues abbreviate, and what people who do not may call it: without accents, and in the plural where that is
# more than an s. Names that are other words too (livres, libras) are none.
_NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "english": {
        **_ALIKE,
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
        "a": ("amp", "ampere"),
        "gb": ("gigabyte", "gig"),
    },
    "german": {
        **_ALIKE,
        "m": ("meter",),
        "cm": ("zentimeter",),
        "mm": ("millimeter",),
        "km": ("kilometer",),
        INCH: ("zoll",),
        "kg": ("kilogramm", "kilo"),
        "g": ("gramm",),
        "l": ("liter",),
        "ml": ("milliliter",),
    },
    "french": {
        **_ALIKE,
        "m": ("metre",),
        "cm": ("centimetre",),
        "mm": ("millimetre",),
        "km": ("kilometre",),
        INCH: ("pouce",),
        "kg": ("kilogramme", "kilo"),
        "g": ("gramme",),
        "l": ("litre",),
        "ml": ("millilitre",),
        "mb": ("mo", "megaoctet"),
        "gb": ("go", "gigaoctet"),
        "tb": ("to", "teraoctet"),
    },
    "spanish": {
        **_ALIKE,
        "m": ("metro",),
        "cm": ("centimetro",),
        "mm": ("milimetro",),
        "km": ("kilometro",),
        INCH: ("pulgada",),
        "kg": ("kilogramo", "kilo"),
        "g": ("gramo",),
        "l": ("litro",),
        "ml": ("mililitro",),
        "v": ("voltio",),
        "w": ("vatio",),
        "kw": ("kilovatio",),
        "a": ("amperio",),
        "hz": ("hercio",),
    },
    "italian": {
        **_ALIKE,
        "m": ("metro", "metri"),
        "cm": ("centimetro", "centimetri"),
        "mm": ("millimetro", "millimetri"),
        "km": ("chilometro", "chilometri"),
        INCH: ("pollice", "pollici"),
        "kg": ("chilogrammo", "chilogrammi", "chilo", "chili"),
        "g": ("grammo", "grammi"),
        "l": ("litro", "litri"),
        "ml": ("millilitro", "millilitri"),
        "gb": ("gigabyte", "giga"),
        "tb": ("terabyte", "tera"),
    },
    "dutch": {
        **_ALIKE,
        "m": ("meter",),
        "cm": ("centimeter",),
        "mm": ("millimeter",),
        "km": ("kilometer",),
        INCH: ("duim",),
        "kg": ("kilogram", "kilo"),
        "g": ("gram",),
        "l": ("liter",),
        "ml": ("milliliter",),
    },
}

# So many of the other unit are one of the first.
FACTORS = (
    ("m", "cm", 100),
    ("m", "mm", 1000),
    ("cm", "mm", 10),
    ("kg", "g", 1000),
    ("l", "ml", 1000),
    ("kw", "w", 1000),
    ("tb", "gb", 1000),
    ("gb", "mb", 1024),
)


def names_in(config: str) -> Mapping[str, tuple[str, ...]]:
    """The names of units by their symbols, for a text search configuration: those of the language it is called after.

    A shop's own configuration is best called so too, as `german_shop`; what has no language here has English names.
    """
    return next(
        (names for language, names in _NAMES.items() if config.startswith(language)), _NAMES["english"]
    )


@lru_cache(maxsize=8)
def symbols_in(config: str) -> Mapping[str, str]:
    """The symbols of units by their names; see `names_in`."""
    return {name: symbol for symbol, names in names_in(config).items() for name in names}
