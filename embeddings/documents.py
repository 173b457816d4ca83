"""The text of a product that the encoder reads. Pure functions of plain values.

Whoever changes what `product_text` returns for the same product raises TEMPLATE_VERSION and adds a migration
that writes it into the models' rows; their triggers then mark every vector as stale. Where the change is one of the
fields' values, as `attribute_text` is, the digests tell which products it touches: a migration that has them checked
again (0007) spares the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TEMPLATE_VERSION = 1

# About four characters a token: longer texts would be cut by the model's window (256 to 512 tokens) anyway,
# and tokenising 20,000 characters to drop most of them costs more than the encoding.
MAX_CHARACTERS = 2_000
# What follows a description's first paragraph tells products apart less than their attributes do.
MAX_DESCRIPTION = 800
# A product with more has a data sheet, which blurs what the product is; docs/relevance.md has the figures.
MAX_ATTRIBUTES = 10
MAX_ATTRIBUTE_LENGTH = 60


@dataclass(frozen=True)
class ProductText:
    """The fields of a product that make its text; the same ones that `embeddings_digest` covers."""

    name: str
    brand: str
    category: str  # full name, "Tools > Power tools > Drills"
    short_description: str
    description: str
    attributes: Mapping[str, Any]


def product_text(product: ProductText) -> str:
    """Return one text with the important fields first, at most MAX_CHARACTERS long."""
    name = _one_line(product.name)
    description = _one_line(product.description[:MAX_DESCRIPTION])
    parts = [
        name,
        "" if product.brand.lower() in name.lower() else _one_line(product.brand),
        _one_line(product.category),
        _one_line(product.short_description),
        "" if description == name else description,
        _one_line(attribute_text(product.attributes)),
    ]
    return ". ".join(part.removesuffix(".") for part in parts if part)[:MAX_CHARACTERS]


def attribute_text(attributes: Mapping[str, Any]) -> str:
    """Return the worded values, "red, 18 V", of a product with at most MAX_ATTRIBUTES attributes.

    Numbers and flags mean nothing to the model. The SQL function `embeddings_attribute_text` takes the same ones, so
    that a number or a flag that changes, such as a stock level, changes no digest. They stand in the order in which
    jsonb stores them: short names first, then by bytes.
    """
    if len(attributes) > MAX_ATTRIBUTES:
        return ""
    names = sorted(attributes, key=lambda name: (len(name.encode()), name.encode()))
    worded = [
        value
        for name in names
        if isinstance(value := attributes[name], str) and 1 <= len(value) <= MAX_ATTRIBUTE_LENGTH
    ]
    return ", ".join(worded)


def _one_line(text: str) -> str:
    return " ".join(text.split())
