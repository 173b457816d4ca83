"""The packaged model, and how its vectors lie on disk."""

from django.db import migrations


def add_default_model(apps, schema_editor):
    """Create the row of the model that comes with the project, active; products that exist want vectors of it."""
    EmbeddingModel = apps.get_model("embeddings", "EmbeddingModel")
    EmbeddingModel.objects.create(
        id=1, name="all-MiniLM-L6-v2", dimensions=384, distance="cosine", template_version=1, state="active"
    )
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('embeddings_embeddingmodel', 'id'), "
            "(SELECT max(id) FROM embeddings_embeddingmodel))"
        )


class Migration(migrations.Migration):
    dependencies = [("embeddings", "0001_initial")]

    operations = [
        # PLAIN: an exact scan reads vectors where they lie instead of fetching each from the TOAST table.
        # The fill factor leaves room for the in-page (HOT) updates that a change of price makes.
        migrations.RunSQL(
            """
            ALTER TABLE embeddings_productembedding ALTER COLUMN vector SET STORAGE PLAIN;
            ALTER TABLE embeddings_productembedding SET (fillfactor = 85);
            """,
            """
            ALTER TABLE embeddings_productembedding ALTER COLUMN vector SET STORAGE EXTERNAL;
            ALTER TABLE embeddings_productembedding RESET (fillfactor);
            """,
        ),
        migrations.RunPython(add_default_model, migrations.RunPython.noop, elidable=False),
    ]
