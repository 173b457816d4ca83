from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Bulk loads are claimed category by category, and a category's rows are found by an index of their own."""

    atomic = False

    dependencies = [("embeddings", "0008_models_in_the_admin")]

    operations = [
        AddIndexConcurrently(
            model_name="productembedding",
            index=models.Index(
                models.F("model"),
                models.F("priority"),
                models.Case(models.When(priority=1, then=models.F("category"))),
                models.F("next_attempt_at"),
                condition=models.Q(
                    ("is_active", True),
                    models.Q(
                        ("stored_digest__isnull", True),
                        models.Q(("stored_digest", models.F("wanted_digest")), _negated=True),
                        _connector="OR",
                    ),
                ),
                name="embedding_queue_order",
            ),
        ),
        RemoveIndexConcurrently(model_name="productembedding", name="embedding_queue"),
        AddIndexConcurrently(
            model_name="productembedding",
            index=models.Index(
                condition=models.Q(("is_active", True), ("vector__isnull", False)),
                fields=["model", "category"],
                name="embedding_searchable",
            ),
        ),
    ]
