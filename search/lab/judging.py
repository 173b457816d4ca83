"""Judgments are made, read and written here: one at a time by a click, or many from a table."""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from django.db import transaction
from django.utils import timezone

from catalog.models import Product
from search import judgments as tables
from search.exceptions import LabError
from search.judgments import HIGHEST_GRADE, Row
from search.lab.models import Judgment, JudgmentList
from search.query import MAX_QUERY_LENGTH

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_ROWS = 20_000  # of one import
MAX_JUDGMENTS = 50_000  # of one list
MAX_BYTES = 5 * 1024 * 1024
WRITE_BATCH = 2_000


def grades_of(judgments: JudgmentList, query: str) -> dict[str, int]:
    """Grade by SKU of what was judged for a query."""
    return dict(Judgment.objects.filter(list=judgments, query=query).values_list("sku", "grade"))


def judge(judgments: JudgmentList, query: str, sku: str, grade: int | None, user: "User") -> str:
    """Set a grade, or with None take it back; return in words what has changed, nothing where nothing has.

    Raises LabError for what cannot be judged.
    """
    query = query.strip()
    if not 0 < len(query) <= MAX_QUERY_LENGTH or "\x00" in query:
        raise LabError(f"A query of 1 to {MAX_QUERY_LENGTH} characters is judged.")
    judged = Judgment.objects.filter(list=judgments, query=query, sku=sku)
    if grade is None:
        deleted, _ = judged.delete()
        return f"Took back the grade of {sku} for “{query}”." if deleted else ""
    if not 0 <= grade <= HIGHEST_GRADE:
        raise LabError(f"A grade is from 0 to {HIGHEST_GRADE}.")
    if "\x00" in sku or not Product.objects.filter(sku=sku).exists():
        raise LabError("There is no product with this SKU any more.")
    if Judgment.objects.filter(list=judgments).count() >= MAX_JUDGMENTS:
        raise LabError(f"{judgments} is full: {MAX_JUDGMENTS:,} judgments are the most. Begin another list.")
    before = judged.values_list("grade", flat=True).first()
    if before == grade:
        return ""
    Judgment.objects.update_or_create(
        list=judgments, query=query, sku=sku, defaults={"grade": grade, "by": user, "at": timezone.now()}
    )
    former = "" if before is None else f" (before: {before})"
    return f"Graded {sku} for “{query}”: {grade}{former}."


def rows_of(judgments: JudgmentList) -> Iterator[Row]:
    """Every judgment of a list, query by query."""
    found = Judgment.objects.filter(list=judgments).order_by("query", "-grade", "sku")
    for query, sku, grade in found.values_list("query", "sku", "grade").iterator():
        yield Row(query, sku, grade)


def import_file(judgments: JudgmentList, file: BinaryIO, size: int, user: "User") -> tuple[int, int]:
    """Add a table's judgments to a list; a grade that is there is replaced. All rows, or none where one is wrong.

    Returns how many judgments were read, and how many of their SKUs are no product's now. Raises LabError, whose
    `problems` say of each bad row what is wrong.
    """
    if size > MAX_BYTES:
        raise LabError(f"The file is larger than {MAX_BYTES // 1024**2} MB. Import it in parts.")
    try:
        text = file.read().decode("utf-8-sig")
        table = tables.read(io.StringIO(text, newline=""), highest=HIGHEST_GRADE, most=MAX_ROWS)
    except UnicodeDecodeError as error:
        raise LabError("The file is not UTF-8. Save it as “CSV UTF-8”.") from error
    except tables.JudgmentsError as error:
        raise LabError(f"The file cannot be imported: {error}.") from error
    if table.problems:
        raise LabError("Nothing was imported. Correct these lines and choose the file again:", table.problems)
    if not table.rows:
        raise LabError("The file has no judgments.")
    rows = list({(row.query, row.sku): row for row in table.rows}.values())
    _store(judgments, rows, user)
    skus = {row.sku for row in rows}
    return len(rows), len(skus - set(Product.objects.filter(sku__in=skus).values_list("sku", flat=True)))


@transaction.atomic
def _store(judgments: JudgmentList, rows: list[Row], user: "User") -> None:
    now = timezone.now()
    Judgment.objects.bulk_create(
        [
            Judgment(list=judgments, query=row.query, sku=row.sku, grade=row.grade, by=user, at=now)
            for row in sorted(rows, key=lambda row: (row.query, row.sku))  # two imports cannot deadlock
        ],
        batch_size=WRITE_BATCH,
        update_conflicts=True,
        unique_fields=["list", "query", "sku"],
        update_fields=["grade", "by", "at"],
    )
    if Judgment.objects.filter(list=judgments).count() > MAX_JUDGMENTS:
        raise LabError(f"{judgments} would be too long: {MAX_JUDGMENTS:,} judgments are the most.")
