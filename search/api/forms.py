"""The parameters of a request as Django forms: what each may be, and what to say where it is not."""

import math
from collections.abc import Iterable
from typing import Any, Self

from django import forms
from django.core.exceptions import ValidationError

from catalog.models import Category
from search.attributes import unknown_attributes
from search.facets import unknown_names
from search.query import (
    MAX_DEPTH,
    MAX_FILTERED_ATTRIBUTES,
    MAX_PAGE_SIZE,
    MAX_QUERY_LENGTH,
    Attributes,
    Fusion,
    Mode,
    Ordering,
)
from search.suggest import MAX_SUGGESTIONS

MAX_VALUES = 50
MAX_FACETS = 20
MAX_ATTRIBUTE_LENGTH = 500  # of a name and a value
MAX_SIMILAR = 100
DEFAULT_PAGE_SIZE = 20
MAX_PRICE = 9_999_999_999  # what the catalogue's column holds
DEFAULT_SIMILAR = 10
DEFAULT_SUGGESTIONS = 8

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


class LastingField(forms.Field):
    """A field that all forms of a kind have in common.

    Nothing of a request stays in it, and to copy all fields for each takes longer than to read the request with them.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class TextField(LastingField, forms.CharField):
    """A text."""


class NumberField(LastingField, forms.IntegerField):
    """A whole number."""


class FlagField(LastingField):
    """true or false, in the spellings that clients use; absent is false."""

    widget = forms.TextInput

    def to_python(self, value: Any) -> bool:
        """Return the flag. Raises ValidationError for any other word."""
        word = str(value or "").strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE or not word:
            return False
        raise ValidationError("Use true or false.", code="invalid")


class ManyField(LastingField):
    """A text that may be given several times: `brand=Bosch&brand=Makita`."""

    widget = forms.MultipleHiddenInput

    def __init__(
        self, *, max_length: int, max_values: int = MAX_VALUES, split: bool = False, strip: bool = True
    ) -> None:
        super().__init__(required=False)
        self.one = forms.CharField(required=False, max_length=max_length, strip=strip)
        self.max_values = max_values
        self.split = split  # commas part values, too

    def to_python(self, value: Any) -> tuple[str, ...]:
        """Return the distinct texts in the order given, empty ones dropped. Raises ValidationError."""
        given: Iterable[str] = value or ()
        if self.split:
            given = (part for text in given for part in text.split(","))
        texts = tuple(dict.fromkeys(text for one in given if (text := self.one.clean(one))))
        if len(texts) > self.max_values:
            raise ValidationError(f"Give at most {self.max_values} values.", code="too_many")
        return texts


class FacetsField(ManyField):
    """What to count: category, brand, price, or any attribute that some product has."""

    def __init__(self) -> None:
        super().__init__(max_length=100, max_values=MAX_FACETS, split=True)

    def validate(self, value: tuple[str, ...]) -> None:
        """Refuse names that neither stand for a built-in facet nor for an attribute."""
        if odd := [name for name in value if not name.isprintable()]:
            raise ValidationError([f"{name!r} is not the name of a facet." for name in odd], code="malformed")
        if missing := unknown_names(value):
            raise ValidationError(
                [
                    f"There is no facet “{name}”: use category, brand, price, attributes or the name of one."
                    for name in missing
                ],
                code="unknown",
            )


class AttributesField(ManyField):
    """Attributes that products must have: `attribute=colour:red&attribute=colour:blue&attribute=voltage:18 V`."""

    def __init__(self) -> None:
        super().__init__(max_length=MAX_ATTRIBUTE_LENGTH, strip=False)

    def clean(self, value: Any) -> Attributes:
        """Return the values by attribute, in the order of names. Raises ValidationError."""
        wanted: dict[str, list[str]] = {}
        for text in super().clean(value):
            name, content = _parted(text)
            wanted.setdefault(name, []).append(content)
        if len(wanted) > MAX_FILTERED_ATTRIBUTES:
            raise ValidationError(f"Ask for at most {MAX_FILTERED_ATTRIBUTES} attributes.", code="too_many")
        return tuple((name, tuple(values)) for name, values in sorted(wanted.items()))


def _parted(text: str) -> tuple[str, str]:
    """The name and the value of `name:value`; a name may have colons, too. Raises ValidationError."""
    parts = text.split(":")
    ways = [(":".join(parts[:place]), ":".join(parts[place:])) for place in range(1, len(parts))]
    if not any(name and content for name, content in ways):
        raise ValidationError(f"Write “{text}” as a name and a value: colour:red.", code="malformed")
    missing = set(unknown_attributes([name for name, _ in ways]))
    known = [(name, content) for name, content in ways if content and name not in missing]
    if not known:
        raise ValidationError(f"No product has an attribute “{ways[0][0]}”.", code="unknown")
    return known[0]


class PriceField(LastingField, forms.DecimalField):
    """An amount of money in the shop's currency, never negative."""

    def __init__(self) -> None:
        super().__init__(required=False, min_value=0, max_value=MAX_PRICE, max_digits=30)
        self.error_messages["invalid"] = "Enter an amount such as 49.90."


class ShareField(LastingField, forms.FloatField):
    """A number from 0 to 1 (or to `highest`)."""

    def __init__(self, *, highest: float = 1.0) -> None:
        super().__init__(required=False, min_value=0.0, max_value=highest)
        self.error_messages["invalid"] = f"Enter a number from 0 to {highest:g}."

    def to_python(self, value: Any) -> float | None:  # type: ignore[override]
        """Return the number. Raises ValidationError for words, NaN and infinities."""
        number = super().to_python(value)
        if number is not None and not math.isfinite(number):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return number


class WordField(LastingField, forms.ChoiceField):
    """One of a few words; the error names them."""

    def __init__(self, what: str, words: Iterable[str]) -> None:
        known = [str(word) for word in words]
        super().__init__(required=False, choices=[(word, word) for word in known])
        self.error_messages["invalid_choice"] = f"There is no {what} “%(value)s”; use {' or '.join(known)}."


class FilterForm(forms.Form):
    """What every hit must satisfy; shared by search, similar products and the product list."""

    category = ManyField(max_length=140)  # slugs
    brand = ManyField(max_length=120)
    price_min = PriceField()
    price_max = PriceField()
    attribute = AttributesField()

    def __init__(self, *args: Any, known_categories: frozenset[str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._known_categories = known_categories

    def clean_category(self) -> tuple[str, ...]:
        """Refuse slugs that no category has: an answer without the filter would lie.

        Whether they exist is checked here only where the caller says which do: a search looks its categories up
        anyway, and refuses unknown ones then.
        """
        slugs: tuple[str, ...] = self.cleaned_data["category"]
        known = self._known_categories
        if known is not None and (missing := [slug for slug in slugs if slug not in known]):
            raise ValidationError([unknown_category(slug) for slug in missing], code="unknown")
        return slugs

    def clean(self) -> dict[str, Any]:
        """Refuse a price range that no price can lie in."""
        cleaned = super().clean() or self.cleaned_data
        lowest, highest = cleaned.get("price_min"), cleaned.get("price_max")
        if lowest is not None and highest is not None and lowest > highest:
            self.add_error("price_min", f"The lowest price ({lowest}) is above the highest ({highest}).")
        return cleaned


class SearchForm(FilterForm):
    """The parameters of a search."""

    q = TextField(required=False, max_length=MAX_QUERY_LENGTH)
    mode = WordField("mode", Mode)
    fusion = WordField("fusion", Fusion)
    min_score = ShareField()
    facets = FacetsField()
    explain = FlagField(required=False)
    ordering = WordField("ordering", Ordering)
    page = NumberField(required=False, min_value=1)
    page_size = NumberField(required=False, min_value=1, max_value=MAX_PAGE_SIZE)

    def clean(self) -> dict[str, Any]:
        """Refuse pages beyond the depth to which results are ranked."""
        cleaned = super().clean()
        if not self.errors.keys() & {"page", "page_size"}:
            page = cleaned["page"] = cleaned.get("page") or 1
            size = cleaned["page_size"] = cleaned.get("page_size") or DEFAULT_PAGE_SIZE
            if page * size > MAX_DEPTH:
                self.add_error(
                    "page",
                    f"Results can be paged up to number {MAX_DEPTH}: with {size} a page, up to page "
                    f"{MAX_DEPTH // size}. Narrow the search by category, brand or price instead.",
                )
        return cleaned


class SeedForm(FilterForm):
    """The parameters of products like several others."""

    limit = NumberField(required=False, min_value=1, max_value=MAX_SIMILAR)
    min_score = ShareField()
    diversity = ShareField()


class SimilarForm(SeedForm):
    """The parameters of products like one other."""

    same_category = FlagField(required=False)
    price_tolerance = ShareField(highest=100.0)
    explain = FlagField(required=False)


class SuggestForm(forms.Form):
    """The parameters of completions."""

    q = TextField(required=False, max_length=MAX_QUERY_LENGTH, strip=False)
    limit = NumberField(required=False, min_value=1, max_value=MAX_SUGGESTIONS)


def unknown_category(slug: str) -> str:
    """What to say of a slug that no category has."""
    return f"There is no category “{slug}”; use a slug of /api/categories/."


def existing_categories(slugs: Iterable[str]) -> frozenset[str]:
    """Which of these slugs a category has."""
    wanted = list(slugs)
    if not wanted:
        return frozenset()
    return frozenset(Category.objects.filter(slug__in=wanted).values_list("slug", flat=True))
