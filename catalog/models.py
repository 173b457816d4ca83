"""What a product is."""

import math
from decimal import Decimal
from typing import Any

import pgtrigger
from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Max, Q
from django.db.models.functions import Length, Now
from django.urls import reverse
from pgvector.django import SparseVectorField

from catalog.lexical import LEXICAL_DIMENSIONS, LexicalWeights, SearchVector
from catalog.querysets import CategoryQuerySet, ProductManager
from catalog.texts import printable, text_problem

MAX_DESCRIPTION_LENGTH = 20_000
MAX_PATH_LENGTH = 1000
MAX_ATTRIBUTES = 500
MAX_ATTRIBUTE_NAME_LENGTH = 200
MAX_ATTRIBUTE_LENGTH = 10_000

SKU_VALIDATOR = RegexValidator(
    # Neither "." nor "..", which an address takes for a place.
    r"^(?!\.{1,2}$)[^\s/?#%\\\x00-\x1f\x7f](?:[^/?#%\\\x00-\x1f\x7f]*[^\s/?#%\\\x00-\x1f\x7f])?\Z",
    # The message is a %-format.
    "A SKU stands in addresses: use no / ? # %% or backslash, and no space at either end.",
)


def default_currency() -> str:
    """The shop's currency; a function, so that another setting is no new migration."""
    return settings.DEFAULT_CURRENCY


def validate_attributes(value: Any) -> None:
    """Refuse attributes that are not one flat object of names and plain values."""
    if not isinstance(value, dict):
        raise ValidationError('Attributes must be an object such as {"colour": "red", "voltage": 18}.')
    if len(value) > MAX_ATTRIBUTES:
        raise ValidationError(f"A product may have at most {MAX_ATTRIBUTES} attributes.")
    for name, content in value.items():
        if problem := _attribute_problem(name, content):
            raise ValidationError(f"Attribute “{printable(name)}” {problem}.")


def _attribute_problem(name: str, content: Any) -> str | None:
    """Return what is wrong with one attribute; PostgreSQL's jsonb takes less than Python's JSON."""
    if not isinstance(content, str | int | float | bool | None):
        return "must be a text, a number, true, false or null"
    if isinstance(content, float) and not math.isfinite(content):
        return "must be a finite number"
    if not name.strip() or len(name) > MAX_ATTRIBUTE_NAME_LENGTH:
        return f"must have a name of 1 to {MAX_ATTRIBUTE_NAME_LENGTH} characters"
    if isinstance(content, str) and len(content) > MAX_ATTRIBUTE_LENGTH:
        return f"is {len(content):,} characters long; {MAX_ATTRIBUTE_LENGTH:,} is the most"
    return text_problem(name) or (text_problem(content) if isinstance(content, str) else None)


class Category(models.Model):
    """A place in the shop's tree of categories.

    `path` and `full_name` repeat the ancestors' slugs and names, so that a filter on a category finds
    everything below it with one prefix. The database keeps them: no writer can leave them stale.
    """

    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=140, unique=True, allow_unicode=True)
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children"
    )
    path = models.CharField(max_length=MAX_PATH_LENGTH, unique=True, editable=False, db_default="")
    full_name = models.CharField(max_length=MAX_PATH_LENGTH, editable=False, db_default="")

    objects = CategoryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "categories"
        ordering = ["path"]
        indexes = [
            # A prefix search under any collation.
            models.Index(fields=["path"], opclasses=["text_pattern_ops"], name="category_path_prefix"),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="category_name_not_blank"),
            models.CheckConstraint(condition=~Q(slug=""), name="category_slug_not_blank"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="place_in_tree",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert
                | pgtrigger.UpdateOf("name", "slug", "parent_id", "path", "full_name"),
                declare=[("above", "RECORD")],
                func="""
                    IF NEW.parent_id IS NULL THEN
                        NEW.path := NEW.slug;
                        NEW.full_name := NEW.name;
                        RETURN NEW;
                    END IF;
                    SELECT path, full_name INTO above FROM catalog_category WHERE id = NEW.parent_id FOR SHARE;
                    IF TG_OP = 'UPDATE' AND (
                        NEW.parent_id = NEW.id OR above.path = OLD.path OR starts_with(above.path, OLD.path || '/')
                    ) THEN
                        RAISE EXCEPTION 'A category cannot be placed below itself'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'category_not_below_itself';
                    END IF;
                    NEW.path := above.path || '/' || NEW.slug;
                    NEW.full_name := above.full_name || ' > ' || NEW.name;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(
                name="move_children",
                when=pgtrigger.After,
                operation=pgtrigger.UpdateOf("name", "slug", "parent_id", "path", "full_name"),
                condition=pgtrigger.AnyChange("path", "full_name"),
                func="""
                    UPDATE catalog_category SET path = path WHERE parent_id = NEW.id;
                    RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return self.full_name or self.name

    def clean(self) -> None:
        """Refuse a parent that lies below the category itself."""
        above = self.parent
        while above is not None:
            if self.pk is not None and above.pk == self.pk:
                raise ValidationError({"parent": "A category cannot be placed below itself."})
            above = above.parent
        self._refuse_long_paths()

    def _refuse_long_paths(self) -> None:
        """Refuse a place where this category, or one below it, would have a path that is too long to store."""
        stored = Category.objects.filter(pk=self.pk).first()
        for field, own in (("path", self.slug), ("full_name", self.name)):
            separator = "/" if field == "path" else " > "
            length = len(getattr(self.parent, field) + separator if self.parent else "") + len(own)
            if stored:
                below = Category.objects.filter(path__startswith=f"{stored.path}/")
                deepest = below.aggregate(length=Max(Length(field)))["length"]
                length += deepest - len(getattr(stored, field)) if deepest else 0
            if length > MAX_PATH_LENGTH:
                raise ValidationError(
                    "This place is too deep in the tree: the path of names becomes too long."
                )


class Product(models.Model):
    """Something the shop sells.

    The two generated columns are the keyword index. They live in the schema, so that every way of writing a
    product keeps them right.
    """

    sku = models.CharField("SKU", max_length=64, unique=True, validators=[SKU_VALIDATOR])
    name = models.CharField(max_length=500)
    brand = models.CharField(max_length=120, blank=True, default="", db_default="")
    short_description = models.CharField(max_length=500, blank=True, default="", db_default="")
    description = models.TextField(
        blank=True, default="", db_default="", validators=[MaxLengthValidator(MAX_DESCRIPTION_LENGTH)]
    )
    category = models.ForeignKey(
        Category, on_delete=models.PROTECT, null=True, blank=True, related_name="products"
    )
    price = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text="Leave empty where the price is on request.",
    )
    currency = models.CharField(
        max_length=3,
        default=default_currency,
        validators=[RegexValidator(r"^[A-Z]{3}$", "Three capital letters, such as EUR.")],
    )
    attributes = models.JSONField(default=dict, blank=True, validators=[validate_attributes])
    image_url = models.URLField(max_length=1000, blank=True, default="", db_default="")
    is_active = models.BooleanField(
        "active", default=True, db_default=True, help_text="Only active products are found by customers."
    )
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    search_vector = models.GeneratedField(
        expression=SearchVector("name", "brand", "short_description", "description", "attributes"),
        output_field=SearchVectorField(),
        db_persist=True,
    )
    lexical_weights = models.GeneratedField(
        expression=LexicalWeights(
            SearchVector("name", "brand", "short_description", "description", "attributes")
        ),
        output_field=SparseVectorField(dimensions=LEXICAL_DIMENSIONS),
        db_persist=True,
    )

    objects = ProductManager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            GinIndex(fields=["search_vector"], name="product_search_vector", fastupdate=False),
            GinIndex(
                fields=["attributes"],
                opclasses=["jsonb_path_ops"],
                name="product_attributes",
                fastupdate=False,
            ),
            # With the id, so that whoever wants the products of a price or a brand reads the index alone.
            models.Index(fields=["price", "id"], name="product_price_id"),
            models.Index(fields=["brand", "id"], name="product_brand_id"),
            # Categories, and the brands and prices within them, are counted from it alone.
            models.Index(
                fields=["category", "brand", "price", "id"],
                name="product_active_values",
                condition=Q(is_active=True),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(price__isnull=True) | Q(price__gte=0), name="product_price_not_negative"
            ),
            models.CheckConstraint(
                condition=~Q(sku="") & ~Q(sku__regex=r"^\s|\s$"), name="product_sku_not_blank"
            ),
            models.CheckConstraint(condition=~Q(name__regex=r"^\s*$"), name="product_name_not_blank"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Address of the product's page in the storefront."""
        return reverse("product", kwargs={"sku": self.sku})
