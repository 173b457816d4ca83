import django.contrib.postgres.fields
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from embeddings.triggers import COPY_FUNCTION_SQL

COPY_FUNCTION_WITHOUT_ATTRIBUTES_SQL = """
CREATE OR REPLACE FUNCTION public.embeddings_copy_filter_columns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE public.embeddings_productembedding
    SET category_id = NEW.category_id, price = NEW.price, is_active = NEW.is_active, brand = NEW.brand
    WHERE product_id = NEW.id;
    RETURN NULL;
END
$$;
"""


class Migration(migrations.Migration):
    """From now on, hashes of a product's attributes stand beside its vector. The next migration writes those of all."""

    dependencies = [
        ('catalog', '0010_attribute_hashes'),
        ('embeddings', '0014_brands_of_all'),
    ]

    operations = [
        # Whoever waits for a lock holds up everyone else, so it gives up soon and can be started again.
        migrations.RunSQL("SET LOCAL lock_timeout = '5s'", migrations.RunSQL.noop),
        pgtrigger.migrations.RemoveTrigger(
            model_name='triggeredproduct',
            name='want_new_product',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='triggeredproduct',
            name='write_filter_columns',
        ),
        migrations.AddField(
            model_name='productembedding',
            name='attribute_hashes',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), db_default=[], default=list, editable=False, size=None),
        ),
        migrations.RunSQL(COPY_FUNCTION_SQL, COPY_FUNCTION_WITHOUT_ATTRIBUTES_SQL),
        pgtrigger.migrations.AddTrigger(
            model_name='triggeredproduct',
            trigger=pgtrigger.compiler.Trigger(name='want_new_product', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE category_name text;', func="\n            SELECT full_name INTO category_name FROM catalog_category WHERE id = NEW.category_id FOR SHARE;\n            INSERT INTO embeddings_productembedding\n                (product_id, model_id, wanted_digest, category_id, price, is_active, brand, attribute_hashes, priority)\n            SELECT NEW.id, m.id, public.embeddings_digest(public.embeddings_identity(m.name, m.revision, m.document_prompt, m.template_version::integer), NEW.name, NEW.brand, category_name, NEW.short_description, NEW.description, NEW.attributes), NEW.category_id, NEW.price,\n                NEW.is_active, NEW.brand, public.catalog_attribute_hashes(NEW.attributes), coalesce(nullif(current_setting('nearshelf.priority', true), ''), '0')::smallint\n            FROM embeddings_embeddingmodel AS m WHERE m.state IN ('active', 'building')\n            ON CONFLICT DO NOTHING;\n            RETURN NULL;\n        ", hash='9b083e72b8765f0a02a8d6793039b6d3877ab718', operation='INSERT', pgid='pgtrigger_want_new_product_f039c', table='catalog_product', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='triggeredproduct',
            trigger=pgtrigger.compiler.Trigger(name='write_filter_columns', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."attributes" IS DISTINCT FROM (NEW."attributes") OR OLD."brand" IS DISTINCT FROM (NEW."brand") OR OLD."category_id" IS DISTINCT FROM (NEW."category_id") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."price" IS DISTINCT FROM (NEW."price"))', execute='public.embeddings_copy_filter_columns()', func='RETURN NULL;', hash='a092249145aa186ba6a75d8b4094bff6554cdc5a', operation='UPDATE', pgid='pgtrigger_write_filter_columns_26d22', table='catalog_product', when='AFTER')),
        ),
    ]
