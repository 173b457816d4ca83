"""The filters of the product list, through django-filter; search and similar products take the same form."""

from decimal import Decimal
from typing import Any

from django import forms
from django_filters import rest_framework as filters

from catalog.models import Product
from catalog.querysets import ProductQuerySet
from search.api.forms import FilterForm, ManyField, existing_categories, unknown_category
from search.api.parameters import check_names, check_texts, form_errors
from search.exceptions import InvalidQueryError
from search.query import Attributes


class ProductFilter(filters.FilterSet):
    """Products by category (with everything below), brand, price and attributes."""

    category = filters.Filter(field_name="category", method="in_categories")
    brand = filters.Filter(field_name="brand", method="of_brands")
    price_min = filters.Filter(field_name="price", method="from_price")
    price_max = filters.Filter(field_name="price", method="to_price")
    attribute = filters.Filter(field_name="attributes", method="with_attributes")

    class Meta:
        model = Product
        fields: list[str] = []

    def get_form_class(self) -> type[forms.Form]:
        """The form that search validates with, so that a filter means the same everywhere."""
        return FilterForm

    def in_categories(self, queryset: ProductQuerySet, name: str, slugs: tuple[str, ...]) -> ProductQuerySet:
        """Products in any of these categories or below them."""
        return queryset.in_categories(slugs) if slugs else queryset

    def of_brands(self, queryset: ProductQuerySet, name: str, brands: tuple[str, ...]) -> ProductQuerySet:
        """Products of any of these brands."""
        return queryset.filter(brand__in=brands) if brands else queryset

    def from_price(self, queryset: ProductQuerySet, name: str, lowest: Decimal | None) -> ProductQuerySet:
        """Products that cost at least this."""
        return queryset.priced_between(lowest=lowest)

    def to_price(self, queryset: ProductQuerySet, name: str, highest: Decimal | None) -> ProductQuerySet:
        """Products that cost at most this."""
        return queryset.priced_between(highest=highest)

    def with_attributes(self, queryset: ProductQuerySet, name: str, wanted: Attributes) -> ProductQuerySet:
        """Products that have one of the values of each attribute."""
        return queryset.with_attributes(dict(wanted))


class ProductFilterBackend(filters.DjangoFilterBackend):
    """django-filter's backend, which refuses what search would refuse."""

    def filter_queryset(self, request: Any, queryset: Any, view: Any) -> Any:
        """Apply the request's filters. Raises InvalidQueryError."""
        params = request.query_params
        others = view.paginator.parameters
        repeatable = [name for name, field in FilterForm.base_fields.items() if isinstance(field, ManyField)]
        errors = check_names(params, [*FilterForm.base_fields, *others]) | check_texts(params, repeatable)
        if errors:
            raise InvalidQueryError(errors)
        filterset = self.get_filterset(request, queryset, view)
        if not filterset.is_valid():
            raise InvalidQueryError(form_errors(filterset.form))
        slugs = filterset.form.cleaned_data["category"]
        known = existing_categories(slugs)
        if missing := [unknown_category(slug) for slug in slugs if slug not in known]:
            raise InvalidQueryError({"category": missing})
        return filterset.qs
