"""From product ids to what a hit shows, in one query."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from django.urls import reverse

from search.statements import fetch, id_array
from search.trace import stage

# As SQL: building this query through the ORM takes longer than PostgreSQL takes to answer it.
_SQL = """
SELECT p.id, p.sku, p.name, p.brand, p.short_description, p.price, p.currency, p.image_url, c.slug, c.name, c.path
FROM catalog_product AS p LEFT JOIN catalog_category AS c ON c.id = p.category_id
WHERE p.id = ANY(%s::bigint[])
"""
# Django quotes the arguments of an address with these left as they are.
_SAFE_IN_PATH = "/~:@!$&'()*+,;="
_PLACEHOLDER = "SKU"


@stage("hydrate")
def hydrate(product_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The public fields of products by id; a product that is gone by now is left out."""
    if not product_ids:
        return {}
    return {row[0]: _fields(row) for row in fetch(_SQL, (id_array(product_ids),), is_prepared=True)}


def _fields(row: tuple[Any, ...]) -> dict[str, Any]:
    _, sku, name, brand, short_description, price, currency, image_url, slug, category, path = row
    return {
        "sku": sku,
        "name": name,
        "brand": brand,
        "short_description": short_description,
        "category": None if slug is None else {"slug": slug, "name": category, "path": path},
        "price": None if price is None else str(price),
        "currency": currency,
        "image_url": image_url,
        "url": product_url(sku),
    }


def product_url(sku: str) -> str:
    """Address of a product's page; what `reverse()` returns, without walking the URL patterns for every hit."""
    before, after = _url_pattern()
    return f"{before}{quote(sku, safe=_SAFE_IN_PATH)}{after}"


@lru_cache(maxsize=1)
def _url_pattern() -> tuple[str, str]:
    before, after = reverse("product", kwargs={"sku": _PLACEHOLDER}).rsplit(_PLACEHOLDER, 1)
    return before, after
