"""SFP+ is no SFP, and DVD+R no DVD-R; 3.5in is 3.5 inch, pc(s) are pcs, .5 is 0.5, and all-in-one is one word too.

The functions that make words of texts change, and with them the generated columns of the products that have one of
these.
"""

from django.db import migrations

from catalog.lexical import WORDS_SQL
from catalog.renewal import replace_words

FORMER_WORDS_SQL = r"""
CREATE OR REPLACE FUNCTION public.catalog_words(folded text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    -- Words and numbers alone, for PostgreSQL's parser makes one token of a path or a host name and reads the
    -- hyphen of a part code as a minus sign. Numbers keep what is inside them: 1.5 and 1,5, 1/2; 6.0 is 6. The
    -- slash of SPZ6500/00 is within no number. What stands for inches says so. 20,000 mAh and 20.000 mAh are 20000 mAh.
    SELECT regexp_replace(regexp_replace(translate(regexp_replace(regexp_replace(CASE WHEN folded ~ '\d[,.]\d\d\d' THEN regexp_replace(regexp_replace(folded, '(^|[^\w.,])([1-9]\d{0,2})(?:,(\d{3})(?:,(\d{3}))?|\.(000)(?:\.(000))?)(?!\d|[.,]\d)(?= ?-?(?!x\M)[[:alpha:]])', '\1\2\3\4\5\6', 'g'), '^\s*([1-9]\d{0,2})(?:,(\d{3})(?:,(\d{3}))?|\.(000)(?:\.(000))?)\s*$', '\1\2\3\4\5') ELSE folded END,
        '(\d)("|”|''''|’’|′′)', '\1 inch ', 'g'),
        '(?<!\d|\d[,.])(\d+),(\d{1,2})(?!\d|,\d)', '\1.\2', 'g'), '!"#$%&''()*+,-:;<=>?@[]^_`{|}~®™×“”„‘’«»–—…•\', '                                            '),
        '(\d)\.0{1,2}(?![\d.])', '\1', 'g'),
        '(?<!\d)[./]|[./](?!\d)|(?<=[[:alpha:]][[:alnum:]]*)/', ' ', 'g')
$$;

CREATE OR REPLACE FUNCTION public.catalog_compounds(folded text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    -- What is written with separators, once more without: TN-2110 is found as TN2110, wi-fi as wifi. Of what may be a
    -- list as well as thousands (120,240), so is the number.
    SELECT coalesce(string_agg(DISTINCT c.joined, ' '), '')
    FROM (SELECT CASE WHEN folded ~ '\d[,.]\d\d\d' THEN regexp_replace(regexp_replace(folded, '(^|[^\w.,])([1-9]\d{0,2})(?:,(\d{3})(?:,(\d{3}))?|\.(000)(?:\.(000))?)(?!\d|[.,]\d)(?= ?-?(?!x\M)[[:alpha:]])', '\1\2\3\4\5\6', 'g'), '^\s*([1-9]\d{0,2})(?:,(\d{3})(?:,(\d{3}))?|\.(000)(?:\.(000))?)\s*$', '\1\2\3\4\5') ELSE folded END AS plain) AS t CROSS JOIN LATERAL (
        SELECT m[1] AS written, regexp_replace(m[1], '[-._/]', '', 'g') AS joined
        FROM regexp_matches(t.plain, '([[:alnum:]]+(?:[-._/][[:alnum:]]+)+)', 'g') AS m
        UNION ALL
        SELECT m[1], replace(m[1], ',', '')
        FROM regexp_matches(t.plain, '(?:^|[^\w.,])([1-9]\d{0,2}(?:,\d{3}){1,2})(?![\d,]|\.\d)', 'g') AS m
    ) AS c
    WHERE length(c.joined) <= 40 AND CASE
        WHEN c.written ~ ',' THEN true
        WHEN c.joined ~ '^\d+$' THEN length(c.joined) >= 8 AND c.written !~ '[./]'
        WHEN c.joined ~ '\d' THEN c.written !~ '^[\d.]+[[:alpha:]]+$'
        ELSE c.written ~ '^[[:alpha:]]+-[[:alpha:]]+$'
    END
$$;

CREATE OR REPLACE FUNCTION public.catalog_key(input text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    -- Text as it is compared letter by letter: words in lower case with one blank between them.
    SELECT btrim(regexp_replace(lower(public.catalog_words(public.catalog_fold(input))), '\s+', ' ', 'g'))
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

    dependencies = [("catalog", "0007_thousands")]

    operations = [migrations.RunPython(renew, restore, elidable=False)]
