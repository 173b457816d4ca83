from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Indexes that the dashboard counts in, built without blocking writers."""

    atomic = False

    dependencies = [("embeddings", "0004_dashboard")]

    operations = [
        AddIndexConcurrently(
            model_name="productembedding",
            index=models.Index(
                condition=models.Q(("is_active", False)), fields=["model", "category"], name="embedding_inactive"
            ),
        ),
        AddIndexConcurrently(
            model_name="productembedding",
            index=models.Index(fields=["model", "embedded_at"], name="embedding_recent"),
        ),
    ]
