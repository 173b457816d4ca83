import time

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models, transaction

PRODUCTS_AT_A_TIME = 20_000
# Rows of one page are written in turns, so that a new version finds the place of one that is over (HOT). It stays in its
# page then, and the graph is not touched.
TURNS = 16
RETRY_S = 0.2

# Whoever writes a product locks it before its vectors' rows, so that rows of products being written are left for later.
FILL_SQL = """
WITH lacking AS (
    SELECT e.id, p.brand
    FROM embeddings_productembedding AS e JOIN catalog_product AS p ON p.id = e.product_id
    WHERE p.id > %s AND p.id <= %s AND mod(e.id, %s) = %s AND e.brand <> p.brand
    FOR UPDATE OF e SKIP LOCKED FOR SHARE OF p SKIP LOCKED
)
UPDATE embeddings_productembedding AS e SET brand = lacking.brand FROM lacking WHERE lacking.id = e.id
"""
LACKING_SQL = """
SELECT EXISTS (
    SELECT FROM embeddings_productembedding AS e JOIN catalog_product AS p ON p.id = e.product_id
    WHERE e.brand <> p.brand
)
"""


def fill(apps, schema_editor):
    """Write the brand of every product beside its vectors, a few rows in each transaction."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM catalog_product")
        (last,) = cursor.fetchone()
        while True:
            for first in range(0, last, PRODUCTS_AT_A_TIME):
                for turn in range(TURNS):
                    with transaction.atomic(using=schema_editor.connection.alias):
                        cursor.execute(FILL_SQL, [first, first + PRODUCTS_AT_A_TIME, TURNS, turn])
            cursor.execute(LACKING_SQL)
            (is_lacking,) = cursor.fetchone()
            if not is_lacking:
                return
            time.sleep(RETRY_S)


class Migration(migrations.Migration):
    """The brands of the products that are there, and the index that searches of brands read."""

    atomic = False

    dependencies = [("embeddings", "0013_brands")]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=False),
        AddIndexConcurrently(
            model_name="productembedding",
            index=models.Index(
                condition=models.Q(("is_active", True), ("vector__isnull", False)),
                fields=["model", "brand"],
                name="embedding_brand",
            ),
        ),
    ]
