import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

COPY_FUNCTION_SQL = """
CREATE OR REPLACE FUNCTION public.embeddings_copy_filter_columns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE public.embeddings_productembedding
    SET category_id = NEW.category_id, price = NEW.price, is_active = NEW.is_active, brand = NEW.brand
    WHERE product_id = NEW.id;
    RETURN NULL;
END
$$;
"""
COPY_FUNCTION_WITHOUT_BRAND_SQL = """
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
    """From now on, a product's brand stands beside its vector. The next migration writes those of products that are there."""

    dependencies = [
        ('catalog', '0005_values_of_categories'),
        ('embeddings', '0012_denser_graph'),
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
            name='brand',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=120),
        ),
        migrations.RunSQL(COPY_FUNCTION_SQL, COPY_FUNCTION_WITHOUT_BRAND_SQL),
        pgtrigger.migrations.AddTrigger(
            model_name='triggeredproduct',
            trigger=pgtrigger.compiler.Trigger(name='want_new_product', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE category_name text;', func="\n            SELECT full_name INTO category_name FROM catalog_category WHERE id = NEW.category_id FOR SHARE;\n            INSERT INTO embeddings_productembedding\n                (product_id, model_id, wanted_digest, category_id, price, is_active, brand, priority)\n            SELECT NEW.id, m.id, public.embeddings_digest(public.embeddings_identity(m.name, m.revision, m.document_prompt, m.template_version::integer), NEW.name, NEW.brand, category_name, NEW.short_description, NEW.description, NEW.attributes),\n                NEW.category_id, NEW.price, NEW.is_active, NEW.brand, coalesce(nullif(current_setting('nearshelf.priority', true), ''), '0')::smallint\n            FROM embeddings_embeddingmodel AS m WHERE m.state IN ('active', 'building')\n            ON CONFLICT DO NOTHING;\n            RETURN NULL;\n        ", hash='58f0fa1a72c4496c78c81c3f7cb92e1f5a82c518', operation='INSERT', pgid='pgtrigger_want_new_product_f039c', table='catalog_product', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='triggeredproduct',
            trigger=pgtrigger.compiler.Trigger(name='write_filter_columns', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."brand" IS DISTINCT FROM (NEW."brand") OR OLD."category_id" IS DISTINCT FROM (NEW."category_id") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."price" IS DISTINCT FROM (NEW."price"))', execute='public.embeddings_copy_filter_columns()', func='RETURN NULL;', hash='9bda6dd45bead5a46127a53b457c3ec027573822', operation='UPDATE', pgid='pgtrigger_write_filter_columns_26d22', table='catalog_product', when='AFTER')),
        ),
    ]
