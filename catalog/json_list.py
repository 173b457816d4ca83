"""A JSON list read item by item through a window, so that its size does not matter."""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from catalog.exceptions import ImportFileError

_READ = 1024 * 1024
_SEPARATORS = re.compile(r"[\s,]*")
_NEXT_OBJECT = re.compile(r",\s*(?=\{)")


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the list; `number` is 0 where the list itself is broken."""

    number: int
    line: int
    value: Any = None
    problem: str = ""


def json_problem(error: Exception) -> str:
    """Return what a JSON parser's error means for the row."""
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    return f"is not valid JSON: {error.msg if isinstance(error, json.JSONDecodeError) else error}"


class JsonList:
    """Iterate for the items. A broken item costs only itself: reading goes on at the next `, {`."""

    def __init__(self, stream: BinaryIO, longest: int) -> None:
        """Read from `stream` items of at most `longest` characters."""
        self._stream = stream
        self._longest = longest
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._text = ""
        self._at = 0
        self._line = 1
        self._ended = False

    def __iter__(self) -> Iterator[Item]:
        """Yield every item. Raises ImportFileError where the file is not a list at all."""
        self._fill()
        self._text = self._text.removeprefix("\ufeff")
        self._skip(re.compile(r"\s*"))
        if self._next() != "[":
            raise ImportFileError(
                'The file is not a JSON list such as [{"sku": ...}, ...]; '
                "a file with one object a line is --format jsonl."
            )
        self._advance(self._at + 1)
        number = 0
        while self._skip(_SEPARATORS) and self._next() != "]":
            number += 1
            yield self._item(number)
        yield from self._end()

    def _item(self, number: int) -> Item:
        line, start = self._line, self._at
        try:
            value, end = json.JSONDecoder().raw_decode(self._text, start)
        except (ValueError, RecursionError) as error:
            problem = json_problem(error)
            if isinstance(error, json.JSONDecodeError):
                problem += f", on line {line + self._text.count(chr(10), start, error.pos)}"
            skipped = self._skip_broken()
            return Item(number, line, problem=self._too_long if skipped > self._longest else problem)
        self._advance(end)
        if end - start > self._longest:
            return Item(number, line, problem=self._too_long)
        return Item(number, line, value)

    @property
    def _too_long(self) -> str:
        return f"is longer than {self._longest // 1024**2} MB"

    def _end(self) -> Iterator[Item]:
        """Yield a problem unless the list is closed and nothing follows."""
        if self._next() != "]":
            yield Item(0, self._line, problem="the file ends inside the list; it may be cut off")
            return
        self._advance(self._at + 1)
        if self._skip(re.compile(r"\s*")):
            yield Item(0, self._line, problem="there is more text after the end of the list")

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _fill(self) -> None:
        """Have the longest item, or all that is left, in the window."""
        if self._ended or len(self._text) - self._at > self._longest:
            return
        parts = [self._text[self._at :]]
        length = len(parts[0])
        while length <= self._longest and not self._ended:
            data = self._stream.read(_READ)
            self._ended = not data
            parts.append(self._decode(data, final=self._ended))
            length += len(parts[-1])
        self._text, self._at = "".join(parts), 0

    def _advance(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        """Go to the first character that the pattern does not match; return whether there is one."""
        while True:
            self._fill()
            match = pattern.match(self._text, self._at)
            self._advance(match.end() if match else self._at)
            if self._at < len(self._text):
                return True
            if self._ended:
                return False

    def _skip_broken(self) -> int:
        """Go to the next object after a broken item, or to the list's end; return how far that was."""
        skipped = 0
        start = self._at + 1
        while True:
            if match := _NEXT_OBJECT.search(self._text, start):
                break
            if self._ended:
                stop = self._text.rstrip().endswith("]")
                end = len(self._text.rstrip()) - 1 if stop else len(self._text)
                skipped += end - self._at
                self._advance(max(end, self._at))
                return skipped
            # Keep the end of the window, where a comma may wait for its brace.
            keep = max(len(self._text) - 1024, self._at)
            skipped += keep - self._at
            self._advance(keep)
            self._fill()
            start = self._at
        skipped += match.end() - self._at
        self._advance(match.end())
        return skipped
