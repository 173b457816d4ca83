import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations

from embeddings.triggers import DROP_COPY_FUNCTION_SQL

COPY_FUNCTION_SQL = """
CREATE OR REPLACE FUNCTION public.embeddings_copy_filter_columns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE public.embeddings_productembedding
    SET category_id = NEW.category_id, price = NEW.price, is_active = NEW.is_active
    WHERE product_id = NEW.id;
    RETURN NULL;
END
$$;
"""

class Migration(migrations.Migration):
    """Changes of a price are copied by a function that does nothing else."""

    dependencies = [
        ('embeddings', '0009_category_order'),
    ]

    operations = [
        migrations.RunSQL(COPY_FUNCTION_SQL, DROP_COPY_FUNCTION_SQL),
        pgtrigger.migrations.RemoveTrigger(
            model_name='triggeredproduct',
            name='write_filter_columns',
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='triggeredproduct',
            trigger=pgtrigger.compiler.Trigger(name='write_filter_columns', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."category_id" IS DISTINCT FROM (NEW."category_id") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."price" IS DISTINCT FROM (NEW."price"))', execute='public.embeddings_copy_filter_columns()', func='RETURN NULL;', hash='50a5516b51ac11a3b19afdef1520ce2eef14b916', operation='UPDATE', pgid='pgtrigger_write_filter_columns_26d22', table='catalog_product', when='AFTER')),
        ),
    ]
