from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('search', '0004_lab'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='evaluatedquery',
            options={'verbose_name_plural': 'evaluated queries'},
        ),
    ]
