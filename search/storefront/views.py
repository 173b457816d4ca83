"""The pages where visitors search, browse and look at a product."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from catalog.models import Category, Product
from search.analytics.recording import record_search
from search.api.parameters import check_encoding, parse_search
from search.categories import CategoryNode, category_tree
from search.engine import search_products
from search.exceptions import InvalidQueryError, SearchError
from search.hydrate import hydrate
from search.merchandising import usage
from search.models import SearchLog
from search.price_words import priced
from search.query import Filters, Mode, SearchQuery, SimilarQuery
from search.results import Hit, SearchResult
from search.similar import similar_products
from search.storefront import navigation
from search.storefront.navigation import Asked

NEWEST = 8
LATEST = 200  # among which the newest of each kind are looked for
SIMILAR = 8
INDENT = "\N{EM SPACE}"  # ordinary spaces at the start of an option are dropped
MODES = [
    (Mode.HYBRID, "Best match", "Meaning and words together"),
    (Mode.SEMANTIC, "By meaning", "Finds what you mean, whatever it is called"),
    (Mode.KEYWORD, "By words", "Finds the words as you type them"),
]


@require_safe
def storefront(request: HttpRequest) -> HttpResponse:
    """The start page, or what was found for a query or a filter."""
    asked = navigation.read(request.GET)
    if not asked.keys() - {"mode", "ordering", "explain", "page"}:
        return render(request, "storefront/start.html", _page(request, asked) | _start())
    try:
        _refuse_unreadable(request)
        query = _query(asked)
        result = search_products(query)
        usage.count([result])
    except InvalidQueryError as error:
        return render(
            request, "storefront/results.html", _page(request, asked) | _mistakes(asked, error), status=400
        )
    status = 404 if result.total and not result.hits else 200
    return render(
        request,
        "storefront/results.html",
        _page(request, asked) | _found(asked, query, result) | _logged(request, query, result),
        status=status,
    )


@require_safe
def product(request: HttpRequest, sku: str) -> HttpResponse:
    """One product and others like it."""
    if "\0" in sku:  # which PostgreSQL takes in no text
        raise Http404
    item = get_object_or_404(Product.objects.active().select_related("category"), sku=sku)
    context = {
        "product": item,
        "canonical": request.build_absolute_uri(item.get_absolute_url()),
        "fields": hydrate([item.pk]).get(item.pk),
        "breadcrumb": _breadcrumb(item.category),
        "similar": _similar(item),
    }
    return render(request, "storefront/product.html", _page(request, {}) | context)


def _refuse_unreadable(request: HttpRequest) -> None:
    """Raise InvalidQueryError where a parameter of the page is not UTF-8; others are nobody's concern."""
    errors = check_encoding(request.META.get("QUERY_STRING", ""))
    if bad := {name: texts for name, texts in errors.items() if name in navigation.PARAMETERS}:
        raise InvalidQueryError(bad)


def _query(asked: Asked) -> SearchQuery:
    """What was asked as a query. Raises InvalidQueryError."""
    params = QueryDict(mutable=True)
    for name, values in asked.items():
        params.setlist(name, values)
    params["page_size"] = str(navigation.PAGE_SIZE)
    return replace(parse_search(params), facets=navigation.FACETS)


def _page(request: HttpRequest, asked: Asked) -> dict[str, Any]:
    """What every page shows: the search form as it was sent, and the page's own address."""
    return {
        "canonical": request.build_absolute_uri(
            navigation.address(asked, page=asked.get("page"), explain=None, ordering=None)
        ),
        "asked": {name: values[-1] for name, values in asked.items()},
        "asked_brands": asked.get("brand", []),
        "asked_categories": asked.get("category", []),
        "asked_attributes": asked.get("attribute", []),
        "modes": MODES,
        "mode": next(iter(asked.get("mode", [])), Mode.HYBRID),
        "currency": settings.DEFAULT_CURRENCY,
    }


def _start() -> dict[str, Any]:
    """What invites a visitor who has not asked anything yet."""
    newest = _newest()
    fields = hydrate(newest)
    return {
        "examples": settings.STOREFRONT_EXAMPLES,
        "departments": _departments(),
        "newest": [fields[pk] for pk in newest if pk in fields],
    }


def _newest() -> list[int]:
    """The newest products' ids, of as many categories as possible: an import adds many of a kind in a row."""
    rows = Product.objects.active().order_by("-id").values_list("id", "category_id")[:LATEST]
    seen: Counter[int | None] = Counter()
    turns = []
    for position, (pk, category_id) in enumerate(rows):
        turns.append((seen[category_id], position, pk))
        seen[category_id] += 1
    return [pk for _, _, pk in sorted(turns)[:NEWEST]]


def _departments() -> list[CategoryNode]:
    """The top categories that have products."""
    return [node for node in category_tree() if node.product_count]


def _found(asked: Asked, query: SearchQuery, result: SearchResult) -> dict[str, Any]:
    names = _category_names(query.filters)
    typed = priced(query.text, settings.DEFAULT_CURRENCY) if result.understood else None
    facets = navigation.facets(result.facets, asked, result.total)
    return {
        "result": result,
        "heading": "" if query.text else ", ".join(names.values()),
        "facets": facets,
        "attribute_facets": navigation.attribute_facets(result.facets, asked, result.total),
        "chips": navigation.chips(asked, query.filters, names, typed),
        "pages": navigation.pages(result, asked),
        "orderings": navigation.orderings(asked),
        "explain": query.explain,
        "by_meaning_url": navigation.address(asked, mode=None),
        "corrected_url": navigation.address(asked, q=[result.corrected]) if result.corrected else "",
        "explain_url": navigation.address(asked, explain=None if query.explain else ["1"]),
        "without_filters": navigation.without_filters(asked, typed),
        "categories": [] if "category" in facets else _category_options(),
    }


def _logged(request: HttpRequest, query: SearchQuery, result: SearchResult) -> dict[str, Any]:
    """What the page's script tells of a click: the id of the search, and the place of the page's first product."""
    return {
        "search_id": record_search(request, query, result, SearchLog.Source.STOREFRONT),
        "before": (query.page - 1) * query.page_size,
    }


def _mistakes(asked: Asked, error: InvalidQueryError) -> dict[str, Any]:
    return {
        "errors": error.errors,
        "first_page": navigation.address(asked),
        "without_attributes": navigation.address(asked, attribute=None),
        "without_filters": navigation.without_filters(asked),
        "categories": _category_options(),
    }


def _category_names(filters: Filters) -> Mapping[str, str]:
    if not filters.categories:
        return {}
    named = Category.objects.filter(slug__in=filters.categories).order_by("path")
    return dict(named.values_list("slug", "name"))


def _category_options() -> list[tuple[str, str]]:
    """Slugs and names of all categories, names indented by their place in the tree."""
    options = Category.objects.order_by("path").values_list("slug", "name", "path")
    return [(slug, INDENT * path.count("/") + name) for slug, name, path in options]


def _breadcrumb(category: Category | None) -> list[Category]:
    """The category and those above it, the highest first."""
    if category is None:
        return []
    return list(Category.objects.filter(slug__in=category.path.split("/")).order_by("path"))


def _similar(item: Product) -> list[Hit]:
    try:
        return similar_products(SimilarQuery(sku=item.sku, limit=SIMILAR)).hits
    except SearchError:  # the page is about the product; it can do without its neighbours
        return []
