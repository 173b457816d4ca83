"""The text of a product that the encoder reads. Pure functions of plain values.

Whoever changes what `product_text` returns for the same product raises TEMPLATE_VERSION and adds a migration
that writes it into the models' rows; their triggers then mark every vector as stale.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TEMPLATE_VERSION = 1

# About four characters a token: longer texts would be cut by the model's window (256 to 512 tokens) anyway,
# and tokenising 20,000 characters to drop most of them costs more than the encoding.
MAX_CHARACTERS = 2_000
MAX_ATTRIBUTES = 12
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
    parts = [
        product.name,
        product.brand,
        product.category,
        product.short_description,
        product.description,
        attribute_text(product.attributes),
    ]
    sentences = [" ".join(part.split()) for part in parts if part and part.strip()]
    return ". ".join(sentence.removesuffix(".") for sentence in sentences)[:MAX_CHARACTERS]


def attribute_text(attributes: Mapping[str, Any]) -> str:
    """Return "colour: red, voltage: 18 V": worded attributes only, for bare numbers and flags mean nothing alone."""
    worded = [
        f"{name}: {value}"
        for name, value in attributes.items()
        if isinstance(value, str) and len(value) <= MAX_ATTRIBUTE_LENGTH and any(map(str.isalpha, value))
    ]
    return ", ".join(worded[:MAX_ATTRIBUTES])
