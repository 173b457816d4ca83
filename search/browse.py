"""A search for nothing in particular: everything within the filters, newest first."""

from search import facets
from search.hydrate import hydrate
from search.query import SearchQuery
from search.results import Hit, SearchResult
from search.scope import Condition, Scope
from search.statements import fetch

SCORE = 1.0


def page_of(query: SearchQuery, scope: Scope, constraint: Condition) -> SearchResult:
    """One page of the filtered catalogue. `constraint` speaks of a product `p`."""
    products = scope.condition("p") & constraint
    rows = fetch(
        f"SELECT p.id FROM catalog_product AS p WHERE {products.sql} ORDER BY p.id DESC LIMIT %s OFFSET %s",
        (*products.params, query.page_size, (query.page - 1) * query.page_size),
    )
    ((total,),) = fetch(f"SELECT count(*) FROM catalog_product AS p WHERE {products.sql}", products.params)
    shown = [pk for (pk,) in rows]
    fields = hydrate(shown)
    counted = facets.count(
        query.facets, scope, query.filters, lambda wider: wider.condition("p") & constraint
    )
    return SearchResult(
        hits=[Hit(fields[pk], SCORE, {} if query.explain else None) for pk in shown if pk in fields],
        total=total,
        total_relation="exact",
        mode=query.mode,
        degraded=False,
        corrected=None,
        facets=counted,
    )
