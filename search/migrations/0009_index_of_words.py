from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('search', '0008_words_of_suggestions'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='suggestion',
            index=GinIndex(
                fields=['words'],
                name='suggestion_words',
                fastupdate=False,
                condition=models.Q(words__isnull=False),
            ),
        ),
    ]
