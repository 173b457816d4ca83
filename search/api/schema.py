"""The OpenAPI document, made once per process."""

import threading
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from search.api.views import CachedView

_making = threading.Lock()


@cache
def document() -> dict[str, Any]:
    """The whole document as plain values."""
    with _making:  # the generator's extensions may not be loaded by two threads at once
        return SchemaGenerator().get_schema(request=None, public=True)


@extend_schema(exclude=True)
class SchemaView(CachedView):
    """GET /api/schema/"""

    cache_control = {"public": True, "max_age": 300}

    def get(self, request: Request) -> Response:
        """Show the document (OpenAPI 3.1, JSON)."""
        return Response(document())
