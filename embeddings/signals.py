"""Signals that ring the bell after the catalogue was written; triggers have noted the work itself."""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from catalog.models import Category, Product
from catalog.signals import products_changed
from embeddings import bell


@receiver(products_changed, dispatch_uid="embeddings_products_changed")
@receiver(post_save, sender=Product, dispatch_uid="embeddings_product_saved")
@receiver(post_save, sender=Category, dispatch_uid="embeddings_category_saved")
@receiver(post_delete, sender=Product, dispatch_uid="embeddings_product_deleted")
def ring(sender: type, raw: bool = False, **kwargs: Any) -> None:
    """Ring after commit."""
    bell.ring_on_commit()
