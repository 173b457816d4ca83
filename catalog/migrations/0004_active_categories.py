"""An index from which the active products of each category are counted."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("catalog", "0003_indexes_for_filters")]

    operations = [
        AddIndexConcurrently(
            model_name="product",
            index=models.Index(
                fields=["category"], name="product_active_category", condition=models.Q(is_active=True)
            ),
        ),
    ]
