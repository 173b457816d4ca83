"""An index that finds products by the values of their attributes."""

import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("catalog", "0008_plus_and_inches")]

    operations = [
        # What is left of a build that was stopped.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS product_attributes", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="product",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["attributes"],
                opclasses=["jsonb_path_ops"],
                name="product_attributes",
                fastupdate=False,
            ),
        ),
    ]
