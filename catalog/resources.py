"""Products as the tables that staff import and export in the admin."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import tablib
from django.core.exceptions import ValidationError
from import_export import resources, widgets
from import_export.fields import Field
from import_export.formats import base_formats
from import_export.results import Result

from catalog.exceptions import ImportFileError, RowError
from catalog.models import Category, Product
from catalog.readers import column_name, row_data
from catalog.rows import FIELDS, CleanRow, clean_row, ignored_text
from catalog.texts import escape_formula
from catalog.tree import CategoryTree

# Each row is previewed in one page and written in one request.
MAX_ROWS = 2000


def _escape(dataset: tablib.Dataset, numbers: Sequence[str] = ()) -> None:
    """Quote every cell that a spreadsheet would run; `numbers` are columns that stay numbers."""
    for _ in range(len(dataset)):
        row = zip(dataset.headers, dataset.lpop(), strict=True)
        dataset.append(
            [
                Decimal(cell)
                if name in numbers and cell
                else escape_formula("" if cell is None else str(cell))
                for name, cell in row
            ]
        )


class CSV(base_formats.CSV):
    """CSV with any of the usual delimiters in, commas out."""

    def create_dataset(self, in_stream: Any, **kwargs: Any) -> tablib.Dataset:
        """Read a table, taking the delimiter from its first line."""
        text = in_stream.decode(self.encoding) if isinstance(in_stream, bytes) else in_stream
        head = text.partition("\n")[0]
        return super().create_dataset(text, delimiter=max(",;\t", key=head.count), **kwargs)

    def _escape_formulae(self, dataset: tablib.Dataset) -> None:
        _escape(dataset)


class XLSX(base_formats.XLSX):
    """XLSX in which prices are numbers."""

    def _escape_formulae(self, dataset: tablib.Dataset) -> None:
        # Control characters cannot stand in XLSX at all.
        self._escape_illegal_chars(dataset)
        _escape(dataset, numbers=["price"])


class CategoryWidget(widgets.Widget):
    """A category as a path that an import takes back."""

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        """Return the path, empty for no category."""
        return category_path(value)


class AttributesWidget(widgets.Widget):
    """Attributes as JSON."""

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        """Return the JSON, empty for none."""
        return json.dumps(value, ensure_ascii=False) if value else ""


class TruthWidget(widgets.Widget):
    """`true` or `false`."""

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        """Return the word."""
        return "true" if value else "false"


class ImportResult(Result):
    """What an import did or would do, with what it ignores in words."""

    ignored = ""


class ProductResource(resources.ModelResource):
    """Rows are read by the same rules as those of `import_products`."""

    category = Field("category", "category", CategoryWidget())
    attributes = Field("attributes", "attributes", AttributesWidget())
    is_active = Field("is_active", "is_active", TruthWidget())

    class Meta:
        model = Product
        fields = FIELDS
        export_order = FIELDS
        import_order = FIELDS
        import_id_fields = ("sku",)
        skip_unchanged = True
        report_skipped = True
        use_transactions = True

    @classmethod
    def get_result_class(cls) -> type[ImportResult]:
        """See Resource."""
        return ImportResult

    def before_import(self, dataset: tablib.Dataset, **kwargs: Any) -> None:
        """Read the headings. Raises ImportFileError for a table that is no catalogue."""
        rows = len(dataset)
        headers = [column_name(str(name or "")) for name in dataset.headers or []]
        if rows > MAX_ROWS or "sku" not in headers:
            # The rows of a table that was refused would be imported all the same.
            dataset.wipe()
        if rows > MAX_ROWS:
            raise ImportFileError(
                f"The file has {rows:,} rows; {MAX_ROWS:,} is the most here. "
                "Use `python manage.py import_products` for more."
            )
        if "sku" not in headers:
            raise ImportFileError("The first row must name the columns, “sku” among them.")
        dataset.headers = headers
        self._tree = CategoryTree()
        self._seen: set[str] = set()

    def after_import(self, dataset: tablib.Dataset, result: ImportResult, **kwargs: Any) -> None:
        """Note the columns that no product has."""
        super().after_import(dataset, result, **kwargs)
        columns = [name for name in dataset.headers or [] if name and not name.startswith("attributes.")]
        result.ignored = ignored_text(set(columns) - set(FIELDS))

    def before_import_row(self, row: dict[str, Any], **kwargs: Any) -> None:
        """Clean the row; what is wrong with it is raised where the preview shows it, in `import_instance`."""
        self._row: CleanRow | None = None
        self._errors: dict[str, str] = {}
        try:
            self._row = clean_row(row_data(list(row), list(row.values())))
        except RowError as error:
            self._errors = error.errors

    def get_instance(self, instance_loader: Any, row: dict[str, Any]) -> Product | None:
        """Return the product that the row is about."""
        if self._row is None:
            return None
        return Product.objects.select_related("category").filter(sku=self._row.sku).first()

    def import_instance(self, instance: Product, row: dict[str, Any], **kwargs: Any) -> None:
        """Set what the row says. Raises ValidationError with a reason for each field that is wrong."""
        if self._row is None:
            raise ValidationError(self._errors)
        if self._row.sku in self._seen:
            raise ValidationError({"sku": "stands in the file before"})
        self._seen.add(self._row.sku)
        if instance.pk is None and "name" not in self._row.values:
            raise ValidationError({"name": "is missing, and no product has this SKU"})
        instance.sku = self._row.sku
        for name, value in self._row.values.items():
            if name != "category":
                setattr(instance, name, value)
        if "category" in self._row.values:
            try:
                instance.category_id = self._tree.resolve(self._row.values["category"])
            except RowError as error:
                raise ValidationError(error.errors) from error


def category_path(category: Category | None) -> str:
    """Return the path of names, or, where a name holds a separator itself, the path of slugs."""
    if category is None:
        return ""
    names = category.full_name.split(" > ")
    ambiguous = len(names) != category.path.count("/") + 1 or any(">" in name for name in names)
    if ambiguous or (len(names) == 1 and "/" in names[0]):
        return category.path
    return category.full_name
