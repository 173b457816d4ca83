"""Filters for admin lists whose values are too many to list."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from catalog.models import Category, Product

NO_CATEGORY = "-"


class CategoryFilter(admin.SimpleListFilter):
    """Walks down the tree of categories: shows the way to the chosen one and what lies directly below it."""

    title = "category"
    parameter_name = "category"
    template = "admin/catalog/category_filter.html"

    def __init__(self, request: HttpRequest, params: dict, model: type, model_admin: Any) -> None:
        slug = params.get(self.parameter_name, [None])[-1]
        self.chosen = Category.objects.filter(slug=slug).first() if slug else None
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The categories on the way, the chosen one, and its children."""
        way = self.chosen.path.split("/") if self.chosen else []
        shown = Category.objects.filter(slug__in=way) | Category.objects.filter(parent=self.chosen)
        self.depths = {category.slug: category.path.count("/") for category in shown}
        return [(category.slug, category.name) for category in shown] + [(NO_CATEGORY, "No category")]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Each choice with its depth in the tree, 0 for a root and for what is no category."""
        for choice, (value, _) in zip(
            super().choices(changelist), [("", ""), *self.lookup_choices], strict=True
        ):
            yield {**choice, "depth": self.depths.get(str(value), 0)}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Products in the chosen category or below it."""
        if self.value() is None:
            return queryset
        if self.value() == NO_CATEGORY:
            return queryset.filter(category=None)
        return queryset.filter(category__in=Category.objects.subtree([self.value() or ""]))


class InputFilter(admin.ListFilter):
    """A filter with boxes to type in. Subclasses name the boxes and say what they mean."""

    template = "admin/catalog/input_filter.html"
    boxes: dict[str, tuple[str, forms.Field]]  # parameter -> label, form field

    def __init__(self, request: HttpRequest, params: dict, model: type, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.request = request
        for name in self.boxes:
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def has_output(self) -> bool:
        """Boxes are always there."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """The boxes' names in the address."""
        return list(self.boxes)

    def cleaned(self, name: str) -> Any:
        """Return what was typed as the box's field takes it, None for nothing."""
        try:
            return self.boxes[name][1].clean(self.used_parameters.get(name, "")) or None
        except ValidationError as error:
            raise IncorrectLookupParameters from error

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """One choice: the form, with whatever else is in the address kept."""
        kept = [
            (name, value)
            for name, values in self.request.GET.lists()
            for value in values
            if name not in (*self.boxes, "p", "e")
        ]
        yield {
            "kept": kept,
            "boxes": [
                {
                    "name": name,
                    "label": label,
                    "value": self.used_parameters.get(name, ""),
                    "numeric": isinstance(field, forms.DecimalField),
                }
                for name, (label, field) in self.boxes.items()
            ],
            "used": any(self.used_parameters.values()),
            "without": changelist.get_query_string(remove=list(self.boxes)),
        }


class BrandFilter(InputFilter):
    """Brands that begin with what is typed."""

    title = "brand"
    boxes = {"brand": ("Brand begins with", forms.CharField(required=False, max_length=120))}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Products of such a brand."""
        brand = self.cleaned("brand")
        return queryset.filter(brand__istartswith=brand) if brand else queryset


def _price_field() -> forms.DecimalField:
    return forms.DecimalField(required=False, min_value=Decimal(0), max_digits=12, decimal_places=2)


class PriceFilter(InputFilter):
    """A range of prices, both ends included."""

    title = "price"
    boxes = {"price_min": ("From", _price_field()), "price_max": ("To", _price_field())}

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Product]:
        """Products with a price in the range."""
        return queryset.priced_between(self.cleaned("price_min"), self.cleaned("price_max"))
