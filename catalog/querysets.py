"""Questions that are asked of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    pass


class CategoryQuerySet(models.QuerySet["Category"]):
    """Categories by their place in the tree."""

    def subtree(self, slugs: Iterable[str]) -> CategoryQuerySet:
        """The categories with these slugs and everything below them."""
        paths = self.model._default_manager.filter(slug__in=list(slugs)).values_list("path", flat=True)
        below = Q(pk__in=[])
        for path in paths:
            below |= Q(path=path) | Q(path__startswith=f"{path}/")
        return self.filter(below)

    def with_product_counts(self) -> CategoryQuerySet:
        """Annotate `product_count`: active products directly in the category (not below it)."""
        return self.annotate(product_count=models.Count("products", filter=Q(products__is_active=True)))


class ProductQuerySet(models.QuerySet["Product"]):
    """Products by what a shop asks of them."""

    def active(self) -> ProductQuerySet:
        """Products that customers may see."""
        return self.filter(is_active=True)

    def in_categories(self, slugs: Iterable[str]) -> ProductQuerySet:
        """Products in these categories or below them."""
        from_tree = self.model._meta.get_field("category").related_model._default_manager
        return self.filter(category__in=from_tree.subtree(slugs))

    def priced_between(self, lowest: object = None, highest: object = None) -> ProductQuerySet:
        """Products whose price lies in the closed range; a product without a price is in no range."""
        found = self
        if lowest is not None:
            found = found.filter(price__gte=lowest)
        if highest is not None:
            found = found.filter(price__lte=highest)
        return found


class ProductManager(models.Manager["Product"].from_queryset(ProductQuerySet)):  # type: ignore[misc]
    """Products without the keyword index's columns, which only the database itself reads."""

    def get_queryset(self) -> ProductQuerySet:
        """All products; the two generated columns (kilobytes a row) are fetched only when touched."""
        return super().get_queryset().defer("search_vector", "lexical_weights")
