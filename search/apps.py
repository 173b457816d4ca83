"""What happens to a query."""

from functools import partial

from django.apps import AppConfig


class SearchConfig(AppConfig):
    """Lexical and semantic retrieval, fusion, filters, facets, API and evaluation."""

    name = "search"
    verbose_name = "Search"

    def ready(self) -> None:
        """Register the system checks, and have workers count the catalogue's words and run evaluations."""
        from embeddings.upkeep import CHORES, SIDELINES, Chore, Sideline
        from search import checks  # noqa: F401
        from search.lab.runs import LOOK_S, take_turn
        from search.terms import refresh_terms

        CHORES.append(Chore(partial(refresh_terms, only_if_changed=True)))
        SIDELINES.append(Sideline("evaluations", take_turn, LOOK_S))
