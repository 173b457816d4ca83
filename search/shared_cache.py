"""Redis as a cache that costs nothing when it is not there."""

import logging
import time
from typing import Any

from django.conf import settings
from django.core.cache import cache

logger = logging.getLogger("nearshelf.search")


class SharedCache:
    """Django's cache behind a circuit breaker: after a failure nobody asks for a while."""

    def __init__(self) -> None:
        self._open_until = 0.0

    def get(self, name: str) -> Any:
        """What is stored under a name, or None."""
        if not self._is_tried():
            return None
        try:
            return cache.get(name)
        except Exception as error:  # a cache may fail in any way; the answer is then made anew
            self._break(error)
            return None

    def set(self, name: str, value: Any) -> None:
        """Store a value for SEARCH_SHARED_CACHE_S seconds."""
        if not self._is_tried():
            return
        try:
            cache.set(name, value, settings.SEARCH_SHARED_CACHE_S)
        except Exception as error:
            self._break(error)

    def _is_tried(self) -> bool:
        return settings.SEARCH_SHARED_CACHE_S > 0 and time.monotonic() >= self._open_until

    def _break(self, error: Exception) -> None:
        self._open_until = time.monotonic() + settings.SEARCH_CACHE_RETRY_S
        logger.warning("The shared cache is not used for %s s: %s", settings.SEARCH_CACHE_RETRY_S, error)
