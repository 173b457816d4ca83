"""A function that says the attributes of a product in numbers, for copies of them."""

from django.db import migrations

from catalog.attributes import DROP_HASHES_FUNCTION_SQL, HASHES_FUNCTION_SQL


class Migration(migrations.Migration):
    dependencies = [("catalog", "0009_index_of_attributes")]

    operations = [migrations.RunSQL(HASHES_FUNCTION_SQL, DROP_HASHES_FUNCTION_SQL)]
