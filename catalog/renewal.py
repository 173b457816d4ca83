"""For migrations: the keyword index of products anew where the functions that make words of texts have changed."""

import time

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

PRODUCTS_AT_A_TIME = 10_000
PRODUCTS_IN_A_TRANSACTION = 500
RETRY_S = 0.2

STALE_SQL = """
SELECT s.id, public.catalog_search_vector(
    s.name, s.brand, s.short_description, s.description, s.attributes) IS DISTINCT FROM s.search_vector
FROM (SELECT * FROM catalog_product WHERE id > %s ORDER BY id LIMIT %s) AS s ORDER BY s.id
"""
# A column that is assigned to, with whatever value, has the columns that are generated from it made anew.
RENEW_SQL = """
WITH mine AS (SELECT id FROM catalog_product WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
UPDATE catalog_product AS p SET name = p.name FROM mine WHERE p.id = mine.id
"""


def replace_words(connection: BaseDatabaseWrapper, functions: str) -> None:
    """Replace the functions, then write the products concerned, a few in each transaction, until none is left.

    What is stopped goes on where it is started again. Somebody who is writing a product is not waited for.
    """
    with connection.cursor() as cursor:
        cursor.execute(functions)
        while not _pass(cursor, connection.alias):
            time.sleep(RETRY_S)


def _pass(cursor: CursorWrapper, alias: str) -> bool:
    """Go through the catalogue once; return whether every product that was to be written has been."""
    after, is_done = 0, True
    while True:
        cursor.execute(STALE_SQL, [after, PRODUCTS_AT_A_TIME])
        rows = cursor.fetchall()
        if not rows:
            return is_done
        stale = [pk for pk, is_stale in rows if is_stale]
        for start in range(0, len(stale), PRODUCTS_IN_A_TRANSACTION):
            ids = stale[start : start + PRODUCTS_IN_A_TRANSACTION]
            with transaction.atomic(using=alias):
                cursor.execute(RENEW_SQL, [ids])
                is_done = is_done and cursor.rowcount == len(ids)
        after = rows[-1][0]
