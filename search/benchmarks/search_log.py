"""What the search log costs a request."""

import time
from itertools import islice

import numpy as np
from django.conf import settings
from django.http import HttpRequest

from search.analytics import recording
from search.benchmarks import workload
from search.models import SearchLog
from search.query import Mode, SearchQuery
from search.results import SearchResult

# 200 searches a second: while some are noted, earlier ones are being written.
PAUSE_S = 0.005


def measure(count: int) -> dict[str, float]:
    """Note `count` searches as a view does, while they are written; milliseconds that each one waited for that.

    Nothing where SEARCH_LOG is off.
    """
    if not (settings.SEARCH_LOG and count):
        return {}
    request = HttpRequest()
    request.method = "GET"
    result = SearchResult([], 20, "exact", Mode.HYBRID, False, None, timings_ms={"total": 5.0})
    times = []
    for text in islice((query.text for query in workload.queries(seed=2)), count):
        began = time.perf_counter()
        recording.record_search(request, SearchQuery(text), result, SearchLog.Source.API)
        times.append(1000 * (time.perf_counter() - began))
        time.sleep(PAUSE_S)
    recording.recorder.flush()
    return {
        f"{name}_ms": round(float(np.percentile(times, share)), 3)
        for name, share in (("p50", 50), ("p95", 95), ("p99", 99))
    }
