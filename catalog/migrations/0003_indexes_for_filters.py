"""Indexes that answer which products have a price or a brand without reading the products."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("catalog", "0002_sku_in_addresses")]

    operations = [
        AddIndexConcurrently(
            model_name="product", index=models.Index(fields=["price", "id"], name="product_price_id")
        ),
        AddIndexConcurrently(
            model_name="product", index=models.Index(fields=["brand", "id"], name="product_brand_id")
        ),
        RemoveIndexConcurrently(model_name="product", name="product_price"),
        migrations.AlterField(
            model_name="product",
            name="brand",
            field=models.CharField(blank=True, db_default="", default="", max_length=120),
        ),
    ]
