"""Judgments as a table: one judged product a line, `query,sku,grade`. The command and the admin read and write it here.

A grade says how well a product answers a query, from 0 (irrelevant) up.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from catalog.models import Product
from catalog.texts import escape_formula, printable, text_problem, unescape_formula
from search import relevance
from search.exceptions import SearchError
from search.query import MAX_QUERY_LENGTH

COLUMNS = ("query", "sku", "grade")
HIGHEST_GRADE = 3  # of the judgments that are made in the admin
MAX_SKU_LENGTH: int = Product._meta.get_field("sku").max_length or 0

#: Grade by SKU, by query.
Judgments = dict[str, dict[str, int]]


class JudgmentsError(SearchError):
    """The table of judgments cannot be read."""


class Writable(Protocol):
    """What a table is written to."""

    def write(self, text: str, /) -> object: ...


@dataclass(frozen=True)
class Row:
    """One judged product."""

    query: str
    sku: str
    grade: int


@dataclass(frozen=True)
class Table:
    """The rows that can be used, and what is wrong with each of the others, by its line."""

    rows: list[Row]
    problems: list[str]


def read(lines: Iterable[str], highest: int | None = None, most: int | None = None) -> Table:
    """Read a table with the columns query, sku and grade, parted by commas, semicolons or tabs.

    A row may stand there twice; one that gives a product another grade for the same query is wrong.
    Raises JudgmentsError where it is no such table, or has more than `most` rows.
    """
    lines = iter(lines)
    head = next(lines, "")
    reader = csv.DictReader(chain([head], lines), delimiter=max(",;\t", key=head.count))
    rows, problems = [], []
    graded: dict[tuple[str, str], tuple[int, int]] = {}  # the first grade of a query and SKU, and its line
    try:
        if missing := set(COLUMNS) - set(reader.fieldnames or ()):
            raise JudgmentsError(f"there is no column {', '.join(sorted(missing))}")
        for number, fields in enumerate(reader, start=1):
            if most is not None and number > most:
                raise JudgmentsError(f"it has more than {most:,} rows; part it")
            query, sku, grade = (unescape_formula(fields[name] or "").strip() for name in COLUMNS)
            if problem := _problem(query, sku, grade, highest):
                problems.append(f"line {reader.line_num}: {problem}")
                continue
            row = Row(query, sku, int(grade))
            first, line = graded.setdefault((query, sku), (row.grade, reader.line_num))
            if first == row.grade:
                rows.append(row)
            else:
                problems.append(
                    f"line {reader.line_num}: the grade is {row.grade}, but {first} in line {line} for the same query "
                    "and sku; keep one of them."
                )
    except csv.Error as error:
        raise JudgmentsError(f"line {reader.line_num} cannot be read: {error}") from error
    return Table(rows, problems)


def _problem(query: str, sku: str, grade: str, highest: int | None) -> str:
    """Why a row cannot be used; empty where it can."""
    for name, text, longest in (("query", query, MAX_QUERY_LENGTH), ("sku", sku, MAX_SKU_LENGTH)):
        if not text:
            return f"the {name} is missing."
        if len(text) > longest:
            return f"the {name} has {len(text):,} characters, {longest} is the most."
        if reason := text_problem(text):
            return f"the {name} {reason}."
    limit = "from 0" if highest is None else f"from 0 to {highest}"
    if not (grade.isascii() and grade.isdecimal()) or len(grade) > 9 or int(grade) > (highest or int(grade)):
        return f"the grade must be a whole number {limit}, not “{printable(grade, 40)}”."
    return ""


def write(rows: Iterable[Row], target: Writable) -> None:
    """Write a table that `read` reads again, and that no spreadsheet runs."""
    writer = csv.writer(target)
    writer.writerow(COLUMNS)
    writer.writerows((escape_formula(row.query), escape_formula(row.sku), row.grade) for row in rows)


def by_query(rows: Iterable[Row]) -> Judgments:
    """Grades by query; of two rows about the same product the later one holds."""
    judgments: Judgments = {}
    for row in rows:
        judgments.setdefault(row.query, {})[row.sku] = row.grade
    return judgments


def measurable(judgments: Judgments) -> Judgments:
    """Without the queries that have no relevant product, for nothing can be right there."""
    return {
        query: grades for query, grades in judgments.items() if max(grades.values()) >= relevance.RELEVANT
    }
