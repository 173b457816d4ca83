"""Who may do what in the lab."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

VIEW = "search.view_judgmentlist"
JUDGE = "search.add_judgment"
NEW_LIST = "search.add_judgmentlist"
EVALUATE = "search.add_evaluationrun"
CANCEL = "search.change_evaluationrun"

View = Callable[..., HttpResponse]


def allowed(request: HttpRequest) -> dict[str, bool]:
    """What templates offer."""
    return {
        name: request.user.has_perm(permission)
        for name, permission in (
            ("judge", JUDGE),
            ("new_list", NEW_LIST),
            ("evaluate", EVALUATE),
            ("cancel", CANCEL),
            ("see_products", "catalog.view_product"),
            ("see_runs", "search.view_evaluationrun"),
        )
    }


def needs(permission: str, *methods: str) -> Callable[[View], View]:
    """Only for who has the permission, and only by these methods."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            if not request.user.has_perm(permission):
                raise PermissionDenied
            return view(self, request, *args, **kwargs)

        return guarded

    return decorate
