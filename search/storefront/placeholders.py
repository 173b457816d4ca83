"""What stands in for a product's picture: a colour and a drawing that are always the same for the same product."""

import zlib
from dataclasses import dataclass

TONES = 13  # colours that the style sheet knows
VARIANTS = 4  # backgrounds that the style sheet knows

# Drawings in storefront/_glyphs.html: each with the colour of a department that it stands for, and the words of a
# category's address that call for it.
_GLYPHS = [
    ("drill", 2, "drill power"),
    ("hammer", 2, "tool hardware diy workshop hammer fastener fixing"),
    ("saw", 2, "saw sander grinder woodwork"),
    ("roller", 2, "paint decorating"),
    ("ruler", 2, "measuring"),
    ("pot", 9, "kitchen cooking cookware bakeware baking pot pan appliance"),
    ("cutlery", 9, "cutlery knife knives utensil tableware dining food grocer"),
    ("cup", 9, "coffee tea drink mug"),
    ("leaf", 10, "garden plant planting lawn hedge seed"),
    ("drop", 6, "bath bathroom shower watering"),
    ("bucket", 6, "cleaning laundry"),
    ("tent", 0, "camping tent hiking outdoor"),
    ("bicycle", 4, "cycling bicycle bike"),
    ("dumbbell", 4, "sport fitness yoga"),
    ("plug", 8, "electronic electrical charger charging cable adapter"),
    ("battery", 8, "battery batteries"),
    ("headphones", 8, "headphone audio speaker"),
    ("phone", 8, "phone mobile tablet smart"),
    ("laptop", 8, "computer computing laptop notebook monitor keyboard"),
    ("camera", 8, "camera photo"),
    ("printer", 8, "print printing printer toner ink"),
    ("lamp", 7, "light lighting lamp"),
    ("blocks", 12, "toys toy building craft"),
    ("dice", 12, "game puzzle"),
    ("bottle", 5, "baby babies nursery kids"),
    ("shirt", 11, "clothing clothes shirt jacket outerwear workwear knitwear"),
    ("shoe", 11, "shoe sock boot footwear"),
    ("backpack", 0, "bag backpack luggage travel"),
    ("pencil", 1, "office paper pen stationery writing desk"),
    ("book", 1, "book"),
    ("paw", 7, "pet dog cat"),
    ("armchair", 3, "furniture home living decoration chair storage"),
    ("bed", 3, "bed bedding bedroom textile"),
    ("heart", 5, "health beauty care wellness"),
    ("note", 11, "music instrument"),
    ("wheel", 1, "car auto vehicle"),
    ("shield", 2, "safety protection security"),
]
_TONES = {glyph: tone for glyph, tone, _ in _GLYPHS}
_GLYPH_OF_WORD = {word: glyph for glyph, _, words in _GLYPHS for word in words.split()}
# Short words count only when they stand alone, or “car” would put a wheel on carpets.
_PREFIX_LENGTH = 5


@dataclass(frozen=True)
class Placeholder:
    """A picture made of a tone and a background, with a glyph or, where no glyph fits, initials."""

    tone: int  # 0..TONES - 1
    variant: int  # 0..VARIANTS - 1
    glyph: str  # "" where none fits
    initials: str


def placeholder(sku: str, name: str, category_path: str = "") -> Placeholder:
    """Return the stand-in for a product's picture; one department of the shop shares one colour."""
    department = category_path.partition("/")[0]
    return Placeholder(
        tone=_TONES.get(glyph_of(department), _digest(department or sku) % TONES),
        variant=_digest(sku) % VARIANTS,
        glyph=glyph_of(category_path),
        initials=initials_of(name),
    )


def glyph_of(category_path: str) -> str:
    """Name the drawing for a category such as `tools/power-tools/drills`, the deepest level first; "" if none."""
    for slug in reversed(category_path.lower().split("/")):
        # The last word of a name says what a thing is: coffee machines are machines, work lights are lights.
        for word in reversed(slug.split("-")):
            if glyph := _glyph_of_word(word):
                return glyph
    return ""


def _glyph_of_word(word: str) -> str:
    if glyph := _GLYPH_OF_WORD.get(word) or _GLYPH_OF_WORD.get(word.removesuffix("s")):
        return glyph
    prefixes = (word[:length] for length in range(len(word) - 1, _PREFIX_LENGTH - 1, -1))
    return next((_GLYPH_OF_WORD[prefix] for prefix in prefixes if prefix in _GLYPH_OF_WORD), "")


def initials_of(name: str) -> str:
    """Return up to two capitals from the first words of a name, such as `BH` for “Brook & Hale mug”."""
    letters = [word[0] for word in name.split() if word[0].isalnum()]
    return "".join(letters[:2]).upper()


def _digest(text: str) -> int:
    # Python's own hash() differs from process to process.
    return zlib.crc32(text.encode())
