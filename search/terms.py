"""Document frequencies: counted from the index by the worker, read by every query."""

import time
from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

from search.models import TermStatistics
from search.statements import fetch

SIZE_IS_GOOD_FOR_S = 30.0
# Words longer than this are part numbers and noise; nobody mistypes them into something else.
MAX_WORD_LENGTH = 24
MIN_WORD_LENGTH = 3

_REFRESH_TERMS_SQL = """
CREATE TEMP TABLE fresh_term ON COMMIT DROP AS
    SELECT word AS lexeme, ndoc AS documents
    FROM ts_stat('SELECT search_vector FROM public.catalog_product WHERE is_active');
INSERT INTO search_term AS t (lexeme, documents) SELECT lexeme, documents FROM fresh_term
    ON CONFLICT (lexeme) DO UPDATE SET documents = EXCLUDED.documents WHERE t.documents <> EXCLUDED.documents;
DELETE FROM search_term AS t WHERE NOT EXISTS (SELECT FROM fresh_term AS f WHERE f.lexeme = t.lexeme);
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
"""

_SIZE_SQL = "SELECT documents FROM search_termstatistics"
_ESTIMATED_SIZE_SQL = (
    "SELECT greatest(reltuples, 1)::bigint FROM pg_class WHERE oid = 'catalog_product'::regclass"
)

_size: tuple[float, int] = (0.0, 0)


def refresh_terms() -> int:
    """Count the documents of every term of the active products; return the number of products counted.

    Readers see the old counts until the new ones are there, and only rows that changed are written.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        # One refresh at a time; a second one waits and then finds nothing to change.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('search.refresh_terms'))")
        cursor.execute("SELECT count(*) FROM catalog_product WHERE is_active")
        (documents,) = cursor.fetchone()
        cursor.execute(_REFRESH_TERMS_SQL)
        cursor.execute(_REFRESH_WORDS_SQL, {"shortest": MIN_WORD_LENGTH, "longest": MAX_WORD_LENGTH})
        TermStatistics.objects.update_or_create(
            pk=1, defaults={"documents": documents, "refreshed_at": timezone.now()}
        )
    forget_size()
    return documents


def terms_age() -> timedelta | None:
    """How old the document frequencies are; None where they were never counted."""
    refreshed_at = TermStatistics.objects.values_list("refreshed_at", flat=True).first()
    return None if refreshed_at is None else timezone.now() - refreshed_at


def catalogue_size() -> int:
    """How many products the frequencies were counted over; the planner's estimate until they are counted."""
    global _size
    looked_up, size = _size
    if time.monotonic() - looked_up > SIZE_IS_GOOD_FOR_S or not size:
        rows = fetch(_SIZE_SQL) or fetch(_ESTIMATED_SIZE_SQL)
        size = max(1, rows[0][0])
        _size = (time.monotonic(), size)
    return size


def forget_size() -> None:
    """Look the size up again at the next query."""
    global _size
    _size = (0.0, 0)
