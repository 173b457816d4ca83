"""Trade marks, decimal commas, inches and the slash behind a model number, in the words of the keyword index.

The functions that make words of texts change, and with them the generated columns of the products that have such marks.
"""

import time

from django.db import migrations, transaction

from catalog.lexical import WORDS_SQL

FORMER_WORDS_SQL = r"""
CREATE OR REPLACE FUNCTION public.catalog_fold(input text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    -- Without accents: decompose, then drop the combining marks. Decomposed fractions get an ordinary slash.
    SELECT replace(regexp_replace(
        normalize(left(input, 100000), NFKD), '[\u0300-\u036f]', '', 'g'), U&'\2044', '/')
$$;

CREATE OR REPLACE FUNCTION public.catalog_words(folded text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    -- Words and numbers alone, for PostgreSQL's parser makes one token of a path or a host name and reads the
    -- hyphen of a part code as a minus sign. Numbers keep what is inside them: 1.5, 1/2; 6.0 is 6.
    SELECT regexp_replace(regexp_replace(translate(folded, '!"#$%&''()*+,-:;<=>?@[]^_`{|}~®™×“”„‘’«»–—…•\', '                                            '),
        '(\d)\.0+(?![\d.])', '\1', 'g'), '(?<!\d)[./]|[./](?!\d)', ' ', 'g')
$$;
"""

PRODUCTS_AT_A_TIME = 10_000
PRODUCTS_IN_A_TRANSACTION = 500
RETRY_S = 0.2

STALE_SQL = """
SELECT s.id, public.catalog_search_vector(
    s.name, s.brand, s.short_description, s.description, s.attributes) IS DISTINCT FROM s.search_vector
FROM (SELECT * FROM catalog_product WHERE id > %s ORDER BY id LIMIT %s) AS s ORDER BY s.id
"""
# A column that is assigned to, with whatever value, has the columns that are generated from it made anew.
RENEW_SQL = """
WITH mine AS (SELECT id FROM catalog_product WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
UPDATE catalog_product AS p SET name = p.name FROM mine WHERE p.id = mine.id
"""


def renew(apps, schema_editor):
    """Make words as from now on, and anew those of the products that would have others."""
    _replace(schema_editor, WORDS_SQL)


def restore(apps, schema_editor):
    """Make words as before, and anew those of the products that had others then."""
    _replace(schema_editor, FORMER_WORDS_SQL)


def _replace(schema_editor, functions):
    """Replace the functions, then write the products concerned, a few in each transaction, until none is left.

    What is stopped goes on where it is started again. Somebody who is writing a product is not waited for.
    """
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(functions)
        while not _pass(cursor, schema_editor.connection.alias):
            time.sleep(RETRY_S)


def _pass(cursor, alias):
    """Go through the catalogue once; return whether every product that was to be written has been."""
    after, is_done = 0, True
    while True:
        cursor.execute(STALE_SQL, [after, PRODUCTS_AT_A_TIME])
        rows = cursor.fetchall()
        if not rows:
            return is_done
        stale = [pk for pk, is_stale in rows if is_stale]
        for start in range(0, len(stale), PRODUCTS_IN_A_TRANSACTION):
            ids = stale[start : start + PRODUCTS_IN_A_TRANSACTION]
            with transaction.atomic(using=alias):
                cursor.execute(RENEW_SQL, [ids])
                is_done = is_done and cursor.rowcount == len(ids)
        after = rows[-1][0]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("catalog", "0005_values_of_categories")]

    operations = [migrations.RunPython(renew, restore, elidable=False)]
