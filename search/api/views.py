"""The API. Views parse and render; what happens to a query is in search/engine.py."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db.models import QuerySet
from django.utils.cache import patch_cache_control
from rest_framework import generics
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.models import Product
from embeddings import status
from search.analytics.events import record_event
from search.analytics.recording import record_search
from search.api import openapi, rendering
from search.api.bodies import MAX_EVENT_BYTES, parse_batch, parse_event, parse_seeds
from search.api.filters import ProductFilter, ProductFilterBackend
from search.api.pagination import KeysetPagination
from search.api.parameters import check_encoding, check_names, parse_search, parse_similar, parse_suggest
from search.api.parsers import BeaconParser, JSONParser
from search.api.serializers import ProductDetailSerializer, ProductSerializer
from search.categories import category_tree
from search.engine import search_batch, search_products
from search.exceptions import InvalidQueryError, ProductNotFoundError
from search.merchandising import usage
from search.models import SearchLog
from search.similar import similar_products, similar_to_seeds
from search.suggest import suggest


class CachedView(APIView):
    """Says how long answers may be kept; errors are never kept (see problems.py)."""

    # Answers change with every product that is saved: ask again each time.
    cache_control: dict[str, Any] = {"no_cache": True}
    # What `Allow` lists: OPTIONS would tell nothing that the schema does not.
    http_method_names = ["get", "head", "post"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse parameters that are not UTF-8, whatever they mean here. Raises InvalidQueryError."""
        super().initial(request, *args, **kwargs)
        if errors := check_encoding(request.META.get("QUERY_STRING", "")):
            raise InvalidQueryError(errors)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Add Cache-Control where the answer has none."""
        response = super().finalize_response(request, response, *args, **kwargs)
        if not response.has_header("Cache-Control"):
            patch_cache_control(response, **self.cache_control)
        return response


class SearchView(CachedView):
    """GET /api/search/"""

    @openapi.search
    def get(self, request: Request) -> Response:
        """Search products by meaning, by words or both."""
        query = parse_search(request.query_params, strict=True)
        result = search_products(query)
        usage.count([result])
        search_id = record_search(request, query, result, SearchLog.Source.API)
        return Response(rendering.envelope(query, result, request.build_absolute_uri(), search_id))


class BatchView(CachedView):
    """POST /api/search/batch/"""

    throttle_scope = "batch"

    @openapi.batch
    def post(self, request: Request) -> Response:
        """Answer several searches in the order given."""
        refuse_parameters(request)
        queries = parse_batch(request.data)
        results = search_batch(queries)
        usage.count(results)
        pages = []
        for query, result in zip(queries, results, strict=True):
            search_id = record_search(request, query, result, SearchLog.Source.API)
            pages.append(rendering.envelope(query, result, address=None, search_id=search_id))
        return Response({"results": pages})


class EventsView(CachedView):
    """POST /api/events/"""

    # The signed id says all that counts: no session is read, so that no page elsewhere can make use of one.
    authentication_classes = []
    throttle_scope = "events"
    parser_classes = [JSONParser, BeaconParser]
    cache_control = {"no_store": True}

    @openapi.events
    def post(self, request: Request) -> Response:
        """Note that a product was clicked, put into the cart or bought after a search found it."""
        if len(request.body) > MAX_EVENT_BYTES:
            raise RequestDataTooBig
        refuse_parameters(request)
        record_event(parse_event(request.data))
        return Response({"status": "accepted"}, status=202)


class ProductListView(CachedView, generics.ListAPIView[Product]):
    """GET /api/products/"""

    queryset = Product.objects.active().select_related("category")
    serializer_class = ProductSerializer
    filter_backends = [ProductFilterBackend]
    filterset_class = ProductFilter
    pagination_class = KeysetPagination

    @openapi.product_list
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List active products."""
        return super().get(request, *args, **kwargs)


class ProductDetailView(CachedView):
    """GET /api/products/{sku}/"""

    # Staff see more than strangers do.
    cache_control = {"no_cache": True, "private": True}

    @openapi.product_detail
    def get(self, request: Request, sku: str) -> Response:
        """Show one product."""
        refuse_parameters(request)
        staff = bool(request.user and request.user.is_staff)
        products = Product.objects.select_related("category")
        product = find_product(products if staff else products.active(), sku)
        return Response(ProductDetailSerializer(product, context={"staff": staff}).data)


class SimilarView(CachedView):
    """GET /api/products/{sku}/similar/"""

    @openapi.similar
    def get(self, request: Request, sku: str) -> Response:
        """Find products like this one."""
        query = parse_similar(sku, request.query_params, strict=True)
        return Response({"sku": sku, **rendering.similar(similar_products(query))})


class SeedsView(CachedView):
    """POST /api/similar/"""

    @openapi.seeds
    def post(self, request: Request) -> Response:
        """Find products like several others, and unlike some."""
        refuse_parameters(request)
        return Response(rendering.similar(similar_to_seeds(parse_seeds(request.data))))


class SuggestView(CachedView):
    """GET /api/suggest/"""

    # Asked at every key that is hit; the next visitor types the same beginnings.
    throttle_scope = "suggest"
    cache_control = {"public": True, "max_age": 60}

    @openapi.suggest
    def get(self, request: Request) -> Response:
        """Complete what a visitor is typing."""
        text, limit = parse_suggest(request.query_params)
        return Response(rendering.suggestions(text, suggest(text, limit)))


class CategoriesView(CachedView):
    """GET /api/categories/"""

    cache_control = {"public": True, "max_age": 60}

    @openapi.categories
    def get(self, request: Request) -> Response:
        """Show the tree of categories with product counts."""
        refuse_parameters(request)
        return Response({"results": category_tree()})


class EmbeddingStatusView(CachedView):
    """GET /api/embeddings/status/"""

    permission_classes = [IsAdminUser]
    cache_control = {"no_store": True}

    @openapi.status
    def get(self, request: Request) -> Response:
        """Show how far embedding is."""
        refuse_parameters(request)
        return Response(status.report())


def find_product(products: QuerySet[Product], sku: str) -> Product:
    """The product with this SKU. Raises ProductNotFoundError."""
    # PostgreSQL holds no null characters, so no product has one.
    product = None if "\x00" in sku else products.filter(sku=sku).first()
    if product is None:
        raise ProductNotFoundError(sku)
    return product


def refuse_parameters(request: Request) -> None:
    """Refuse parameters where none means anything. Raises InvalidQueryError."""
    if errors := check_names(request.query_params, ()):
        raise InvalidQueryError(errors)
