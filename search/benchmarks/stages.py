"""Where the time of a search goes."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from search.api import warmup
from search.benchmarks import workload
from search.engine import search_products
from search.query import Mode, SearchQuery
from search.trace import tracing

WARM_UP = 5
KINDS: dict[str, dict[str, Any]] = {
    "hybrid": {},
    "semantic": {"mode": Mode.SEMANTIC},
    "keyword": {"mode": Mode.KEYWORD},
    "facets": {"facets": ("category", "brand", "price")},
}

Figures = dict[str, dict[str, float]]


def measure(count: int) -> dict[str, Figures]:
    """Percentiles of the stages and of the whole of `count` searches, by kind of search, in milliseconds.

    The query is encoded while its words are looked up, so that stages add up to more than the whole.
    """
    if not count:
        return {}
    warmup.warm()
    texts = (query.text for query in workload.queries(seed=4))
    return {name: _measure(texts, options, count) for name, options in KINDS.items()}


def _measure(texts: Iterator[str], options: dict[str, Any], count: int) -> Figures:
    taken: dict[str, list[float]] = defaultdict(list)
    for number, text in enumerate(islice(texts, WARM_UP + count)):
        with tracing() as trace:
            result = search_products(SearchQuery(text, **options))
        if number >= WARM_UP:
            for stage, ms in {**trace.stages_ms, "whole": result.timings_ms["total"]}.items():
                taken[stage].append(ms)
    return {stage: _percentiles(times) for stage, times in taken.items()}


def _percentiles(times: list[float]) -> dict[str, float]:
    return {
        "p50_ms": round(float(np.percentile(times, 50)), 2),
        "p95_ms": round(float(np.percentile(times, 95)), 2),
    }
