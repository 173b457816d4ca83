"""Errors as `application/problem+json` (RFC 9457), one entry per bad field."""

import logging
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from search.api.renderers import dump
from search.exceptions import InvalidQueryError, SearchError

logger = logging.getLogger("nearshelf.api")

CONTENT_TYPE = "application/problem+json"
API_PREFIX = "/api/"
RETRY_AFTER_S = 5

Fields = dict[str, list[str]]


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook: return the answer for `error`, or None for one that is a bug here."""
    request = context.get("request")
    status, detail, fields, headers = _read(error, request)
    if status is None:
        return None
    set_rollback()
    response = Response(
        problem(status, detail, fields, request.path if request is not None else None),
        status=status,
        headers={**headers, "Cache-Control": "no-store"},
        content_type=CONTENT_TYPE,
    )
    return response


def problem(
    status: int, detail: str, fields: Fields | None = None, instance: str | None = None
) -> dict[str, Any]:
    """The members of a problem; `fields` maps the bad ones to what to change."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if instance is not None:
        body["instance"] = instance
    if fields:
        body["errors"] = [{"field": name, "detail": text} for name, texts in fields.items() for text in texts]
    return body


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's 400 page: a problem below /api/."""
    if not request.path.startswith(API_PREFIX):
        return defaults.bad_request(request, exception)
    return _plain(400, "The request cannot be read: a header or parameter is not acceptable.", request)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's 404 page: a problem below /api/."""
    if not request.path.startswith(API_PREFIX):
        return defaults.page_not_found(request, exception)
    return _plain(404, "There is nothing at this address; /api/docs/ lists what there is.", request)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's 500 page: a problem below /api/."""
    if not request.path.startswith(API_PREFIX):
        return defaults.server_error(request)
    return _plain(500, "Something went wrong here; the server's log says what.", request)


def _plain(status: int, detail: str, request: HttpRequest) -> HttpResponse:
    body = dump(problem(status, detail, instance=request.path))
    return HttpResponse(body, status=status, content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def _read(error: Exception, request: Any) -> tuple[int | None, str, Fields, dict[str, str]]:
    """Status, sentence, bad fields and headers for an exception; status None for a bug."""
    match error:
        case InvalidQueryError():
            return 400, _sentence(error.errors), error.errors, {}
        case SearchError():
            return error.status, str(error), {}, {}
        case exceptions.ValidationError():
            fields = _flatten(error.detail)
            return 400, _sentence(fields), fields, {}
        case exceptions.NotAcceptable():
            spoken = _kinds(error.available_renderers or ())
            return 406, f"Ask for {spoken} in the Accept header, or leave it out.", {}, {}
        case exceptions.UnsupportedMediaType():
            read = _kinds(getattr(request, "parsers", ()))
            return 415, f"{error.detail} Send {read}, and say so in the Content-Type header.", {}, {}
        case exceptions.APIException():
            return error.status_code, str(error.detail), {}, _headers(error)
        case Http404():
            return 404, str(error) or "There is nothing at this address.", {}, {}
        case PermissionDenied():
            return 403, str(error) or "You may not do this.", {}, {}
        case RequestDataTooBig():
            return 413, "The request's body is too large; send less at once.", {}, {}
        case SuspiciousOperation():
            return 400, "The request cannot be read.", {}, {}
        case OperationalError() | InterfaceError():
            logger.exception("The database did not answer")
            detail = "The database does not answer at the moment; try again shortly."
            return 503, detail, {}, {"Retry-After": str(RETRY_AFTER_S)}
    return None, "", {}, {}


def _kinds(speakers: Iterable[Any]) -> str:
    """The media types that renderers write, or that parsers read."""
    return " or ".join(speaker.media_type for speaker in speakers)


def _headers(error: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return headers


def _sentence(fields: Fields) -> str:
    if len(fields) == 1:
        return "One field is not acceptable; see errors."
    return f"{len(fields)} fields are not acceptable; see errors."


def _flatten(detail: Any) -> Fields:
    """DRF's nested error details as one list of sentences per dotted field."""
    fields: Fields = {}
    for name, text in _leaves(detail, ""):
        fields.setdefault(name, []).append(text)
    return fields


def _leaves(detail: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(detail, dict):
        for key, value in detail.items():
            yield from _leaves(value, f"{name}.{key}" if name else str(key))
    elif isinstance(detail, list):
        for value in detail:
            yield from _leaves(value, name)
    else:
        yield name, str(detail)
