"""What stands in for a product's picture."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from search.storefront.placeholders import TONES, VARIANTS, glyph_of, initials_of, placeholder

TEMPLATES = Path(settings.BASE_DIR) / "templates"


def test_the_same_product_always_looks_the_same() -> None:
    first = placeholder("A-1", "Claw hammer", "tools/hand-tools")
    assert first == placeholder("A-1", "Claw hammer", "tools/hand-tools")
    # Known for good, because a colour that changes with every process would flicker.
    assert (first.tone, first.variant, first.glyph, first.initials) == (2, 0, "hammer", "CH")


def test_a_department_shares_one_colour() -> None:
    tones = {placeholder(f"S-{n}", "Thing", f"curiosities/shelf-{n}").tone for n in range(20)}
    assert len(tones) == 1


@pytest.mark.parametrize(
    ("path", "glyph"),
    [
        ("tools/power-tools/drills", "drill"),
        ("tools/hand-tools", "hammer"),
        ("kitchen/coffee-and-tea", "cup"),
        ("kitchen/something-new", "pot"),
        ("home/carpets", "armchair"),  # no wheel, although a carpet begins with a car
        ("curiosities", ""),
        ("", ""),
    ],
)
def test_a_category_calls_for_its_drawing(path: str, glyph: str) -> None:
    assert glyph_of(path) == glyph


@pytest.mark.parametrize(
    ("name", "initials"), [("Brook & Hale mug", "BH"), ("éclair", "É"), ("— …", ""), ("18 V drill", "1V")]
)
def test_initials_are_letters_and_digits(name: str, initials: str) -> None:
    assert initials_of(name) == initials


def test_every_drawing_and_colour_that_may_be_named_exists() -> None:
    drawings = set(re.findall(r'id="glyph-(\w+)"', (TEMPLATES / "storefront/_glyphs.html").read_text()))
    style = (TEMPLATES / "static/storefront/shop.css").read_text()
    words = re.findall(
        r'\("(\w+)", (\d+), "[^"]+"\)', (settings.BASE_DIR / "search/storefront/placeholders.py").read_text()
    )
    assert {glyph for glyph, _ in words} == drawings
    assert all(f".tone-{tone} " in style for tone in range(TONES))
    assert all(int(tone) < TONES for _, tone in words)
    assert all(f".variant-{variant}::before" in style for variant in range(VARIANTS))
