"""An index from which brands and prices within a category are counted, and the category itself as before."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("catalog", "0004_active_categories")]

    operations = [
        AddIndexConcurrently(
            model_name="product",
            index=models.Index(
                fields=["category", "brand", "price", "id"],
                name="product_active_values",
                condition=models.Q(is_active=True),
            ),
        ),
        RemoveIndexConcurrently(model_name="product", name="product_active_category"),
    ]
