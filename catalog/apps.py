"""What a product is: categories, products, import."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """The catalogue knows nothing of vectors or queries."""

    name = "catalog"
    verbose_name = "Catalogue"
