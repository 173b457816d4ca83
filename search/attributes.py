"""Which attributes the catalogue's products have.

Reading them takes a scan of the catalogue, a second at 100,000 products. So each process keeps the names, and looks
again only when it is asked for one that it does not know and the last look is long enough ago: strangers who make up
names cannot keep the database busy.
"""

import threading
import time
from collections.abc import Iterable

from search.statements import fetch

# A new attribute becomes a facet after this many seconds, or this many times what a look takes.
LOOK_AGAIN_AFTER_S = 30.0
LOOK_AGAIN_AFTER_LOOKS = 60

_NAMES_SQL = """
SELECT DISTINCT jsonb_object_keys(attributes) FROM catalog_product
WHERE is_active AND jsonb_typeof(attributes) = 'object'
"""


class AttributeNames:
    """The names as this process last saw them."""

    def __init__(self) -> None:
        self._names: frozenset[str] = frozenset()
        self._look_again_at = float("-inf")
        self._lock = threading.Lock()

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that no active product has as an attribute."""
        wanted = list(names)
        if any(name not in self._names for name in wanted):
            self._look()
        return [name for name in wanted if name not in self._names]

    def forget(self) -> None:
        """Know nothing, and look on the next question."""
        self._names = frozenset()
        self._look_again_at = float("-inf")

    def _look(self) -> None:
        with self._lock:
            began = time.monotonic()
            if began < self._look_again_at:
                return
            self._names = frozenset(name for (name,) in fetch(_NAMES_SQL, ()))
            took = time.monotonic() - began
            self._look_again_at = began + max(LOOK_AGAIN_AFTER_S, LOOK_AGAIN_AFTER_LOOKS * took)


names = AttributeNames()


def unknown_attributes(wanted: Iterable[str]) -> list[str]:
    """Those of `wanted` that are no attribute of any active product."""
    return names.missing(wanted)
