"""Rows of a file become products: an upsert by SKU that loses no good row to a bad one."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models import Max
from django.utils import timezone

from catalog.exceptions import ImportFileError, RowError
from catalog.interrupts import held_back
from catalog.models import Product
from catalog.readers import SourceRow
from catalog.rows import FIELDS, CleanRow, clean_row, raw_sku
from catalog.signals import products_changed
from catalog.tree import CategoryTree

BATCH_SIZE = 500
# Bad rows and ignored names that a report keeps; beyond them it only counts.
MAX_KEPT = 1000

# Whoever works on changed products lets those of a bulk load wait behind what a person edits meanwhile.
_LOW_PRIORITY_SQL = "SELECT set_config('nearshelf.priority', '1', true)"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was not imported: where it stands, the SKU it has (if any), and the reason."""

    place: str
    sku: str
    reason: str


@dataclass
class ImportReport:
    """What an import did, or, in a dry run, would do."""

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    bad: int = 0
    deactivated: int = 0
    categories_created: int = 0
    bad_rows: list[BadRow] = field(default_factory=list)
    ignored_fields: set[str] = field(default_factory=set)

    def add(self, other: "ImportReport") -> None:
        """Add the counts of a batch."""
        self.created += other.created
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.categories_created += other.categories_created


@dataclass(frozen=True, slots=True)
class _Row:
    place: str
    clean: CleanRow


class CatalogueImport:
    """One run of an import."""

    def __init__(
        self,
        *,
        dry_run: bool = False,
        on_bad_row: Callable[[BadRow], None] = lambda row: None,
        on_batch: Callable[[ImportReport], None] = lambda report: None,
    ) -> None:
        """`on_bad_row` is called for every bad row as it is met, `on_batch` after each batch is committed."""
        self.report = ImportReport()
        self._dry_run = dry_run
        self._on_bad_row = on_bad_row
        self._on_batch = on_batch
        self._tree = CategoryTree(dry_run=dry_run)
        # Hashes, so that a million SKUs are tens of megabytes.
        self._seen: set[int] = set()
        self._last_id = Product.objects.aggregate(last=Max("id"))["last"] or 0

    @property
    def is_first(self) -> bool:
        """Whether there was no product before."""
        return not self._last_id

    def run(self, rows: Iterable[SourceRow]) -> ImportReport:
        """Import every good row.

        Each batch is a transaction of its own: what is in stays in, whatever happens later. Raises
        ImportFileError if not even one row can be read.
        """
        batch: list[_Row] = []
        try:
            for row in rows:
                self.report.read += 1
                if good := self._clean(row):
                    batch.append(good)
                if len(batch) == BATCH_SIZE:
                    with held_back():
                        self._write(batch)
                    batch = []
        except ImportFileError as error:
            if not self.report.read:
                raise
            self._bad(BadRow("the rest", "", str(error)))
        if batch:
            with held_back():
                self._write(batch)
        return self.report

    def deactivate_missing(self) -> int:
        """Deactivate the products that were there before the import and are not in the file; return how many.

        Raises ImportFileError where the file cannot be trusted to name every product.
        """
        if self.report.bad:
            raise ImportFileError(
                "Nothing was deactivated, for the bad rows may be the missing products. Repair them first."
            )
        if not self._seen:
            raise ImportFileError("Nothing was deactivated: the file names no product at all.")
        active = (
            Product.objects.active().filter(id__lte=self._last_id).order_by("id").values_list("id", "sku")
        )
        missing = [id_ for id_, sku in active.iterator(chunk_size=5000) if hash(sku) not in self._seen]
        self.report.deactivated = len(missing)
        if not self._dry_run:
            for start in range(0, len(missing), BATCH_SIZE):
                with held_back():
                    _deactivate(missing[start : start + BATCH_SIZE])
        return len(missing)

    def _bad(self, bad: BadRow) -> None:
        self.report.bad += 1
        if len(self.report.bad_rows) < MAX_KEPT:
            self.report.bad_rows.append(bad)
        self._on_bad_row(bad)

    def _clean(self, row: SourceRow) -> _Row | None:
        if row.data is None:
            self._bad(BadRow(row.place, row.sku, row.problem))
            return None
        if len(self.report.ignored_fields) < MAX_KEPT:
            self.report.ignored_fields.update(row.data.keys() - set(FIELDS))
        try:
            clean = clean_row(row.data)
        except RowError as error:
            self._bad(BadRow(row.place, raw_sku(row.data), str(error)))
            return None
        if hash(clean.sku) in self._seen:
            self._bad(BadRow(row.place, clean.sku, "sku stands in the file before; the first row counts"))
            return None
        self._seen.add(hash(clean.sku))
        return _Row(row.place, clean)

    def _write(self, batch: list[_Row]) -> None:
        """Write the batch in one transaction; if the database refuses it, row by row."""
        bad: list[BadRow] = []
        try:
            with transaction.atomic():
                done = self._write_rows(batch, bad)
        except DatabaseError as error:
            # What was made in the transaction is gone, and a lost connection is no row's fault.
            if not connection.is_usable():
                raise
            self._tree.reload()
            if len(batch) == 1:
                reason = f"the database refuses it: {_first_line(error)}"
                self._bad(BadRow(batch[0].place, batch[0].clean.sku, reason))
            else:
                for row in batch:
                    self._write([row])
            return
        self.report.add(done)
        for refused in bad:
            self._bad(refused)
        self._on_batch(self.report)

    def _write_rows(self, batch: list[_Row], bad: list[BadRow]) -> ImportReport:
        done = ImportReport()
        before = self._tree.created
        # In the order of SKUs, so that two imports at a time wait for each other instead of deadlocking.
        rows = sorted(batch, key=lambda row: row.clean.sku)
        existing = Product.objects.in_bulk([row.clean.sku for row in rows], field_name="sku")
        new: dict[tuple[str, ...], list[Product]] = defaultdict(list)
        changed: dict[tuple[str, ...], list[Product]] = defaultdict(list)
        for row in rows:
            try:
                values = self._column_values(row.clean)
                product = existing.get(row.clean.sku)
                if product is None and "name" not in values:
                    raise RowError({"name": "is missing, and no product has this SKU"})
            except RowError as error:
                bad.append(BadRow(row.place, row.clean.sku, str(error)))
                continue
            if product is None:
                new[tuple(values)].append(Product(sku=row.clean.sku, **values))
                done.created += 1
            elif fields := tuple(name for name in values if not _same(getattr(product, name), values[name])):
                for name in fields:
                    setattr(product, name, values[name])
                changed[fields].append(product)
                done.updated += 1
            else:
                done.unchanged += 1
        done.categories_created = self._tree.created - before
        if not self._dry_run and (new or changed):
            _store(new, changed)
        return done

    def _column_values(self, row: CleanRow) -> dict[str, Any]:
        """Return the row's values with its category looked up."""
        values = dict(row.values)
        if "category" in values:
            values["category_id"] = self._tree.resolve(values.pop("category"))
        return values


def _store(
    new: dict[tuple[str, ...], list[Product]],
    changed: dict[tuple[str, ...], list[Product]],
) -> None:
    """Write new products and changed columns, and ring once the transaction is committed."""
    with connection.cursor() as cursor:
        cursor.execute(_LOW_PRIORITY_SQL)
    for fields, products in new.items():
        # A conflict is a product that someone else created this moment.
        Product.objects.bulk_create(
            products,
            update_conflicts=True,
            unique_fields=["sku"],
            update_fields=[_field_name(name) for name in fields] + ["updated_at"],
        )
    for fields, products in changed.items():
        # Only the columns that changed: where no text did, the database recomputes no keyword index.
        Product.objects.update_columns(products, fields)
    _ring(sum(map(len, new.values())) + sum(map(len, changed.values())))


def _ring(count: int) -> None:
    transaction.on_commit(partial(products_changed.send_robust, sender=Product, count=count))


@transaction.atomic
def _deactivate(ids: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_LOW_PRIORITY_SQL)
    _ring(Product.objects.filter(id__in=ids).update(is_active=False, updated_at=timezone.now()))


def _field_name(column: str) -> str:
    return "category" if column == "category_id" else column


def _same(stored: Any, given: Any) -> bool:
    """Whether two values of a field are equal; in attributes, True is not 1."""
    if stored != given:
        return False
    if not isinstance(given, dict):
        return True
    return all(isinstance(stored[name], bool) == isinstance(value, bool) for name, value in given.items())


def _first_line(error: DatabaseError) -> str:
    return str(error).partition("\n")[0]
