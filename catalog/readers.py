"""Catalogue files as streams of rows: JSON, JSON lines and CSV, gzipped or not, in memory that does not grow.

Bytes that are not UTF-8 are decoded to lone surrogates, so that only the row that holds them is refused later.
"""

import csv
import gzip
import io
import json
import re
import sys
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from catalog.exceptions import ImportFileError
from catalog.json_list import JsonList, json_problem
from catalog.texts import unescape_formula

FORMATS = {"json": "json", "jsonl": "jsonl", "ndjson": "jsonl", "csv": "csv"}
MAX_ROW_BYTES = 5 * 1024 * 1024
TOO_LONG = "is longer than 5 MB"

_SKU = re.compile(r'"sku"\s*:\s*"?([^",}\s]{1,64})')


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row of a file: its data, or the problem that keeps it from being read."""

    place: str
    data: dict[str, Any] | None = None
    problem: str = ""
    sku: str = ""


class Source:
    """An open catalogue file; iterate it for its rows."""

    def __init__(self, raw: BinaryIO, stream: BinaryIO, file_format: str, size: int | None) -> None:
        self._raw = raw
        self._stream = stream
        self.format = file_format
        self.size = size

    def position(self) -> int:
        """Bytes of the file, as it lies on the disk, that were read so far."""
        return self._raw.tell() if self.size is not None else 0

    def __iter__(self) -> Iterator[SourceRow]:
        """Yield every row. Raises ImportFileError where the file itself breaks."""
        read = {"json": read_json, "jsonl": read_jsonl, "csv": read_csv}[self.format]
        try:
            yield from read(self._stream)
        except (OSError, EOFError, zlib.error) as error:
            raise ImportFileError(f"The file is damaged or cut off: {error}") from error


@contextmanager
def open_source(path: str, file_format: str | None = None) -> Iterator[Source]:
    """Open a file, or standard input for `-`. Raises ImportFileError with what to do about it."""
    chosen = file_format or _format_of(path)
    with ExitStack() as stack:
        if path == "-":
            raw: BinaryIO = sys.stdin.buffer
            size = None
        else:
            try:
                raw = stack.enter_context(open(path, "rb"))
            except OSError as error:
                raise ImportFileError(f"{path} cannot be opened: {error.strerror}.") from error
            size = Path(path).stat().st_size
        stream = _unzipped(path, raw)
        _refuse_other_formats(path, stream)
        yield Source(raw, stream, chosen, size)


def _format_of(path: str) -> str:
    if path == "-":
        raise ImportFileError("Say what comes in on standard input: --format json, jsonl or csv.")
    suffix = Path(path.lower().removesuffix(".gz")).suffix.lstrip(".")
    if suffix not in FORMATS:
        raise ImportFileError(
            f"{path} does not say what it is. Name it .json, .jsonl or .csv (and .gz), or give --format."
        )
    return FORMATS[suffix]


def _head(stream: BinaryIO, path: str) -> bytes:
    try:
        return cast(io.BufferedReader, stream).peek(8)[:8]
    except (OSError, EOFError, zlib.error) as error:
        raise ImportFileError(f"{path} cannot be unpacked, its gzip data is broken: {error}.") from error


def _unzipped(path: str, raw: BinaryIO) -> BinaryIO:
    """Return the stream of the content: gzip is known by its first bytes, whatever the file is called."""
    if _head(raw, path).startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if path.lower().endswith(".gz"):
        raise ImportFileError(f"{path} is called .gz but is not gzipped. Rename it.")
    return raw


def _refuse_other_formats(path: str, stream: BinaryIO) -> None:
    head = _head(stream, path)
    if head.startswith(b"PK\x03\x04"):
        raise ImportFileError(
            f"{path} is a spreadsheet or ZIP file. Save it as CSV, or import a small XLSX in the admin."
        )
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ImportFileError(f"{path} is UTF-16. Save it as UTF-8 and import it again.")


def _lines(stream: BinaryIO) -> Iterator[tuple[int, str | None]]:
    """Yield (number, line), with None for a line that is too long to hold."""
    number = 0
    while line := stream.readline(MAX_ROW_BYTES + 1):
        number += 1
        if len(line) <= MAX_ROW_BYTES:
            text = line.decode("utf-8", "surrogateescape")
            yield number, text.removeprefix("\ufeff") if number == 1 else text
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_ROW_BYTES)
        yield number, None


def read_jsonl(stream: BinaryIO) -> Iterator[SourceRow]:
    """Yield the rows of a file with one JSON object a line; empty lines are passed over."""
    for number, line in _lines(stream):
        place = f"line {number}"
        if line is None:
            yield SourceRow(place, problem=TOO_LONG)
        elif line.strip():
            yield _json_row(place, line.strip())


def _json_row(place: str, text: str) -> SourceRow:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        problem = json_problem(error)
        if isinstance(error, json.JSONDecodeError):
            problem += f", at column {error.colno}"
        sku = _SKU.search(text)
        return SourceRow(place, problem=problem, sku=sku[1] if sku else "")
    return _object_row(place, value)


def _object_row(place: str, value: Any) -> SourceRow:
    if isinstance(value, dict):
        return SourceRow(place, value)
    return SourceRow(place, problem='is not an object such as {"sku": "A-1", "name": "..."}')


def read_json(stream: BinaryIO) -> Iterator[SourceRow]:
    """Yield the rows of a file that is one JSON list of objects."""
    items = JsonList(stream, MAX_ROW_BYTES)
    for item in items:
        place = f"item {item.number} (line {item.line})" if item.number else f"line {item.line}"
        if item.problem:
            yield SourceRow(place, problem=item.problem)
        else:
            yield _object_row(place, item.value)


class _LineFeed:
    """Lines for the CSV parser, which may hand back those that a broken record swallowed."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = _lines(stream)
        self._returned: deque[tuple[int, str | None]] = deque()
        self.start_record()

    def start_record(self) -> None:
        """Forget the record before."""
        self.taken: list[tuple[int, str | None]] = []
        self._length = 0

    def hand_back(self) -> None:
        """Keep the first line of the record and have the others read again, as records of their own."""
        self._returned.extendleft(reversed(self.taken[1:]))

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number, line = self._returned.popleft() if self._returned else next(self._lines)
        self.taken.append((number, line))
        self._length += len(line or "")
        if line is None or self._length > MAX_ROW_BYTES:
            raise csv.Error(TOO_LONG)
        return line


def read_csv(stream: BinaryIO) -> Iterator[SourceRow]:
    """Yield the rows of a CSV file: a header, then values separated by comma, semicolon or tab.

    Columns called `attributes.colour` become attributes. Raises ImportFileError for a header without `sku`.
    """
    csv.field_size_limit(MAX_ROW_BYTES)
    feed = _LineFeed(stream)
    header, delimiter = _header(feed)
    while True:
        feed.start_record()
        try:
            cells = next(csv.reader(feed, delimiter=delimiter, strict=True))
        except StopIteration:
            return
        except csv.Error as error:
            feed.hand_back()
            yield SourceRow(f"line {feed.taken[0][0]}", problem=_csv_problem(str(error)))
            continue
        place = f"line {feed.taken[0][0]}"
        if (len(cells) < len(header) and any(cells)) or any(cells[len(header) :]):
            feed.hand_back()
            problem = f"has {len(cells)} columns where the header has {len(header)}"
            sku = dict(zip(header, cells, strict=False)).get("sku", "")
            yield SourceRow(place, problem=problem, sku=sku[:64])
        elif any(cells):
            yield SourceRow(place, row_data(header, cells))


def _csv_problem(message: str) -> str:
    return message if message == TOO_LONG else "has a quote that is not closed, or text after a closing quote"


def _header(feed: _LineFeed) -> tuple[list[str], str]:
    """Return the names of the columns and the delimiter."""
    try:
        line = next(feed, "")
        delimiter = max(",;\t", key=line.count)
        names = next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise ImportFileError("The first line is not a CSV header: a quote in it is not closed.") from error
    header = [column_name(name) for name in names]
    if "sku" not in header:
        shown = ", ".join(name for name in header[:10] if name) or "nothing"
        raise ImportFileError(f"The first line must name the columns, “sku” among them; it names {shown}.")
    for name in header:
        if name and header.count(name) > 1:
            raise ImportFileError(f"The first line names the column “{name}” twice.")
    return header, delimiter


def column_name(name: str) -> str:
    """Return the field that a column is for, however its heading is written."""
    name = name.strip()
    prefix, dot, attribute = name.partition(".")
    if dot and prefix.lower() == "attributes":
        return f"attributes.{attribute.strip()}"
    return name.lower().replace(" ", "_")


def row_data(header: Sequence[str], cells: Sequence[Any]) -> dict[str, Any]:
    """Return a table's row as a mapping, its columns `attributes.colour` gathered into `attributes`."""
    data: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for column, cell in zip(header, cells, strict=False):
        value = unescape_formula(cell.strip()) if isinstance(cell, str) else cell
        if column.startswith("attributes."):
            if value not in ("", None):
                attributes[column.removeprefix("attributes.")] = value
        elif column:
            data[column] = value
    if any(column.startswith("attributes.") for column in header):
        data["attributes"] = _merged(data.get("attributes") or "", attributes)
    return data


def _merged(text: str, attributes: dict[str, str]) -> Any:
    """Return the attributes of the JSON column and of the columns of their own, which win."""
    try:
        written = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        return text  # refused, with its reason, when the row is cleaned
    return {**written, **attributes} if isinstance(written, dict) else written
