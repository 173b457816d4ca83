"""What happens to a query."""

from functools import partial

from django.apps import AppConfig


class SearchConfig(AppConfig):
    """Lexical and semantic retrieval, fusion, filters, facets, API and evaluation."""

    name = "search"
    verbose_name = "Search"

    def ready(self) -> None:
        """Register the system checks and what workers do for search besides embedding."""
        from embeddings.upkeep import CHORES, SIDELINES, Chore, Sideline
        from search import checks  # noqa: F401
        from search.analytics.retention import forget_old_searches
        from search.lab.runs import LOOK_S, take_turn
        from search.terms import refresh_terms

        CHORES.append(Chore(partial(refresh_terms, only_if_changed=True)))
        CHORES.append(Chore(forget_old_searches))
        SIDELINES.append(Sideline("evaluations", take_turn, LOOK_S))
