"""What visitors do with what they found: clicks, carts and purchases."""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from catalog.models import Product
from search.analytics import recording
from search.analytics.records import EventRecord
from search.exceptions import ProductNotFoundError


@dataclass(frozen=True)
class Event:
    """What was done with which product, after which search."""

    search_id: UUID
    kind: str  # of SearchEvent.Kind
    sku: str
    position: int | None = None  # in the results, from 1


def record_event(event: Event) -> None:
    """Have an event written down, after its search. Raises ProductNotFoundError."""
    if not Product.objects.filter(sku=event.sku).exists():
        raise ProductNotFoundError(event.sku)
    if settings.SEARCH_LOG:
        recording.recorder.put(
            EventRecord(event.search_id, event.kind, event.sku, event.position, timezone.now())
        )
