import time

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models, transaction

PRODUCTS_AT_A_TIME = 20_000
# Rows of one page are written in turns, so that a new version finds the place of one that is over (HOT). It stays in its
# page then, and the graph is not touched.
TURNS = 16
RETRY_S = 0.2

LACKING_SQL = """
SELECT p.id FROM embeddings_productembedding AS e JOIN catalog_product AS p ON p.id = e.product_id
WHERE e.brand <> p.brand AND p.id > %s ORDER BY p.id LIMIT %s
"""
# Whoever writes a product locks it before its vectors' rows, so that rows of products being written are left for later.
FILL_SQL = """
WITH lacking AS (
    SELECT e.id, p.brand
    FROM catalog_product AS p JOIN embeddings_productembedding AS e ON e.product_id = p.id
    WHERE p.id = ANY(%s) AND e.brand <> p.brand
    FOR UPDATE OF e SKIP LOCKED FOR SHARE OF p SKIP LOCKED
)
UPDATE embeddings_productembedding AS e SET brand = lacking.brand FROM lacking WHERE lacking.id = e.id
"""


def fill(apps, schema_editor):
    """Write the brand of every product beside its vectors, a few rows in each transaction."""
    with schema_editor.connection.cursor() as cursor:
        while ids := _lacking(cursor, 0):
            while ids:
                for turn in range(TURNS):
                    with transaction.atomic(using=schema_editor.connection.alias):
                        cursor.execute(FILL_SQL, [ids[turn::TURNS]])
                ids = _lacking(cursor, ids[-1])
            time.sleep(RETRY_S)  # somebody may be writing those that are left


def _lacking(cursor, after):
    cursor.execute(LACKING_SQL, [after, PRODUCTS_AT_A_TIME])
    return [pk for (pk,) in cursor.fetchall()]


class Migration(migrations.Migration):
    """The brands of the products that are there, and the index that searches of brands read."""

    atomic = False

    dependencies = [("embeddings", "0013_brands")]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=False),
        # What is left of a build that was stopped.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS embedding_brand", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="productembedding",
            index=models.Index(
                condition=models.Q(("is_active", True), ("vector__isnull", False)),
                fields=["model", "brand"],
                name="embedding_brand",
            ),
        ),
    ]
