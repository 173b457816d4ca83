import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0006_synonym_use'),
    ]

    operations = [
        migrations.AddField(
            model_name='term',
            name='best_product_ids',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), null=True, size=None),
        ),
        migrations.AddField(
            model_name='termstatistics',
            name='newest_product_id',
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        # The worker counts anew, although nobody wrote to the catalogue.
        migrations.RunSQL('UPDATE search_termstatistics SET writes = -1', migrations.RunSQL.noop),
    ]
