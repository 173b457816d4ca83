"""20,000 and 20.000 are 20000 in the words of the keyword index, where they count something or stand alone.

The functions that make words of texts change, and with them the generated columns of the products that have such
numbers.
"""

from django.db import migrations

from catalog.lexical import WORDS_SQL
from catalog.renewal import replace_words

FORMER_WORDS_SQL = r"""
CREATE OR REPLACE FUNCTION public.catalog_words(folded text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    -- Words and numbers alone, for PostgreSQL's parser makes one token of a path or a host name and reads the
    -- hyphen of a part code as a minus sign. Numbers keep what is inside them: 1.5 and 1,5, 1/2; 6.0 is 6. The
    -- slash of SPZ6500/00 is within no number. What stands for inches says so.
    SELECT regexp_replace(regexp_replace(translate(regexp_replace(regexp_replace(folded,
        '(\d)("|”|''''|’’|′′)', '\1 inch ', 'g'),
        '(?<!\d|\d[,.])(\d+),(\d{1,2})(?!\d|,\d)', '\1.\2', 'g'), '!"#$%&''()*+,-:;<=>?@[]^_`{|}~®™×“”„‘’«»–—…•\', '                                            '),
        '(\d)\.0+(?![\d.])', '\1', 'g'),
        '(?<!\d)[./]|[./](?!\d)|(?<=[[:alpha:]][[:alnum:]]*)/', ' ', 'g')
$$;

CREATE OR REPLACE FUNCTION public.catalog_compounds(folded text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    -- What is written with separators, once more without: TN-2110 is found as TN2110, wi-fi as wifi.
    SELECT coalesce(string_agg(DISTINCT c.joined, ' '), '')
    FROM (
        SELECT m[1] AS written, regexp_replace(m[1], '[-._/]', '', 'g') AS joined
        FROM regexp_matches(folded, '([[:alnum:]]+(?:[-._/][[:alnum:]]+)+)', 'g') AS m
    ) AS c
    WHERE length(c.joined) <= 40 AND CASE
        WHEN c.joined ~ '^\d+$' THEN length(c.joined) >= 8 AND c.written !~ '[./]'
        WHEN c.joined ~ '\d' THEN c.written !~ '^[\d.]+[[:alpha:]]+$'
        ELSE c.written ~ '^[[:alpha:]]+-[[:alpha:]]+$'
    END
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

    dependencies = [("catalog", "0006_marks_and_numbers")]

    operations = [migrations.RunPython(renew, restore, elidable=False)]
