"""The catalogue in the admin."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from import_export.admin import ImportExportModelAdmin
from import_export.forms import ImportForm

from catalog.admin_filters import BrandFilter, CategoryFilter, PriceFilter
from catalog.models import Category, Product, validate_attributes
from catalog.paginator import EstimatingPaginator
from catalog.resources import CSV, MAX_ROWS, XLSX, ProductResource
from catalog.rows import FIELDS

MAX_IMPORT_BYTES = 20 * 1024 * 1024
TIMES = "Times"


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):
    """The tree, as a list in its own order."""

    list_display = ("full_name", "slug", "product_count")
    search_fields = ("full_name", "slug")
    autocomplete_fields = ("parent",)
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("path",)
    list_select_related = ("parent",)
    show_full_result_count = False
    ordering = ("path",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Category]:
        """Categories with the number of products directly in each."""
        inside = Product.objects.filter(category=OuterRef("pk")).order_by().values("category")
        number = inside.annotate(number=Count("*")).values("number")
        return super().get_queryset(request).annotate(product_number=Coalesce(Subquery(number), 0))

    def get_readonly_fields(self, request: HttpRequest, obj: Category | None = None) -> Any:
        """A category that is only being added has no path yet."""
        return super().get_readonly_fields(request, obj) if obj is not None else ()

    @admin.display(description="products")
    def product_count(self, category: Any) -> str:
        """The number of products directly in the category, leading to them."""
        address = reverse("admin:catalog_product_changelist", query={"category": category.slug})
        return format_html('<a href="{}">{}</a>', address, f"{category.product_number:,}")

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Say what keeps a category from being deleted, instead of listing every product in it."""
        categories = [category.pk for category in objs]
        products = Product.objects.filter(category__in=categories).count()
        children = Category.objects.filter(parent__in=categories).count()
        protected = []
        if products:
            protected.append(
                f"{products:,} product{'s' * (products != 1)}: move them to another category first"
            )
        if children:
            protected.append(
                f"{children:,} categor{'ies' if children != 1 else 'y'} below it: move or delete them first"
            )
        return ([], {}, set(), protected) if protected else super().get_deleted_objects(objs, request)


class AttributesField(forms.JSONField):
    """JSON with one attribute a line; an empty box and `null` are no attributes."""

    def to_python(self, value: Any) -> Any:
        """Return the attributes. Raises ValidationError for what is no object of plain values."""
        attributes = super().to_python(value.strip() if isinstance(value, str) else value)
        if attributes is None:
            return {}
        # Here, because the model's validators are not asked about what is empty, such as [].
        validate_attributes(attributes)
        return attributes

    def prepare_value(self, value: Any) -> str:
        """Return the text to edit; what was typed wrong comes back as it was typed."""
        if isinstance(value, forms.fields.InvalidJSONInput):
            return str(value)
        return json.dumps(value, ensure_ascii=False, indent=2)


class SeenField(forms.CharField):
    """When the product that the page shows was last changed; nothing of the product itself."""

    # A browser that loads the page again must not fill in what stood there before.
    widget = forms.HiddenInput(attrs={"autocomplete": "off"})

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Never: no history shall speak of it."""
        return False


class ProductForm(forms.ModelForm):
    """A product, with attributes that people can read."""

    image_url = forms.URLField(
        label="Picture's address", max_length=1000, required=False, assume_scheme="https"
    )
    seen = SeenField(required=False)

    class Meta:
        model = Product
        fields = FIELDS
        field_classes = {"attributes": AttributesField}
        help_texts = {
            "attributes": 'One object of names and plain values, such as {"colour": "red", "voltage": 18}.'
        }
        error_messages = {
            "sku": {"unique": "Another product has this SKU."},
            "price": {"min_value": "A price cannot be negative."},
            "attributes": {
                "invalid": 'This is not valid JSON. Write it like {"colour": "red", "voltage": 18}.'
            },
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["seen"] = self.instance.updated_at.isoformat()

    def clean(self) -> None:
        """Refuse to write over what somebody else has saved since the page was opened."""
        super().clean()
        seen = self.cleaned_data.get("seen")
        if self.instance.pk and seen and seen != self._stored_time():
            raise forms.ValidationError(
                "This product has been changed since you opened this page, so nothing was saved. Open it again in "
                "another tab to see it as it is now, and repeat there what you changed here."
            )

    def _stored_time(self) -> str | None:
        """When the product was last changed; nobody changes it from here on until this one is saved."""
        row = Product.objects.filter(pk=self.instance.pk).select_for_update(no_key=True)
        stored = row.values_list("updated_at", flat=True).first()
        return stored.isoformat() if stored else None


class ProductImportForm(ImportForm):
    """Refuses a file that is too large for a page."""

    def clean_import_file(self) -> Any:
        """Return the file. Raises ValidationError if it is too large."""
        file = self.cleaned_data["import_file"]
        if file.size > MAX_IMPORT_BYTES:
            raise forms.ValidationError(
                "The file is larger than 20 MB. Use `python manage.py import_products` for it."
            )
        return file


@admin.register(Product)
class ProductAdmin(ImportExportModelAdmin):
    """Products: found, filtered, edited, imported and exported, however many they are."""

    form = ProductForm
    list_display: tuple[Any, ...] = (
        "sku",
        "name",
        "brand",
        "shown_category",
        "shown_price",
        "is_active",
        "updated_at",
    )
    list_display_links = ("sku", "name")
    list_filter: tuple[Any, ...] = (CategoryFilter, BrandFilter, "is_active", PriceFilter)
    list_select_related = ("category",)
    list_per_page = 50
    list_max_show_all = 200
    # Columns with an index; sorting a million rows by another would take seconds.
    sortable_by = ("sku", "brand", "shown_price")
    search_fields = ("sku", "name", "brand")
    search_help_text = "The beginning of a SKU, or words of the name or brand."
    show_full_result_count = False
    # Numbers at each choice of each filter would count the whole table a dozen times.
    show_facets = admin.ShowFacets.NEVER
    paginator = EstimatingPaginator
    autocomplete_fields = ("category",)
    readonly_fields: tuple[Any, ...] = ("created_at", "updated_at")
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}
    fieldsets: tuple[Any, ...] = (
        (None, {"fields": ("sku", "name", "brand", "category", "is_active")}),
        ("Text", {"fields": ("short_description", "description", "attributes")}),
        ("Price", {"fields": (("price", "currency"),)}),
        ("Picture", {"fields": ("image_url",)}),
        (TIMES, {"fields": ("created_at", "updated_at")}),
    )

    resource_classes = (ProductResource,)
    formats = (CSV, XLSX)
    import_form_class = ProductImportForm
    import_template_name = "admin/catalog/import.html"

    class Media:
        css = {"all": ["catalog/admin.css"]}

    def get_fieldsets(self, request: HttpRequest, obj: Product | None = None) -> Any:
        """Leave out the times of a product that is only being added."""
        fieldsets = super().get_fieldsets(request, obj)
        return [section for section in fieldsets if obj is not None or section[0] != TIMES]

    def get_view_on_site_url(self, obj: Product | None = None) -> str | None:
        """Where customers see the product, if they do."""
        return super().get_view_on_site_url(obj) if obj is not None and obj.is_active else None

    @admin.display(description="price", ordering="price")
    def shown_price(self, product: Product) -> str | None:
        """The price with its currency."""
        return None if product.price is None else f"{product.price:,} {product.currency}"

    @admin.display(description="category")
    def shown_category(self, product: Product) -> SafeString | None:
        """The category's own name; those above it follow where the pointer rests."""
        category = product.category
        if category is None:
            return None
        return format_html('<span title="{}">{}</span>', category.full_name, category.name)

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[QuerySet[Product], bool]:
        """Search by the keyword index, which stays quick where `icontains` reads the whole table."""
        return queryset.matching(search_term), False

    def has_import_permission(self, request: HttpRequest) -> bool:
        """An import creates and changes products."""
        return self.has_add_permission(request) and self.has_change_permission(request)

    def has_export_permission(self, request: HttpRequest) -> bool:
        """An export shows products."""
        return self.has_view_permission(request)

    def get_import_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """What the import page says of its limits."""
        return {"max_rows": f"{MAX_ROWS:,}"}

    def add_success_message(self, result: Any, request: HttpRequest) -> None:
        """Say also which columns were left alone."""
        super().add_success_message(result, request)
        if result.ignored:
            self.message_user(request, result.ignored, messages.WARNING)

    def add_data_read_fail_error_to_form(self, form: forms.Form, e: Exception) -> None:
        """Say what to do with a file that cannot be read."""
        form.add_error(
            "import_file",
            "The file cannot be read. Choose the format that it is in; a CSV file must be UTF-8 and have as "
            "many cells in every row as in the first.",
        )
