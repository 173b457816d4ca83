"""The order in which products lie on disk.

Products of a category have words in common. Where they lie next to each other, a search for words reads a third fewer
pages; where they came in any order, nearly every product that it scores is on a page of its own.
"""

from django.db import DatabaseError, connection, transaction
from psycopg.errors import LockNotAvailable

from catalog.exceptions import OrderingError
from catalog.models import Product

# While it waits for its lock, everybody who comes later waits behind it.
LOCK_TIMEOUT_S = 3.0

_TABLE = Product._meta.db_table
_INDEX_SQL = """
SELECT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = %s::regclass AND a.attname = 'category_id' AND i.indpred IS NULL AND i.indisvalid LIMIT 1
"""
_CORRELATION_SQL = """
SELECT abs(correlation) FROM pg_stats
WHERE schemaname = current_schema() AND tablename = %s AND attname = 'category_id'
"""


def orderliness() -> float | None:
    """How far products lie in the order of their categories, 0..1, as the last ANALYZE saw it; None: not seen yet."""
    with connection.cursor() as cursor:
        cursor.execute(_CORRELATION_SQL, (_TABLE,))
        row = cursor.fetchone()
    return None if row is None else row[0]


def order_by_category(lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
    """Rewrite the table of products in the order of their categories.

    Nobody can read or write products meanwhile, which takes one to two seconds for 100,000. Raises OrderingError where
    others have the table for longer than `lock_timeout_s`, or PostgreSQL refuses; then nothing was done.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_INDEX_SQL, (_TABLE,))
            (index,) = cursor.fetchone()
            cursor.execute(f"SET LOCAL lock_timeout = {round(1000 * lock_timeout_s)}")
            # Checks that wait for the end of a transaction would stand in the way.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(f"CLUSTER {_TABLE} USING {connection.ops.quote_name(index)}")
            cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
            cursor.execute(f"ANALYZE {_TABLE}")
    except DatabaseError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            reason = str(error).partition("\n")[0]
            raise OrderingError(f"PostgreSQL refuses: {reason}. Nothing was changed.") from error
        raise OrderingError(
            f"Products are being read or written by something that took longer than {lock_timeout_s:g} seconds. "
            "Nothing was changed; try again when it is quieter."
        ) from error
