"""What can be wrong with a query."""


class SearchError(Exception):
    """Base of all errors of this app."""


class InvalidQueryError(SearchError):
    """A query that cannot be answered as asked. `errors` maps each bad parameter to what to change."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__("; ".join(f"{name}: {' '.join(texts)}" for name, texts in errors.items()))
        self.errors = errors
