import time

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models, transaction

ROWS_AT_A_TIME = 20_000
# Rows of one page are written in turns, so that a new version finds the place of one that is over (HOT). It stays in its
# page then, and the graph is not touched.
TURNS = 16
RETRY_S = 0.2

LACKING_SQL = """
SELECT e.id, (e.ctid::text::point)[1]::int AS place_in_page
FROM embeddings_productembedding AS e JOIN catalog_product AS p ON p.id = e.product_id
WHERE e.attribute_hashes <> public.catalog_attribute_hashes(p.attributes) AND e.id > %s ORDER BY e.id LIMIT %s
"""
# Whoever writes a product locks it before its vectors' rows, so that rows of products being written are left for later.
FILL_SQL = """
WITH lacking AS (
    SELECT e.id, public.catalog_attribute_hashes(p.attributes) AS attribute_hashes
    FROM catalog_product AS p JOIN embeddings_productembedding AS e ON e.product_id = p.id
    WHERE e.id = ANY(%s) AND e.attribute_hashes <> public.catalog_attribute_hashes(p.attributes)
    FOR UPDATE OF e SKIP LOCKED FOR SHARE OF p SKIP LOCKED
)
UPDATE embeddings_productembedding AS e SET attribute_hashes = lacking.attribute_hashes
FROM lacking WHERE lacking.id = e.id
"""


def fill(apps, schema_editor):
    """Write the hashes of every product's attributes beside its vectors, a few rows in each transaction."""
    with schema_editor.connection.cursor() as cursor:
        while rows := _lacking(cursor, 0):
            while rows:
                for turn in range(TURNS):
                    ids = [pk for pk, place in rows if place % TURNS == turn]
                    with transaction.atomic(using=schema_editor.connection.alias):
                        cursor.execute(FILL_SQL, [ids])
                rows = _lacking(cursor, rows[-1][0])
            time.sleep(RETRY_S)  # somebody may be writing those that are left


def _lacking(cursor, after):
    cursor.execute(LACKING_SQL, [after, ROWS_AT_A_TIME])
    return cursor.fetchall()


class Migration(migrations.Migration):
    """The attributes of the products that are there, and the index that searches of attributes read."""

    atomic = False

    dependencies = [("embeddings", "0015_attributes")]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=False),
        # What is left of a build that was stopped.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS embedding_attributes", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="productembedding",
            index=GinIndex(
                condition=models.Q(("is_active", True), ("vector__isnull", False)),
                fastupdate=False,
                fields=["attribute_hashes"],
                name="embedding_attributes",
            ),
        ),
    ]
