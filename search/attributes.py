"""Which attributes the catalogue's products have.

Reading them all takes a scan of the catalogue, so each process keeps the names, and looks again only when it is
asked for one that it does not know and the last look is some time ago.
"""

import threading
import time
from collections.abc import Iterable

from django.db import connection

LOOK_AGAIN_AFTER_S = 30.0

_NAMES_SQL = """
SELECT DISTINCT jsonb_object_keys(attributes) FROM catalog_product
WHERE is_active AND jsonb_typeof(attributes) = 'object'
"""


class AttributeNames:
    """The names as this process last saw them."""

    def __init__(self) -> None:
        self._names: frozenset[str] = frozenset()
        self._seen_at = float("-inf")
        self._lock = threading.Lock()

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that no active product has as an attribute."""
        wanted = list(names)
        if all(name in self._names for name in wanted):
            return []
        self._look()
        return [name for name in wanted if name not in self._names]

    def forget(self) -> None:
        """Look again on the next question."""
        self._seen_at = float("-inf")

    def _look(self) -> None:
        with self._lock:
            if time.monotonic() - self._seen_at < LOOK_AGAIN_AFTER_S:
                return
            with connection.cursor() as cursor:
                cursor.execute(_NAMES_SQL)
                self._names = frozenset(name for (name,) in cursor.fetchall())
            self._seen_at = time.monotonic()


names = AttributeNames()


def unknown_attributes(wanted: Iterable[str]) -> list[str]:
    """Those of `wanted` that are no attribute of any active product (new names may take half a minute)."""
    return names.missing(wanted)
