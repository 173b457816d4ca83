"""Trade marks, decimal commas, inches and the slash behind a model number, in the words of the keyword index.

The functions that make words of texts change, and with them the generated columns of the products that have such marks.
"""

from django.db import migrations

from catalog.lexical import WORDS_SQL
from catalog.renewal import replace_words

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

def renew(apps, schema_editor):
    """Make words as from now on, and anew those of the products that would have others."""
    replace_words(schema_editor.connection, WORDS_SQL)


def restore(apps, schema_editor):
    """Make words as before, and anew those of the products that had others then."""
    replace_words(schema_editor.connection, FORMER_WORDS_SQL)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("catalog", "0005_values_of_categories")]

    operations = [migrations.RunPython(renew, restore, elidable=False)]
