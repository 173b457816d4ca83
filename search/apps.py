"""What happens to a query."""

from functools import partial

from django.apps import AppConfig


class SearchConfig(AppConfig):
    """Lexical and semantic retrieval, fusion, filters, facets, API and evaluation."""

    name = "search"
    verbose_name = "Search"

    def ready(self) -> None:
        """Register the system checks, and have the worker count the catalogue's words and forget old searches."""
        from embeddings.upkeep import CHORES, Chore
        from search import checks  # noqa: F401
        from search.analytics.retention import forget_old_searches
        from search.terms import refresh_terms

        CHORES.append(Chore(partial(refresh_terms, only_if_changed=True)))
        CHORES.append(Chore(forget_old_searches))
