"""Questions that are asked of the catalogue."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.postgres.search import SearchQuery
from django.db import connection, models
from django.db.models import Q

from catalog.attributes import AttributeValues, HasAttributes

if TYPE_CHECKING:
    from catalog.models import Category, Product  # noqa: F401 - named in strings below


# Marks that would become letters of the word before them.
_NO_LETTERS = str.maketrans("™℠", "  ")


def _folded(text: str) -> str:
    """Return the text without accents, as `catalog_fold` in the database does it."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_NO_LETTERS))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _quoted(word: str) -> str:
    """Return the word for use between the quotes of a tsquery."""
    return word.replace("\\", "\\\\").replace("'", "''")


class CategoryQuerySet(models.QuerySet["Category"]):
    """Categories by their place in the tree."""

    def subtree(self, slugs: Iterable[str]) -> CategoryQuerySet:
        """The categories with these slugs and everything below them."""
        paths = self.model._default_manager.filter(slug__in=list(slugs)).values_list("path", flat=True)
        below = Q(pk__in=[])
        for path in paths:
            below |= Q(path=path) | Q(path__startswith=f"{path}/")
        return self.filter(below)


class ProductQuerySet(models.QuerySet["Product"]):
    """Products by what a shop asks of them."""

    def active(self) -> ProductQuerySet:
        """Products that customers may see."""
        return self.filter(is_active=True)

    def count_by_category(self) -> dict[int | None, int]:
        """How many products lie directly in each category: None for those without one.

        Of active products, an index is all that is read (`product_active_values`).
        """
        return dict(self.order_by().values_list("category_id").annotate(number=models.Count("*")))

    def in_categories(self, slugs: Iterable[str]) -> ProductQuerySet:
        """Products in these categories or below them."""
        categories: Any = self.model._meta.get_field("category").related_model
        return self.filter(category__in=categories.objects.subtree(slugs))

    def priced_between(self, lowest: object = None, highest: object = None) -> ProductQuerySet:
        """Products whose price lies in the closed range; a product without a price is in no range."""
        found = self
        if lowest is not None:
            found = found.filter(price__gte=lowest)
        if highest is not None:
            found = found.filter(price__lte=highest)
        return found

    def with_attributes(self, wanted: AttributeValues) -> ProductQuerySet:
        """Products that have one of the wanted values of each attribute."""
        return self.filter(HasAttributes(wanted)) if wanted else self

    def matching(self, text: str) -> ProductQuerySet:
        """Products whose SKU begins with the text, or with all its words in their name or brand.

        A word may be just the beginning of one. The keyword index answers this, whatever the catalogue's size.
        """
        words = " & ".join(f"'{_quoted(word)}':*AB" for word in _folded(text).split())
        if not words:
            return self.all()
        named = SearchQuery(words, config=settings.SEARCH_CONFIG, search_type="raw")
        sku = text.strip()
        return self.filter(Q(search_vector=named) | Q(sku__startswith=sku) | Q(sku__startswith=sku.upper()))

    def update_columns(self, products: Sequence[Product], names: Sequence[str]) -> None:
        """Write these columns (`category_id`, not `category`) of these products and `updated_at`, in one statement.

        `bulk_update` says the same with a CASE for every value, which takes several times as long.
        """
        fields: list[Any] = [self.model._meta.get_field(name) for name in names]
        # Without their length: a cast to varchar(500) would cut a text where an assignment refuses it.
        assignments = [
            f"{f.column} = v.{f.column}::{f.db_type(connection).partition('(')[0]}" for f in fields
        ]
        table = self.model._meta.db_table
        row = f"(%s, {', '.join(['%s'] * len(fields))})"
        values = [
            value
            for product in products
            for value in (
                product.pk,
                *(f.get_db_prep_save(getattr(product, f.attname), connection) for f in fields),
            )
        ]
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET {', '.join(assignments)}, updated_at = now()"
                f" FROM (VALUES {', '.join([row] * len(products))})"
                f" AS v (id, {', '.join(f.column for f in fields)}) WHERE {table}.id = v.id",
                values,
            )


class ProductManager(models.Manager["Product"].from_queryset(ProductQuerySet)):  # type: ignore[misc]
    """Products without the keyword index's columns, which only the database itself reads."""

    def get_queryset(self) -> ProductQuerySet:
        """All products; the two generated columns (kilobytes a row) are fetched only when touched."""
        return super().get_queryset().defer("search_vector", "lexical_weights")
