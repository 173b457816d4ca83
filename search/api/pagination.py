"""Keyset pages of the product list.

A page starts after the last row of the one before it, so that page 1,000 costs what page 1 costs and a product that
is added meanwhile shifts nothing. A product without a price counts as dearer than any other, which is how PostgreSQL
orders nulls and hence how its indexes can be read in either direction.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

import orjson
from django import forms
from django.db.models import Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

from search.api.forms import DEFAULT_PAGE_SIZE, NumberField, TextField, WordField
from search.api.parameters import form_errors
from search.exceptions import InvalidQueryError
from search.query import MAX_PAGE_SIZE

ORDERINGS = ("-id", "id", "sku", "-sku", "price", "-price")
_MAX_ID = 2**63 - 1
_PRICE = re.compile(r"[0-9]{1,10}\.[0-9]{2}")


@dataclass(frozen=True)
class Cursor:
    """The row that a page begins after (or, `backward`, ends before)."""

    id: int
    value: str | None  # of the ordering's field; None: the row has none
    backward: bool

    def encode(self) -> str:
        """Text for an address."""
        return (
            base64.urlsafe_b64encode(orjson.dumps([self.id, self.value, self.backward])).decode().rstrip("=")
        )

    @classmethod
    def decode(cls, text: str, field: str) -> "Cursor":
        """Read what `encode` wrote for an ordering by `field`. Raises ValueError for anything else."""
        try:
            match orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)):
                case [int(row), (None | str()) as value, bool(backward)] if (
                    row is not True and 0 < row <= _MAX_ID
                ):
                    _check(field, value)
                    return cls(row, value, backward)
        except (binascii.Error, UnicodeError) as error:
            raise ValueError("not a cursor") from error
        raise ValueError("not a cursor")


class PageForm(forms.Form):
    """Where in the list to be."""

    ordering = WordField("ordering", ORDERINGS)
    page_size = NumberField(required=False, min_value=1, max_value=MAX_PAGE_SIZE)
    cursor = TextField(required=False, max_length=600)

    def clean(self) -> dict[str, Any]:
        """Decode the cursor, which belongs to one ordering."""
        cleaned = super().clean() or self.cleaned_data
        ordering = cleaned["ordering"] = cleaned.get("ordering") or ORDERINGS[0]
        if text := cleaned.get("cursor"):
            try:
                cleaned["cursor"] = Cursor.decode(text, ordering.lstrip("-"))
            except ValueError:
                self.add_error("cursor", "Use the address in `next` or `previous`, or leave the cursor out.")
        return cleaned


class KeysetPagination(BasePagination):
    """Pages by `cursor`, in one of ORDERINGS."""

    parameters = tuple(PageForm.base_fields)

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """Return the page's rows. Raises InvalidQueryError."""
        form = PageForm(request.query_params)
        if not form.is_valid():
            raise InvalidQueryError(form_errors(form))
        size = form.cleaned_data["page_size"] or DEFAULT_PAGE_SIZE
        self._address = request.build_absolute_uri()
        self._ordering: str = form.cleaned_data["ordering"]
        cursor: Cursor | None = form.cleaned_data["cursor"] or None
        backward = cursor is not None and cursor.backward
        rows = _rows(queryset, self._ordering, cursor, size + 1)
        more, rows = len(rows) > size, rows[:size]
        if backward:
            rows.reverse()
        self._rows = rows
        self._has_next = more if not backward else True
        self._has_previous = more if backward else cursor is not None
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        """The page with the addresses of its neighbours."""
        return Response({"next": self._neighbour(False), "previous": self._neighbour(True), "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """What the OpenAPI document says of a page."""
        address = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": address, "previous": address, "results": schema},
        }

    def _neighbour(self, backward: bool) -> str | None:
        if not (self._has_previous if backward else self._has_next):
            return None
        if not self._rows:  # beyond an end: back to the start
            return remove_query_param(self._address, "cursor")
        row = self._rows[0 if backward else -1]
        value = getattr(row, self._ordering.lstrip("-"))
        cursor = Cursor(row.pk, None if value is None else str(value), backward)
        return replace_query_param(self._address, "cursor", cursor.encode())


def _check(field: str, value: str | None) -> None:
    """Refuse a value that the database could not compare with `field`. Raises ValueError."""
    if field == "price":
        if value is not None and not _PRICE.fullmatch(value):
            raise ValueError("not a price")
    elif value is None or "\x00" in value:
        raise ValueError("not a key")


def _rows(queryset: QuerySet[Any], ordering: str, cursor: Cursor | None, limit: int) -> list[Any]:
    """At most `limit` rows that follow the cursor, nearest first."""
    field, descending = ordering.lstrip("-"), ordering.startswith("-")
    if cursor is not None and cursor.backward:
        descending = not descending
    sign = "-" if descending else ""
    rows: list[Any] = []
    for part in _parts(field, descending, cursor):
        ordered = queryset.filter(part).order_by(f"{sign}{field}", *([f"{sign}id"] if field != "id" else []))
        rows += ordered[: limit - len(rows)]
        if len(rows) == limit:
            break
    return rows


def _parts(field: str, descending: bool, cursor: Cursor | None) -> list[Q]:
    """Conditions whose rows, one condition after the other, are all rows that follow the cursor.

    Rows with and without a price are asked for apart: a condition that joins them could not use the index.
    """
    beyond = "lt" if descending else "gt"
    if field == "id":
        return [Q(**{f"id__{beyond}": cursor.id}) if cursor else Q()]
    if field == "sku":
        return [Q(**{f"sku__{beyond}": cursor.value}) if cursor else Q()]
    if cursor is None:
        priced, unpriced = [Q(price__isnull=False)], [Q(price__isnull=True)]
    elif cursor.value is None:
        priced = [Q(price__isnull=False)] if descending else []
        unpriced = [Q(price__isnull=True, **{f"id__{beyond}": cursor.id})]
    else:
        same = Q(**{"price": cursor.value, f"id__{beyond}": cursor.id})
        priced = [Q(**{f"price__{beyond}e": cursor.value}) & (Q(**{f"price__{beyond}": cursor.value}) | same)]
        unpriced = [] if descending else [Q(price__isnull=True)]
    return [*unpriced, *priced] if descending else [*priced, *unpriced]
