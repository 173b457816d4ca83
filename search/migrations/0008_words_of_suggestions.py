from django.contrib.postgres.search import SearchVectorField
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0007_best_of_common_terms'),
    ]

    operations = [
        migrations.AddField(
            model_name='suggestion',
            name='words',
            field=SearchVectorField(null=True),
        ),
        # The worker counts anew, although nobody wrote to the catalogue.
        migrations.RunSQL('UPDATE search_termstatistics SET writes = -1', migrations.RunSQL.noop),
    ]
