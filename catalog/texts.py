"""Texts that come from outside: what a database, a spreadsheet or a terminal would trip over. Pure functions."""

import re

# What a spreadsheet takes for the start of a formula, after any number of our own quotes.
_FORMULA = re.compile(r"^'*[=+\-@\t\r]")
_QUOTED_FORMULA = re.compile(r"^''*[=+\-@\t\r]")


def text_problem(text: str) -> str | None:
    """Return why PostgreSQL cannot store the text, or None."""
    if "\x00" in text:
        return "contains a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        # Readers decode with `surrogateescape`, which keeps a byte that is not UTF-8 as one of these.
        if "\udc80" <= text[error.start] <= "\udcff":
            return "contains bytes that are not UTF-8; save the file as UTF-8"
        return "contains half of a surrogate pair"
    return None


def escape_formula(text: str) -> str:
    """Put a quote before a text that a spreadsheet would run as a formula; `unescape_formula` takes it away."""
    return f"'{text}" if _FORMULA.match(text) else text


def unescape_formula(text: str) -> str:
    """Take away the quote that `escape_formula` put there."""
    return text[1:] if _QUOTED_FORMULA.match(text) else text


def printable(text: str, length: int = 80) -> str:
    """Return the text fit for one place in a line: no control characters, at most `length` characters."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: length + 1])
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"
