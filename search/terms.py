"""Document frequencies, spelling and suggestions: counted from the catalogue by the worker, read by every query."""

import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from catalog.lexical import LEXICAL_DIMENSIONS
from search.models import TermStatistics
from search.statements import fetch
from search.suggestion_counts import refresh_suggestions

# Shoppers use the same words again and again. So often it is seen whether they were counted anew.
FREQUENCIES_LAST_S = 60.0
MOST_REMEMBERED = 20_000  # 0.7 kB each
# Words longer than this are part numbers and noise; nobody mistypes them into something else.
MAX_WORD_LENGTH = 24
MIN_WORD_LENGTH = 3
# The best products are kept of words that more products have than are scored in no time: a fifth more of them than
# results are deep, for some are gone when they are asked for.
VERY_COMMON = 5_000
BEST_KEPT = 1_200

_REFRESH_TERMS_SQL = """
CREATE TEMP TABLE fresh_term ON COMMIT DROP AS
    SELECT word AS lexeme, ndoc AS documents
    FROM ts_stat('SELECT search_vector FROM public.catalog_product WHERE is_active');
INSERT INTO search_term AS t (lexeme, documents) SELECT lexeme, documents FROM fresh_term
    ON CONFLICT (lexeme) DO UPDATE SET documents = EXCLUDED.documents WHERE t.documents <> EXCLUDED.documents;
DELETE FROM search_term AS t WHERE NOT EXISTS (SELECT FROM fresh_term AS f WHERE f.lexeme = t.lexeme);
"""

# The keyword index is read once for each very common term.
_REFRESH_BEST_SQL = """
WITH fresh AS MATERIALIZED (
    SELECT f.lexeme, ARRAY(
        SELECT p.id FROM catalog_product AS p
        WHERE p.is_active
        AND p.search_vector @@ ('''' || replace(replace(f.lexeme, '\\', '\\\\'), '''', '''''') || '''')::tsquery
        ORDER BY p.lexical_weights <#> (
            '{' || public.catalog_lexeme_dimension(f.lexeme) || ':1}/' || %(dimensions)s)::sparsevec, p.id DESC
        LIMIT %(kept)s
    ) AS best
    FROM fresh_term AS f WHERE f.documents > %(common)s
)
UPDATE search_term AS t SET best_product_ids = fresh.best
FROM search_term AS before LEFT JOIN fresh USING (lexeme)
WHERE before.lexeme = t.lexeme AND t.best_product_ids IS DISTINCT FROM fresh.best;
"""

_REFRESH_WORDS_SQL = """
CREATE TEMP TABLE fresh_word ON COMMIT DROP AS
    SELECT word, ndoc AS documents
    FROM ts_stat($$SELECT to_tsvector('pg_catalog.simple', public.catalog_words(public.catalog_fold(
        concat_ws(E'\\n', name, brand, short_description, left(description, 2000)))))
        FROM public.catalog_product WHERE is_active$$)
    WHERE length(word) BETWEEN %(shortest)s AND %(longest)s AND word !~ '[0-9]';
INSERT INTO search_word AS w (word, documents, deletions)
    SELECT f.word, f.documents, ARRAY(
        SELECT DISTINCT overlay(f.word PLACING '' FROM i FOR 1) FROM generate_series(1, length(f.word)) AS i
    ) || f.word
    FROM fresh_word AS f
    ON CONFLICT (word) DO UPDATE SET documents = EXCLUDED.documents WHERE w.documents <> EXCLUDED.documents;
DELETE FROM search_word AS w WHERE NOT EXISTS (SELECT FROM fresh_word AS f WHERE f.word = w.word);
ANALYZE search_word, search_term;
DROP TABLE fresh_term, fresh_word;
"""

_WRITES_SQL = """
SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_user_tables
WHERE relid IN ('catalog_product'::regclass, 'catalog_category'::regclass)
"""
_COUNTED_SQL = "SELECT documents, refreshed_at FROM search_termstatistics"
_ESTIMATED_SIZE_SQL = (
    "SELECT greatest(reltuples, 1)::bigint FROM pg_class WHERE oid = 'catalog_product'::regclass"
)


@dataclass(frozen=True)
class _Reading:
    """What this process read of the frequencies, and when."""

    read_at: float
    size: int
    counted_at: datetime | None = None
    found: dict[Any, Any] = field(default_factory=dict)  # by whatever it was looked up with


_reading = _Reading(float("-inf"), 1)


def refresh_terms(only_if_changed: bool = False) -> int | None:
    """Count terms, words and suggestions of the active products; return how many products were counted.

    Readers see the old rows until the new ones are there, and only rows that changed are written. With
    `only_if_changed` nothing is done, and None returned, where nobody wrote to the catalogue since the last time.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        # One refresh at a time.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('search.refresh_terms'))")
        cursor.execute(_WRITES_SQL)
        (writes,) = cursor.fetchone()
        if only_if_changed and TermStatistics.objects.filter(writes=writes).exists():
            return None
        cursor.execute("SELECT count(*) FILTER (WHERE is_active), coalesce(max(id), 0) FROM catalog_product")
        documents, newest = cursor.fetchone()
        cursor.execute(_REFRESH_TERMS_SQL)
        cursor.execute(
            _REFRESH_BEST_SQL,
            {"common": VERY_COMMON, "kept": BEST_KEPT, "dimensions": LEXICAL_DIMENSIONS},
        )
        cursor.execute(_REFRESH_WORDS_SQL, {"shortest": MIN_WORD_LENGTH, "longest": MAX_WORD_LENGTH})
        refresh_suggestions(cursor, documents)
        TermStatistics.objects.update_or_create(
            pk=1,
            defaults={
                "documents": documents,
                "refreshed_at": timezone.now(),
                "writes": writes,
                "newest_product_id": newest,
            },
        )
    forget_frequencies()
    return documents


def terms_age() -> timedelta | None:
    """How old the document frequencies are; None where they were never counted."""
    refreshed_at = TermStatistics.objects.values_list("refreshed_at", flat=True).first()
    return None if refreshed_at is None else timezone.now() - refreshed_at


def catalogue_size() -> int:
    """How many products the frequencies were counted over; the planner's estimate until they are counted."""
    return _current().size


def counted_at() -> datetime | None:
    """When the catalogue was counted last, as far as this process knows; None where it never was.

    The worker counts again when the catalogue has changed.
    """
    return _current().counted_at


def remembered() -> dict[Any, Any]:
    """What was looked up in the frequencies since they were counted, to read and to write.

    Where it has grown too big another one begins; who has this one keeps what is in it.
    """
    global _reading
    reading = _current()
    if len(reading.found) > MOST_REMEMBERED:
        _reading = reading = replace(reading, found={})
    return reading.found


def _current() -> _Reading:
    global _reading
    now = time.monotonic()
    if now - _reading.read_at > FREQUENCIES_LAST_S:
        counted = fetch(_COUNTED_SQL)
        if not counted:  # a new shop, whose words are about to be counted: nothing to remember
            ((size,),) = fetch(_ESTIMATED_SIZE_SQL)
            return _Reading(now, max(1, size))
        ((size, at),) = counted
        _reading = _Reading(now, max(1, size), at, _reading.found if at == _reading.counted_at else {})
    return _reading


def forget_frequencies() -> None:
    """Look everything up again at the next query."""
    global _reading
    _reading = _Reading(float("-inf"), 1)
