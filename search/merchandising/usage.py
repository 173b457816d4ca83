"""Counts in how many searches each rule and each synonym was used, without a write per search.

Counts gather in the process; a thread that lives only while there are some writes them every FLUSH_AFTER_S. A process
that is killed loses what it counted since.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable

from django.db import Error as DatabaseError
from django.db import connection, transaction

from search.results import SearchResult

logger = logging.getLogger("nearshelf.search")

FLUSH_AFTER_S = 5.0

# What was deleted meanwhile is not counted. In the order of their ids, so that two writers cannot deadlock.
_ADD_SQL = """
INSERT INTO {uses} AS u ({column}, searches, last_used_at)
SELECT r.id, n.searches, now() FROM unnest(%s::bigint[], %s::bigint[]) AS n(id, searches)
JOIN {used} AS r ON r.id = n.id ORDER BY r.id
ON CONFLICT ({column}) DO UPDATE SET searches = u.searches + EXCLUDED.searches, last_used_at = EXCLUDED.last_used_at
"""
_ADD = {
    "rule": _ADD_SQL.format(uses="search_curationuse", column="rule_id", used="search_curationrule"),
    "synonym": _ADD_SQL.format(uses="search_synonymuse", column="synonym_id", used="search_synonym"),
}

_counts: Counter[tuple[str, int]] = Counter()  # by what it is, and its id
_lock = threading.Lock()
_thread: threading.Thread | None = None


def count(results: Iterable[SearchResult]) -> None:
    """Note which rules and synonyms customers' searches met. Further pages of a search are no further searches."""
    global _thread
    used = [one for result in results if result.page == 1 for one in _used(result)]
    if not used:
        return
    with _lock:
        _counts.update(used)
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_keep_flushing, name="rule-usage", daemon=True)
            _thread.start()


def _used(result: SearchResult) -> list[tuple[str, int]]:
    return [("rule", pk) for pk in result.rule_ids] + [("synonym", pk) for pk in result.synonym_ids]


def flush() -> None:
    """Write what was counted. Raises a database error, and then has forgotten nothing."""
    with _lock:
        counted = dict(_counts)
        _counts.clear()
    if not counted:
        return
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            for kind, add in _ADD.items():
                if numbers := {pk: number for (one, pk), number in counted.items() if one == kind}:
                    cursor.execute(add, (list(numbers), list(numbers.values())))
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
            logger.warning("Uses of rules and synonyms cannot be counted yet: %s", error)
        finally:
            connection.close()
        with _lock:
            if not _counts:
                _thread = None
                return
