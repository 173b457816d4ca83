"""Searches are kept for so many days and no longer."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from search.analytics.models import SearchLog

# Short transactions; what is left over is for the next time.
BATCH = 2_000
MAX_BATCHES = 25


def forget_old_searches() -> int:
    """Delete searches that are older than SEARCH_LOG_RETENTION_DAYS, with their events; return how many."""
    oldest = timezone.now() - timedelta(days=settings.SEARCH_LOG_RETENTION_DAYS)
    old = SearchLog.objects.filter(created_at__lt=oldest).order_by("created_at").values_list("pk", flat=True)
    deleted = 0
    for _ in range(MAX_BATCHES):
        batch = list(old[:BATCH])
        SearchLog.objects.filter(pk__in=batch).delete()
        deleted += len(batch)
        if len(batch) < BATCH:
            break
    return deleted
