from django.db import migrations

from embeddings.triggers import FUNCTIONS_SQL

FIRST_SIX_SQL = """
CREATE OR REPLACE FUNCTION public.embeddings_attribute_text(attributes jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    -- The same values as documents.attribute_text.
    SELECT coalesce(string_agg(worded.value, ', ' ORDER BY worded.place), '') FROM (
        SELECT a.value #>> '{}' AS value, a.place
        FROM jsonb_each(CASE jsonb_typeof(attributes) WHEN 'object' THEN attributes ELSE '{}' END)
            WITH ORDINALITY AS a(key, value, place)
        WHERE jsonb_typeof(a.value) = 'string' AND length(a.value #>> '{}') BETWEEN 1 AND 60
        ORDER BY a.place LIMIT 6
    ) AS worded
$$;
"""
# Workers then find the products whose text is another one now, in small batches beside the busy shop.
CHECK_AGAIN_SQL = "UPDATE embeddings_embeddingmodel SET rows_checked_at = NULL"


class Migration(migrations.Migration):
    """The attributes of products that have many of them are no part of the embedded text any more."""

    dependencies = [("embeddings", "0006_roles")]

    operations = [
        migrations.RunSQL([FUNCTIONS_SQL, CHECK_AGAIN_SQL], [FIRST_SIX_SQL, CHECK_AGAIN_SQL]),
    ]
