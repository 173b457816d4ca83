"""What can go wrong with the catalogue."""


class CatalogError(Exception):
    """Something about the catalogue's data is not as it must be; the message says what to change."""


class ImportFileError(CatalogError):
    """A file cannot be read as a catalogue at all, or not to its end."""


class RowError(CatalogError):
    """A row cannot become a product; `errors` has a reason for each field that is wrong."""

    def __init__(self, errors: dict[str, str]) -> None:
        self.errors = errors
        super().__init__("; ".join(f"{field} {reason}" for field, reason in errors.items()))


class OrderingError(CatalogError):
    """Products cannot be put in order on disk; nothing was changed."""
