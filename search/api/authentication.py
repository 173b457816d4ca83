"""Who asks. DRF's own classes, made safe against texts that PostgreSQL cannot hold."""

from typing import Any

from django.conf import settings
from drf_spectacular.authentication import BasicScheme, SessionScheme
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request


class BasicAuthentication(authentication.BasicAuthentication):
    """Name and password in the Authorization header; comes first, so that a stranger's answer is 401."""

    www_authenticate_realm = "nearshelf"

    def authenticate_credentials(self, userid: str, password: str, request: Any = None) -> Any:
        """Return (user, None). Raises AuthenticationFailed."""
        if "\x00" in userid:
            raise AuthenticationFailed("Invalid username/password.")
        return super().authenticate_credentials(userid, password, request)


class SessionAuthentication(authentication.SessionAuthentication):
    """The admin's session; unsafe methods need its CSRF token."""

    def authenticate(self, request: Request) -> Any:
        """Return (user, None), or None for a stranger."""
        if "\x00" in request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""):
            return None
        return super().authenticate(request)


class _BasicScheme(BasicScheme):
    """The same description for our class."""

    target_class = "search.api.authentication.BasicAuthentication"


class _SessionScheme(SessionScheme):
    target_class = "search.api.authentication.SessionAuthentication"
