"""Logging turned on, with a buffer that is emptied when the test says so."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from search.analytics import ids, recording
from search.analytics.recording import Recorder
from search.models import SearchLog

NEVER_S = 3_600.0


@pytest.fixture
def recorder(settings: Any, monkeypatch: Any) -> Iterator[Recorder]:
    """The process's buffer; `flush()` writes what is there into the test's own transaction."""
    settings.SEARCH_LOG = True
    one = Recorder(interval_s=NEVER_S)
    monkeypatch.setattr(recording, "recorder", one)
    yield one
    one._waiting.clear()
    one._batch, one._early = [], []
    one.stop()


@pytest.fixture
def make_search(db: None) -> Callable[..., SearchLog]:
    """Make a logged search; what is not given is made up."""

    def make(text: str = "drill", at: datetime | None = None, **fields: Any) -> SearchLog:
        given: dict[str, Any] = {
            "normalized": text.lower(),
            "mode": "hybrid",
            "total": 3,
            "latency_ms": 10.0,
            "source": "api",
        }
        return SearchLog.objects.create(
            id=ids.new_id(), text=text, created_at=at or timezone.now(), **given | fields
        )

    return make
