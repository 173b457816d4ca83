"""What the OpenAPI document says of each endpoint."""

import json
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from search.analytics.ids import MAX_LENGTH
from search.api import serializers
from search.api.bodies import MAX_EVENT_BYTES, MAX_SEEDS, MAX_WEIGHT
from search.api.forms import (
    DEFAULT_PAGE_SIZE,
    DEFAULT_SIMILAR,
    DEFAULT_SUGGESTIONS,
    MAX_FACETS,
    MAX_PRICE,
    MAX_SIMILAR,
    MAX_VALUES,
)
from search.api.pagination import ORDERINGS
from search.api.parsers import BeaconParser, JSONParser
from search.api.problems import CONTENT_TYPE
from search.models import SearchEvent
from search.query import (
    MAX_BATCH,
    MAX_DEPTH,
    MAX_FILTERED_ATTRIBUTES,
    MAX_PAGE_SIZE,
    MAX_QUERY_LENGTH,
    Fusion,
    Mode,
    Ordering,
)
from search.suggest import MAX_SUGGESTIONS

_PROBLEMS = {
    400: "A parameter or the body is not acceptable; `errors` says which and what to change.",
    401: "Log in: HTTP basic authentication or the admin's session.",
    403: "Not with this login (or the CSRF token is missing).",
    404: "There is no such thing.",
    405: "Not with this method.",
    406: "Only `application/json` is spoken here; ask for it, or leave the `Accept` header out.",
    413: "The body is too large.",
    415: "A body of another kind; `detail` says which may be sent.",
    429: "Too many requests; `Retry-After` says how many seconds to wait.",
    503: "The database does not answer at the moment.",
}
_ALWAYS = (401, 403, 405, 406, 429, 503)


def _responses(
    answer: Any, *problems: int, examples: list[OpenApiExample] | None = None, success: int = 200
) -> dict[Any, Any]:
    """The answer and every problem that the endpoint can have."""
    found: dict[Any, Any] = {success: OpenApiResponse(answer, examples=examples or [])}
    for status in sorted({*_ALWAYS, *problems}):
        found[(status, CONTENT_TYPE)] = OpenApiResponse(
            serializers.ProblemSerializer, description=_PROBLEMS[status]
        )
    return found


def _query(name: str, schema: dict[str, Any], description: str, **kwargs: Any) -> OpenApiParameter:
    return OpenApiParameter(name, schema, OpenApiParameter.QUERY, description=description, **kwargs)


def _many(name: str, description: str, most: int, **kwargs: Any) -> OpenApiParameter:
    schema = {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": most}
    return _query(name, schema, description, style="form", explode=True, **kwargs)


def _whole(name: str, description: str, highest: int, default: int) -> OpenApiParameter:
    schema = {"type": "integer", "minimum": 1, "maximum": highest, "default": default}
    return _query(name, schema, description)


def _share(name: str, description: str, highest: float = 1) -> OpenApiParameter:
    return _query(name, {"type": "number", "minimum": 0, "maximum": highest}, description)


def _flag(name: str, description: str) -> OpenApiParameter:
    return _query(name, {"type": "boolean", "default": False}, description)


_PRICE = {"type": "number", "minimum": 0, "maximum": MAX_PRICE}
FILTERS = [
    _many("category", "Slug of a category; everything below it is included. May be repeated.", MAX_VALUES),
    _many("brand", "A brand, exactly as products have it. May be repeated.", MAX_VALUES),
    _query("price_min", _PRICE, "Lowest price; products without a price are left out."),
    _query("price_max", _PRICE, "Highest price; products without a price are left out."),
    _many(
        "attribute",
        "An attribute and its value, as `colour:red`. Repeated for one attribute, either may be the value; of several "
        f"attributes (up to {MAX_FILTERED_ATTRIBUTES}), all must match.",
        MAX_VALUES,
    ),
]
_MIN_SCORE = _share("min_score", "Leave out hits below this score, before total, facets and pages.")
_EXPLAIN = _flag("explain", "Say for each hit how it was found.")
_PAGE_SIZE = _whole("page_size", "Hits a page.", MAX_PAGE_SIZE, DEFAULT_PAGE_SIZE)
_SKU = OpenApiParameter("sku", OpenApiTypes.STR, OpenApiParameter.PATH, description="The product's SKU.")

_HIT = {
    "sku": "DEMO-0007",
    "name": "Hammer drill 800 W",
    "brand": "Ferrum",
    "short_description": "Drills masonry, wood and steel.",
    "category": {"slug": "drills", "name": "Drills", "path": "tools/drills"},
    "price": "89.90",
    "currency": "EUR",
    "image_url": "",
    "url": "/products/DEMO-0007/",
    "score": 0.8132,
}
_SEARCH_ID = "AZqz2o5heVyP3Zk3m9Wc1w.1vMRfY.2oHn0Jb3o0bSr7Qm4mYQ5cNf1JvXk2r8ZtqkWf9dE0s"
_SEARCH = {
    "search_id": _SEARCH_ID,
    "query": {
        "text": "drill for concrete",
        "mode": "hybrid",
        "degraded": False,
        "corrected": None,
        "unmatched": [],
        "understood": {},
    },
    "total": 1,
    "total_relation": "exact",
    "page": 1,
    "page_size": 20,
    "next": None,
    "previous": None,
    "results": [_HIT],
    "facets": {},
    "timings_ms": {"encode": 2.9, "retrieve": 5.8, "total": 6.4},
}

search = extend_schema(
    operation_id="search",
    summary="Search products",
    tags=["search"],
    parameters=[
        _query(
            "q",
            {"type": "string", "maxLength": MAX_QUERY_LENGTH},
            'What to look for. `"a phrase"` must occur as it is, `-word` must not.',
            examples=[
                OpenApiExample("A wish", "drill for concrete"),
                OpenApiExample("A part code", "TN-2110"),
            ],
        ),
        _query(
            "mode",
            {"type": "string", "enum": [mode.value for mode in Mode], "default": "hybrid"},
            "By meaning and words together, or by one of them.",
        ),
        *FILTERS,
        _MIN_SCORE,
        _many(
            "facets",
            "What to count: `category`, `brand`, `price`, an attribute, or `attributes` for those that part what is "
            "found; repeated or parted by commas.",
            MAX_FACETS,
        ),
        _EXPLAIN,
        _query(
            "fusion",
            {"type": "string", "enum": [fusion.value for fusion in Fusion]},
            "How a hybrid search joins its two rankings; the shop's setting by default.",
        ),
        _query(
            "ordering",
            {"type": "string", "enum": [one.value for one in Ordering], "default": "relevance"},
            "The best first (without `q` the newest), the cheapest, the dearest or the newest; of the same products.",
        ),
        _whole("page", f"Page number; results can be paged up to number {MAX_DEPTH}.", MAX_DEPTH, 1),
        _PAGE_SIZE,
    ],
    responses=_responses(
        serializers.SearchSerializer,
        400,
        examples=[OpenApiExample("A search", _SEARCH, response_only=True)],
    ),
)

batch = extend_schema(
    operation_id="search_batch",
    summary=f"Up to {MAX_BATCH} searches at once",
    description="Encoded together. A query is a text, or an object with the parameters of a search.",
    tags=["search"],
    request={
        "application/json": {
            "type": "object",
            "required": ["queries"],
            "additionalProperties": False,
            "properties": {
                "queries": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_BATCH,
                    "items": {
                        "oneOf": [
                            {"type": "string", "maxLength": MAX_QUERY_LENGTH},
                            {"type": "object", "description": "The parameters of `/api/search/`."},
                        ]
                    },
                }
            },
        }
    },
    examples=[
        OpenApiExample(
            "Two queries",
            {"queries": ["drill for concrete", {"q": "saw", "mode": "keyword", "price_max": 50}]},
            request_only=True,
        )
    ],
    responses=_responses(serializers.BatchSerializer, 400, 413, 415),
)

_EVENT = {
    "type": "object",
    "required": ["search_id", "kind", "sku"],
    "additionalProperties": False,
    "properties": {
        "search_id": {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH},
        "kind": {"type": "string", "enum": SearchEvent.Kind.values},
        "sku": {"type": "string", "minLength": 1},
        "position": {
            "type": ["integer", "null"],
            "minimum": 1,
            "maximum": MAX_DEPTH,
            "description": "Place in the results, from 1.",
        },
    },
}
_CLICK = {"search_id": _SEARCH_ID, "kind": "click", "sku": "DEMO-0007", "position": 1}

events = extend_schema(
    operation_id="events",
    summary="What a visitor did with a product that a search found",
    description=(
        "For the shop's search analytics. Give the `search_id` of the answer that the product was in. What is sent "
        "twice counts once. The body may also be sent as `text/plain`, as `navigator.sendBeacon` does with a text."
    ),
    tags=["search"],
    request={
        JSONParser.media_type: _EVENT,
        BeaconParser.media_type: {
            "type": "string",
            "maxLength": MAX_EVENT_BYTES,
            "contentMediaType": JSONParser.media_type,
            "contentSchema": _EVENT,
        },
    },
    examples=[
        OpenApiExample("A click", _CLICK, request_only=True),
        OpenApiExample(
            "A click as text",
            json.dumps(_CLICK),
            request_only=True,
            media_type=BeaconParser.media_type,
        ),
    ],
    responses=_responses(serializers.EventAnswerSerializer, 400, 404, 413, 415, success=202),
)

similar = extend_schema(
    operation_id="product_similar",
    summary="Products like this one",
    tags=["products"],
    parameters=[
        _SKU,
        _whole("limit", "How many.", MAX_SIMILAR, DEFAULT_SIMILAR),
        *FILTERS,
        _flag("same_category", "Only from the product's own category."),
        _share("price_tolerance", "0.25: only within 25 % of the product's own price.", 100),
        _MIN_SCORE,
        _share("diversity", "From 0, the nearest, to 1, as unlike each other as can be (MMR)."),
        _EXPLAIN,
    ],
    responses=_responses(serializers.SimilarSerializer, 400, 404),
)

seeds = extend_schema(
    operation_id="similar",
    summary="Products like several others",
    description="A negative weight leads away from its product. The products named are not among the answers.",
    tags=["products"],
    request={
        "application/json": {
            "type": "object",
            "required": ["seeds"],
            "properties": {
                "seeds": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_SEEDS,
                    "items": {
                        "oneOf": [
                            {"type": "string"},
                            {
                                "type": "object",
                                "required": ["sku"],
                                "additionalProperties": False,
                                "properties": {
                                    "sku": {"type": "string"},
                                    "weight": {
                                        "type": "number",
                                        "minimum": -MAX_WEIGHT,
                                        "maximum": MAX_WEIGHT,
                                        "default": 1,
                                    },
                                },
                            },
                        ]
                    },
                },
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_SIMILAR,
                    "default": DEFAULT_SIMILAR,
                },
                "category": {"type": "array", "items": {"type": "string"}},
                "brand": {"type": "array", "items": {"type": "string"}},
                "price_min": _PRICE,
                "price_max": _PRICE,
                "attribute": {"type": "array", "items": {"type": "string"}},
                "min_score": {"type": "number", "minimum": 0, "maximum": 1},
                "diversity": {"type": "number", "minimum": 0, "maximum": 1},
            },
        }
    },
    examples=[
        OpenApiExample(
            "Like one, unlike another",
            {"seeds": ["NS-PT-0101", {"sku": "NS-PT-0105", "weight": -0.5}], "limit": 5},
            request_only=True,
        )
    ],
    responses=_responses(serializers.SeedsAnswerSerializer, 400, 404, 413, 415),
)

suggest = extend_schema(
    operation_id="suggest",
    summary="Complete what is being typed",
    tags=["search"],
    parameters=[
        _query("q", {"type": "string", "maxLength": MAX_QUERY_LENGTH}, "What has been typed so far."),
        _whole("limit", "How many.", MAX_SUGGESTIONS, DEFAULT_SUGGESTIONS),
    ],
    responses=_responses(serializers.SuggestSerializer, 400),
)

product_list = extend_schema(
    operation_id="product_list",
    summary="List products",
    description="By keyset: follow `next`, which costs the same on every page.",
    tags=["products"],
    parameters=[
        *FILTERS,
        _query(
            "ordering",
            {"type": "string", "enum": list(ORDERINGS), "default": ORDERINGS[0]},
            "`-id`: newest first. Without a price counts as dearest.",
        ),
        _PAGE_SIZE,
        _query("cursor", {"type": "string", "maxLength": 600}, "From `next` or `previous`."),
    ],
    responses=_responses(serializers.ProductSerializer(many=True), 400),
)

product_detail = extend_schema(
    operation_id="product_detail",
    summary="One product",
    description="Staff also see the status of its embedding, and products that are not active.",
    tags=["products"],
    parameters=[_SKU],
    responses=_responses(serializers.ProductDetailSerializer, 400, 404),
)

categories = extend_schema(
    operation_id="category_tree",
    summary="The tree of categories",
    tags=["products"],
    responses=_responses(serializers.CategoriesSerializer, 400),
)

status = extend_schema(
    operation_id="embedding_status",
    summary="How far embedding is",
    description="For staff.",
    tags=["operations"],
    responses=_responses(serializers.StatusSerializer, 400),
)
