"""What happens to a query."""

from django.apps import AppConfig


class SearchConfig(AppConfig):
    """Lexical and semantic retrieval, fusion, filters, facets, API and evaluation."""

    name = "search"
    verbose_name = "Search"

    def ready(self) -> None:
        """Register the system checks."""
        from search import checks  # noqa: F401
