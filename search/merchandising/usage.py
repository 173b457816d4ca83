"""Counts in how many searches each rule was used, without a write per search.

Counts gather in the process; a thread that lives only while there are some writes them every FLUSH_AFTER_S. A process
that is killed loses what it counted since.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable

from django.db import Error as DatabaseError
from django.db import connection

from search.results import SearchResult

logger = logging.getLogger("nearshelf.search")

FLUSH_AFTER_S = 5.0

# A rule that was deleted meanwhile is not counted. In the order of their ids, so that two writers cannot deadlock.
_ADD_SQL = """
INSERT INTO search_curationuse AS u (rule_id, searches, last_used_at)
SELECT r.id, n.searches, now() FROM unnest(%s::bigint[], %s::bigint[]) AS n(rule_id, searches)
JOIN search_curationrule AS r ON r.id = n.rule_id ORDER BY r.id
ON CONFLICT (rule_id) DO UPDATE SET searches = u.searches + EXCLUDED.searches, last_used_at = EXCLUDED.last_used_at
"""

_counts: Counter[int] = Counter()
_lock = threading.Lock()
_thread: threading.Thread | None = None


def count(results: Iterable[SearchResult]) -> None:
    """Note which rules customers' searches met. Further pages of a search are no further searches."""
    global _thread
    rule_ids = [rule_id for result in results if result.page == 1 for rule_id in result.rule_ids]
    if not rule_ids:
        return
    with _lock:
        _counts.update(rule_ids)
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_keep_flushing, name="rule-usage", daemon=True)
            _thread.start()


def flush() -> None:
    """Write what was counted. Raises a database error, and then has forgotten nothing."""
    with _lock:
        counted = dict(_counts)
        _counts.clear()
    if not counted:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute(_ADD_SQL, (list(counted), list(counted.values())))
    except DatabaseError:
        with _lock:
            _counts.update(counted)
        raise


def forget() -> None:
    """Drop what was counted and is not written yet."""
    with _lock:
        _counts.clear()


def _keep_flushing() -> None:
    global _thread
    while True:
        time.sleep(FLUSH_AFTER_S)
        try:
            flush()
        except DatabaseError as error:
            logger.warning("Uses of curation rules cannot be counted yet: %s", error)
        finally:
            connection.close()
        with _lock:
            if not _counts:
                _thread = None
                return
