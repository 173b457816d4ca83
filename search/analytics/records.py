"""What waits to be written: plain values of a search or an event, and how they become rows."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.db.models import Count

from search.analytics.masking import masked, normalized, visible
from search.analytics.models import MAX_TEXT, SearchEvent, SearchLog
from search.query import Filters, SearchQuery

# One search can hardly be followed by more; whoever sends more than these is no customer.
MAX_EVENTS = 100
# Of a query's words that no product has, so many are kept.
MAX_UNMATCHED = 10
_MAX_SMALL = 32_767


@dataclass(frozen=True, slots=True)
class SearchRecord:
    """A search as the request leaves it. What costs time, such as masking, is left to the writer."""

    id: UUID
    query: SearchQuery
    total: int
    latency_ms: float
    degraded: bool
    corrected: str | None
    unmatched: tuple[str, ...]
    source: str
    at: datetime

    def row(self) -> dict[str, Any]:
        """The columns of the row to write, with nothing personal in them."""
        text = masked(self.query.text)
        return {
            "id": self.id,
            "text": text[:MAX_TEXT],
            "normalized": normalized(text)[:MAX_TEXT],
            "mode": self.query.mode.value,
            "filters": _filters(self.query.filters),
            "page": min(self.query.page, _MAX_SMALL),
            "total": self.total,
            "latency_ms": self.latency_ms,
            "degraded": self.degraded,
            "corrected": masked(self.corrected or "")[:MAX_TEXT],
            "unmatched": [word[:MAX_TEXT] for word in visible(self.unmatched, text)][:MAX_UNMATCHED],
            "source": self.source,
            "created_at": self.at,
            "clicked": False,
        }


@dataclass(frozen=True, slots=True)
class EventRecord:
    """What was done with a product."""

    search_id: UUID
    kind: str
    sku: str
    position: int | None
    at: datetime

    def row(self) -> SearchEvent:
        """The row to write."""
        return SearchEvent(
            search_id=self.search_id,
            kind=self.kind,
            sku=self.sku,
            position=self.position,
            created_at=self.at,
        )


Record = SearchRecord | EventRecord


def write(records: Sequence[Record]) -> list[EventRecord]:
    """Write records that may have been written before; return events whose search is not written yet.

    Raises django.db.Error.
    """
    searches = [record.row() for record in records if isinstance(record, SearchRecord)]
    events = [record for record in records if isinstance(record, EventRecord)]
    if searches:
        _insert(searches)
    return _write_events(events) if events else []


def _insert(searches: Sequence[dict[str, Any]]) -> None:
    """Add rows of searches.

    They go as one JSON: the ORM takes five times as long, for which every request of this process would wait. A batch
    that was written when the connection broke is written again: its ids say so.
    """
    fields = SearchLog._meta.concrete_fields
    columns = ", ".join(str(field.column) for field in fields)
    types = ", ".join(f"{field.column} {field.db_type(connection)}" for field in fields)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {SearchLog._meta.db_table} ({columns})"
            f" SELECT {columns} FROM jsonb_to_recordset(%s::jsonb) AS searched({types}) ON CONFLICT DO NOTHING",
            (orjson.dumps(searches).decode(),),
        )


@transaction.atomic
def _write_events(events: Sequence[EventRecord]) -> list[EventRecord]:
    ids = {event.search_id for event in events}
    numbers = dict(
        SearchLog.objects.filter(pk__in=ids).annotate(number=Count("events")).values_list("pk", "number")
    )
    rows, early = [], []
    for event in events:
        if (number := numbers.get(event.search_id)) is None:
            early.append(event)
        elif number < MAX_EVENTS:
            numbers[event.search_id] = number + 1
            rows.append(event.row())
    SearchEvent.objects.bulk_create(rows, ignore_conflicts=True)
    SearchLog.objects.filter(pk__in={row.search_id for row in rows}, clicked=False).update(clicked=True)
    return early


def _filters(filters: Filters) -> dict[str, Any]:
    """Filters that are set, as JSON. Whatever a visitor can write is masked: a brand is any text."""
    found = {name: value for name, value in asdict(filters).items() if value not in ((), None)}
    if filters.attributes:
        found["attributes"] = tuple(
            f"{name}:{value}" for name, values in filters.attributes for value in values
        )
    return {
        name: [masked(text)[:MAX_TEXT] for text in value] if isinstance(value, tuple) else str(value)
        for name, value in found.items()
    }
