"""Search results as the plain values of an answer."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rest_framework.utils.urls import replace_query_param

from search.query import MAX_DEPTH, SearchQuery
from search.results import FacetValue, Hit, SearchResult
from search.suggest import Completion

SCORE_DIGITS = 4
TIMING_DIGITS = 2


def envelope(
    query: SearchQuery, result: SearchResult, address: str | None, search_id: str | None
) -> dict[str, Any]:
    """One page of a search; `address` is the request's own, from which its neighbours' are made.

    `search_id` is what events name the search by; None where it is not logged.
    """
    return {
        "query": {
            "text": query.text,
            "mode": result.mode.value,
            "degraded": result.degraded,
            "corrected": result.corrected,
            "unmatched": result.unmatched,
            "understood": _understood(result),
        },
        "total": result.total,
        "total_relation": result.total_relation,
        "page": query.page,
        "page_size": query.page_size,
        "next": _page(address, query.page + 1) if _has_next(query, result) else None,
        "previous": _page(address, query.page - 1) if query.page > 1 else None,
        "results": [_hit(hit) for hit in result.hits],
        "facets": {
            name: [_facet_value(name, value) for value in values] for name, values in result.facets.items()
        },
        "timings_ms": _timings(result),
        "search_id": search_id,
    }


def similar(result: SearchResult) -> dict[str, Any]:
    """Products like others."""
    return {
        "degraded": result.degraded,
        "total": result.total,
        "results": [_hit(hit) for hit in result.hits],
        "timings_ms": _timings(result),
    }


def suggestions(text: str, completions: Sequence[Completion]) -> dict[str, Any]:
    """Completions of what was typed so far."""
    return {"query": text, "suggestions": [asdict(completion) for completion in completions]}


def _hit(hit: Hit) -> dict[str, Any]:
    rendered = {**hit.fields, "score": round(hit.score, SCORE_DIGITS)}
    if hit.explanation is not None:
        rendered["explanation"] = hit.explanation
    return rendered


def _facet_value(name: str, value: FacetValue) -> dict[str, Any]:
    rendered = {**vars(value)}  # asdict takes a hundred times as long, for it copies strings
    if name != "category":
        del rendered["depth"]
    if name != "price":
        del rendered["price_from"], rendered["price_to"]
    return rendered


def _understood(result: SearchResult) -> dict[str, str]:
    if result.understood is None:
        return {}
    prices = {"price_min": result.understood.price_min, "price_max": result.understood.price_max}
    return {name: str(price) for name, price in prices.items() if price is not None}


def _timings(result: SearchResult) -> dict[str, float]:
    return {stage: round(value, TIMING_DIGITS) for stage, value in result.timings_ms.items()}


def _has_next(query: SearchQuery, result: SearchResult) -> bool:
    end = query.page * query.page_size
    return end < result.total and end + query.page_size <= MAX_DEPTH


def _page(address: str | None, page: int) -> str | None:
    return None if address is None else replace_query_param(address, "page", page)
