"""What the storefront tells browsers to refuse."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

# Nothing inline and nothing from elsewhere but the catalogue's pictures, which lie wherever their owner put them.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' https: http: data:",
        "style-src 'self'",
        "script-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
STOREFRONT_VIEWS = frozenset({"storefront", "product"})


class ContentSecurityPolicyMiddleware:
    """Sets the policy on the storefront's pages and on the error pages, which share their look."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # Django's own debug pages are made of inline styles and scripts.
        debug_page = settings.DEBUG and response.status_code >= 400
        match = request.resolver_match
        if (match is None or match.view_name in STOREFRONT_VIEWS) and not debug_page:
            response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return response
