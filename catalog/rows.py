"""What a row of a file means: plain values in, values of a product's fields out, or the reasons why not."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from catalog.exceptions import RowError
from catalog.models import MAX_DESCRIPTION_LENGTH, SKU_VALIDATOR, Category, Product, validate_attributes
from catalog.texts import printable, text_problem

# What a row may say of a product; anything else in it is ignored.
FIELDS = (
    "sku",
    "name",
    "brand",
    "short_description",
    "description",
    "category",
    "price",
    "currency",
    "attributes",
    "image_url",
    "is_active",
)
MAX_CATEGORY_DEPTH = 10

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_TRUE = {"true", "t", "yes", "y", "1", "on", "active"}
_FALSE = {"false", "f", "no", "n", "0", "off", "inactive"}
_MAX_PRICE = Decimal(10) ** 10
_valid_url = URLValidator(schemes=["http", "https"])


@dataclass(frozen=True, slots=True)
class CleanRow:
    """A row that can become a product.

    `values` holds the fields that the row speaks of, `sku` apart, each as the model stores it; `category` is
    still a tuple of names from the root, empty for none.
    """

    sku: str
    values: dict[str, Any]


def clean_row(row: Mapping[str, Any]) -> CleanRow:
    """Return what the row says of a product. Raises RowError with every field that is wrong."""
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for field, clean in _CLEANERS.items():
        if field not in row and field != "sku":
            continue
        try:
            values[field] = clean(row.get(field))
        except ValueError as error:
            errors[field] = str(error)
    # An empty cell has no currency and no activity to give.
    for field in ("currency", "is_active"):
        if values.get(field, "") is None:
            del values[field]
    if errors:
        raise RowError(errors)
    return CleanRow(values.pop("sku"), values)


def ignored_text(names: Iterable[str]) -> str:
    """Say which names of a file are no field of a product; empty where there are none."""
    shown = sorted(printable(name, 40) for name in names)
    if not shown:
        return ""
    more = f" and {len(shown) - 20} more" if len(shown) > 20 else ""
    return f"Ignored, for a product has no such field: {', '.join(shown[:20])}{more}."


def raw_sku(row: Any) -> str:
    """Return what the row has for a SKU, good or bad, to name the row by in a report."""
    value = row.get("sku") if isinstance(row, Mapping) else None
    return printable(str(value), 64) if isinstance(value, str | int) else ""


def _length(field: str) -> int:
    column: Any = Product._meta.get_field(field)
    return column.max_length or MAX_DESCRIPTION_LENGTH


def _text(value: Any, longest: int) -> str:
    """Return the value as a trimmed text; None is an empty one."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError(f"must be a text, not {_kind(value)}")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("must be a text, not NaN or Infinity")
        # Spreadsheets keep 4711 as 4711.0.
        value = int(value) if value.is_integer() else value
    text = str(value).strip()
    if problem := text_problem(text):
        raise ValueError(problem)
    if len(text) > longest:
        raise ValueError(f"is {len(text):,} characters long; {longest:,} is the most")
    return text


def _kind(value: Any) -> str:
    kinds = {bool: "true or false", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a value of another kind")


def _line(field: str) -> Callable[[Any], str]:
    """A cleaner for a field of one line, in which runs of white space count as one space."""
    return lambda value: " ".join(_text(value, _length(field)).split())


def _sku(value: Any) -> str:
    sku = _text(value, _length("sku"))
    if not sku:
        raise ValueError("is missing")
    try:
        SKU_VALIDATOR(sku)
    except ValidationError as error:
        raise ValueError(f"“{printable(sku)}” cannot be used: {error.messages[0]}") from error
    return sku


def _name(value: Any) -> str:
    name = _line("name")(value)
    if not name:
        raise ValueError("is empty")
    return name


def _price(value: Any) -> Decimal | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError(f"must be a number, not {_kind(value)}")
    text = str(value).strip()
    if text.lstrip("+-").lower() in {"nan", "snan", "inf", "infinity"}:
        raise ValueError(f"{text} is not a finite number")
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"“{printable(text, 40)}” is not a number such as 1299.95")
    price = Decimal(text)
    if price < 0:
        raise ValueError(f"{printable(text, 40)} is negative")
    if price >= _MAX_PRICE:
        raise ValueError(f"{printable(text, 40)} is too large")
    if price != round(price, 2):
        raise ValueError(f"{printable(text, 40)} has more than two decimals")
    return abs(round(price, 2))  # abs: minus zero is zero


def _currency(value: Any) -> str | None:
    currency = _text(value, 1000).upper()
    if currency and not re.fullmatch(r"[A-Z]{3}", currency):
        raise ValueError(f"“{printable(currency, 20)}” is not three letters such as EUR")
    return currency or None


def _attributes(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else None
        except (ValueError, RecursionError) as error:
            raise ValueError('are not valid JSON such as {"colour": "red"}') from error
    attributes = {} if value is None else value
    try:
        validate_attributes(attributes)
    except ValidationError as error:
        raise ValueError(f"are not usable: {error.messages[0]}") from error
    return attributes


def _image_url(value: Any) -> str:
    url = _text(value, _length("image_url"))
    try:
        if url:
            _valid_url(url)
    except ValidationError as error:
        raise ValueError(f"“{printable(url)}” is not an address such as https://example.com/a.jpg") from error
    return url


def _is_active(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    text = _text(value, 1000).lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text:
        raise ValueError(f"“{printable(text, 20)}” is neither true nor false")
    return None


def _category(value: Any) -> tuple[str, ...]:
    """Return the names from the root.

    A list is taken as it is. A text is split at `>`, or, where it has none, at `/`.
    """
    if isinstance(value, list):
        parts = value
    else:
        text = _text(value, 10_000)
        parts = text.split(">" if ">" in text else "/") if text else []
    longest = Category._meta.get_field("name").max_length or 0
    names = tuple(" ".join(_text(part, longest).split()) for part in parts)
    if not isinstance(value, list):
        names = tuple(name for name in names if name)  # "/tools/drills/" has empty ends
    if not all(names):
        raise ValueError("has an empty name in its path")
    if len(names) > MAX_CATEGORY_DEPTH:
        raise ValueError(f"is {len(names)} levels deep; {MAX_CATEGORY_DEPTH} is the most")
    return names


_CLEANERS: dict[str, Callable[[Any], Any]] = {
    "sku": _sku,
    "name": _name,
    "brand": _line("brand"),
    "short_description": _line("short_description"),
    "description": lambda value: _text(value, _length("description")),
    "category": _category,
    "price": _price,
    "currency": _currency,
    "attributes": _attributes,
    "image_url": _image_url,
    "is_active": _is_active,
}
