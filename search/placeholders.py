"""What stands in for a product's picture: a colour and a drawing that are always the same for the same product."""

import zlib
from dataclasses import dataclass

TONES = 12  # colours that the style sheet knows
VARIANTS = 4  # backgrounds that the style sheet knows

# Drawings in storefront/_glyphs.html, and the words of a category's address that call for them.
_WORDS = {
    "drill": "drill power",
    "hammer": "hammer tool hardware diy workshop fastener fixing",
    "saw": "saw sander grinder woodwork",
    "roller": "paint decorating",
    "ruler": "measuring",
    "pot": "kitchen cooking cookware bakeware baking pot pan appliance",
    "cutlery": "cutlery knife knives tableware dining food grocer",
    "cup": "coffee tea drink mug",
    "leaf": "garden plant lawn seed",
    "drop": "watering cleaning bath bathroom laundry",
    "tent": "camping tent hiking outdoor",
    "bicycle": "cycling bicycle bike",
    "plug": "electronic electrical charger charging cable battery batteries adapter",
    "headphones": "headphone audio speaker",
    "phone": "phone mobile tablet smart",
    "laptop": "computer computing laptop notebook monitor keyboard",
    "camera": "camera photo",
    "lamp": "light lighting lamp",
    "blocks": "toys toy kids baby building",
    "dice": "game puzzle",
    "shirt": "clothing clothes shirt jacket outerwear workwear knitwear",
    "shoe": "shoe boot footwear",
    "backpack": "bag backpack luggage travel",
    "pencil": "office paper pen stationery writing desk",
    "book": "book",
    "paw": "pet dog cat",
    "dumbbell": "sport fitness yoga",
    "armchair": "furniture home living chair storage",
    "bed": "bed bedding bedroom textile",
    "heart": "health beauty care wellness",
    "note": "music instrument",
    "wheel": "car auto vehicle",
    "shield": "safety protecti security",
    "printer": "print printing printer toner ink",
}
GLYPHS = {word: glyph for glyph, words in _WORDS.items() for word in words.split()}
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
        tone=_digest(department or sku) % TONES,
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
    if glyph := GLYPHS.get(word) or GLYPHS.get(word.removesuffix("s")):
        return glyph
    prefixes = (word[:length] for length in range(len(word) - 1, _PREFIX_LENGTH - 1, -1))
    return next((GLYPHS[prefix] for prefix in prefixes if prefix in GLYPHS), "")


def initials_of(name: str) -> str:
    """Return up to two capitals from the first words of a name, such as `BH` for “Brook & Hale mug”."""
    letters = [word[0] for word in name.split() if word[0].isalnum()]
    return "".join(letters[:2]).upper()


def _digest(text: str) -> int:
    # Python's own hash() differs from process to process.
    return zlib.crc32(text.encode())
