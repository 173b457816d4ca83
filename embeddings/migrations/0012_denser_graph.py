from django.contrib.postgres.indexes import OpClass
from django.db import migrations, models
from django.db.models.functions import Cast
from pgvector.django import HalfVectorField, HnswIndex

# Of every model's index, whatever its id. What is built is not touched: the next build goes by it, and so does each
# vector from now on. Whoever waits for a lock holds up everyone else, so it gives up soon and can be started again.
SET_SQL = """
SET LOCAL lock_timeout = '5s';
DO $$
DECLARE
    index_name text;
BEGIN
    FOR index_name IN
        SELECT c.oid::regclass::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
        WHERE i.indrelid = 'embeddings_productembedding'::regclass AND starts_with(c.relname::text, 'embedding_hnsw_')
    LOOP
        EXECUTE 'ALTER INDEX ' || index_name || ' SET (ef_construction = {ef_construction})';
    END LOOP;
END $$
"""


def index(ef_construction: int) -> HnswIndex:
    """The default model's index."""
    return HnswIndex(
        OpClass(Cast("vector", HalfVectorField(dimensions=384)), name="halfvec_cosine_ops"),
        name="embedding_hnsw_1",
        m=16,
        ef_construction=ef_construction,
        condition=models.Q(("model", 1)),
    )


class Migration(migrations.Migration):
    """Graphs are built with more candidates for each vector's neighbours."""

    dependencies = [("embeddings", "0011_failures")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    SET_SQL.replace("{ef_construction}", "200"),
                    SET_SQL.replace("{ef_construction}", "100"),
                )
            ],
            state_operations=[
                migrations.RemoveIndex(model_name="productembedding", name="embedding_hnsw_1"),
                migrations.AddIndex(model_name="productembedding", index=index(200)),
            ],
        )
    ]
