"""What can go wrong with the catalogue."""


class CatalogError(Exception):
    """Something about the catalogue's data is not as it must be; the message says what to change."""


class ImportFileError(CatalogError):
    """A file cannot be read as a catalogue at all."""
