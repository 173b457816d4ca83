"""The keyword index of a product, as two SQL functions that the schema's generated columns call.

`catalog_search_vector` makes the weighted tsvector. `catalog_lexical_weights` turns one into a `sparsevec` whose
entry for a lexeme is its BM25F term weight; a query multiplies it by the terms' idf (`<#>`), which gives BM25
ranking in stock PostgreSQL and pgvector. A lexeme's place in the sparse vector is a hash of it.

BM25F: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), section 3.6:
tf' = sum over fields f of weight_f * tf_f / (1 - b_f + b_f * length_f / average_length_f), and the term weight is
tf' * (k1 + 1) / (k1 + tf'). Average lengths are constants, for an immutable function cannot look at other rows.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Func

# Hash space of the lexemes: 2^29 places, under pgvector's limit of 10^9; among 100,000 distinct lexemes about
# ten pairs share a place, and the tsquery still tells them apart.
LEXICAL_DIMENSIONS = 1 << 29
# pgvector stores at most 16,000 non-zero entries.
MAX_LEXEMES = 16_000
# to_tsvector refuses more than 1 MiB of lexemes; what a raw writer stores beyond this is not indexed.
MAX_INDEXED_CHARACTERS = 100_000
# Characters that part words; a full stop and a slash do so only outside numbers. As SQL literals.
_MARKS = """!"#$%&'()*+,-:;<=>?@[]^_`{|}~®™×“”„‘’«»–—…•\\"""
_PUNCTUATION = "'" + _MARKS.replace("'", "''") + "'"
_BLANKS = "'" + " " * len(_MARKS) + "'"


@dataclass(frozen=True)
class Field:
    """How one tsvector label counts in BM25F."""

    label: str
    weight: float
    b: float
    average_length: float


# Chosen on judgments (docs/relevance.md): a short name that is about the word beats a long one that repeats it.
K1 = 0.6
FIELDS = (
    Field("A", weight=3.0, b=0.75, average_length=10),  # name
    Field("B", weight=2.0, b=0.0, average_length=2),  # brand
    Field("C", weight=1.0, b=0.75, average_length=40),  # short description, description
    Field("D", weight=0.5, b=0.75, average_length=60),  # attribute values
)


# As regular expressions of PostgreSQL: thousands in the parts that stay, where they end, and that something is counted.
# What an x follows is a list of sizes (75 x 75,100 x 100). After a full stop only zeros, for 1.250 kg is less than two.
# Nothing looks behind itself: PostgreSQL would begin at the start of the text each time, for minutes in a long one.
_THOUSANDS = r"([1-9]\d{0,2})(?:,(\d{3})(?:,(\d{3}))?|\.(000)(?:\.(000))?)"
_ENDS = r"(?!\d|[.,]\d)"
_COUNTS = r"(?= ?-?(?!x\M)[[:alpha:]])"
# Text with its thousands in one, where they count something or are all there is: other numbers may be a list.
_WITHOUT_THOUSANDS = (
    r"CASE WHEN folded ~ '\d[,.]\d\d\d' THEN regexp_replace(regexp_replace(folded, "
    rf"'(^|[^\w.,]){_THOUSANDS}{_ENDS}{_COUNTS}', '\1\2\3\4\5\6', 'g'), "
    rf"'^\s*{_THOUSANDS}\s*$', '\1\2\3\4\5') ELSE folded END"
)

# What of a text is written otherwise as a word, before and after its marks become blanks; each with what it becomes.
_BEFORE_MARKS = (
    (r"(^|[^\w.,])\.(?=\d)", r"\10."),  # .5 m is 0.5 m
    (r"([[:alpha:]])\(s\)(?![[:alpha:]])", r"\1s "),  # pc(s) are pieces, and no PC
    (r"([[:alnum:]])\+(?=[[:alnum:]])", r"\1 plus "),  # DVD+R is no DVD-R
    (r"(\d)(\"|”|''|’’|′′)", r"\1 inch "),
    # 3.5in and 42-in, but neither 2-in-1 nor 4-in 1.
    (r"(^|[^\w.,/-])(\d+(?:[.,/]\d+)?)(?:in\M(?!-\d)|-in\M(?!-| \d\M))", r"\1\2 inch "),
    (r"(^|[^\d.,])([.,]?\d+),(\d{1,2})(?!\d|,\d)", r"\1\2.\3"),  # 0,5 m
)
_AFTER_MARKS = (
    (r"(\d)\.0{1,2}(?![\d.])", r"\1"),  # 6.0 is 6
    # 2.40 GHz is 2.4 GHz; but 10.10, which may be a version, is itself.
    (r"(?i)(\d\.[1-9])0(?= ?(?:[gm]hz|[cm]?m|k?g|[km]?v|[km]?a|k?wh?|m?l)\M)", r"\1"),
    (r"([[:alpha:]][[:alnum:]]*)/", r"\1 "),  # the slash of SPZ6500/00 is within no number
    (r"(^|[^\d./])[./]+|[./]{2,}|[./](?!\d)", r"\1 "),
)


def _replaced(text: str, rules: Iterable[tuple[str, str]]) -> str:
    """SQL for a text after one replacement after the other."""
    for pattern, replacement in rules:
        quoted = pattern.replace("'", "''")
        text = f"regexp_replace({text}, '{quoted}', '{replacement}', 'g')"
    return text


_MARKED = _replaced(_WITHOUT_THOUSANDS, _BEFORE_MARKS)
_WORDS = _replaced(f"translate({_MARKED}, {_PUNCTUATION}, {_BLANKS})", _AFTER_MARKS)

# How text becomes words, whatever their language.
WORDS_SQL = rf"""
CREATE OR REPLACE FUNCTION public.catalog_fold(input text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    -- Without accents: decompose, then drop the combining marks. What would become letters of the word before it, or
    -- digits of the number, is parted from it first. Decomposed fractions get an ordinary slash.
    SELECT replace(regexp_replace(normalize(regexp_replace(
        translate(left(input, {MAX_INDEXED_CHARACTERS}), '™℠', '  '), '(\d)([¼-¾⅐-⅞])', '\1 \2', 'g'), NFKD),
        '[\u0300-\u036f]', '', 'g'), U&'\2044', '/')
$$;

CREATE OR REPLACE FUNCTION public.catalog_words(folded text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    -- Words and numbers alone, for PostgreSQL's parser makes one token of a path or a host name and reads the
    -- hyphen of a part code as a minus sign. Numbers keep what is inside them: 1.5 and 1,5, 1/2. What stands for inches
    -- says so. 20,000 mAh and 20.000 mAh are 20000 mAh.
    SELECT {_WORDS}
$$;

CREATE OR REPLACE FUNCTION public.catalog_compounds(folded text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    -- What is written with separators, once more without: TN-2110 is found as TN2110, wi-fi as wifi. SFP+, which is no
    -- SFP, is sfpplus. Of what may be a list as well as thousands (120,240), the number.
    SELECT coalesce(string_agg(DISTINCT c.joined, ' '), '')
    FROM (SELECT {_WITHOUT_THOUSANDS} AS plain) AS t CROSS JOIN LATERAL (
        SELECT m[1] AS written, regexp_replace(m[1], '[-._/]', '', 'g') AS joined
        FROM regexp_matches(t.plain, '([[:alnum:]]+(?:[-._/][[:alnum:]]+)+)', 'g') AS m
        UNION ALL
        SELECT m[1], replace(m[1], '+', 'plus')
        FROM regexp_matches(t.plain, '([[:alnum:]]+\++)(?![[:alnum:]]|/?-)', 'g') AS m
        UNION ALL
        SELECT m[1], replace(m[1], ',', '')
        FROM regexp_matches(t.plain, '(?:^|[^\w.,])([1-9]\d{{0,2}}(?:,\d{{3}}){{1,2}})(?![\d,]|\.\d)', 'g') AS m
    ) AS c
    WHERE length(c.joined) <= 40 AND CASE
        WHEN c.written ~ '[,+]' THEN true
        WHEN c.joined ~ '^\d+$' THEN length(c.joined) >= 8 AND c.written !~ '[./]'
        WHEN c.joined ~ '\d' THEN c.written !~ '^[\d.]+[[:alpha:]]+$'
        ELSE c.written ~ '^[[:alpha:]]+(?:-[[:alpha:]]+)+$'
    END
$$;

CREATE OR REPLACE FUNCTION public.catalog_key(input text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    -- Text as it is compared letter by letter: words in lower case with one blank between them, and no plus.
    SELECT btrim(regexp_replace(
        lower(public.catalog_words(replace(public.catalog_fold(input), '+', ' '))), '\s+', ' ', 'g'))
$$;
"""


class SearchVector(Func):
    """`catalog_search_vector(name, brand, short_description, description, attributes)` -> tsvector."""

    function = "catalog_search_vector"
    arity = 5


class LexicalWeights(Func):
    """`catalog_lexical_weights(tsvector)` -> sparsevec."""

    function = "catalog_lexical_weights"
    arity = 1


def functions_sql(search_config: str) -> str:
    """SQL that creates (or replaces) the keyword index's functions for a text search configuration.

    The functions and types of this schema are written with its name, or `pg_restore`, which runs with an empty
    search path, fails.
    """
    if not search_config.replace("_", "").isalnum():
        raise ValueError(f"{search_config!r} is not the name of a text search configuration.")
    config = f"'pg_catalog.{search_config}'::pg_catalog.regconfig"
    normalised = " + ".join(
        f"count(*) FILTER (WHERE w.label = '{field.label}') * {field.weight}"
        f" / (1 - {field.b} + {field.b} * l.{field.label.lower()}_length / {field.average_length}.0)"
        for field in FIELDS
    )
    lengths = ", ".join(
        f"count(*) FILTER (WHERE w.label = '{field.label}') AS {field.label.lower()}_length"
        for field in FIELDS
    )
    return rf"""
{WORDS_SQL}

CREATE OR REPLACE FUNCTION public.catalog_tokens(input text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    -- How text becomes lexemes, in products and in queries alike.
    SELECT to_tsvector({config}, public.catalog_words(f.folded) || ' ' || public.catalog_compounds(f.folded))
    FROM (SELECT public.catalog_fold(input) AS folded) AS f
$$;

CREATE OR REPLACE FUNCTION public.catalog_search_vector(
    name text, brand text, short_description text, description text, attributes jsonb
) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT setweight(public.catalog_tokens(coalesce(name, '')), 'A')
        || setweight(public.catalog_tokens(coalesce(brand, '')), 'B')
        || setweight(public.catalog_tokens(
            coalesce(short_description, '') || E'\n' || coalesce(description, '')), 'C')
        || setweight(public.catalog_tokens(coalesce(
            -- Of what a product has or has not, the name is what people look for.
            (SELECT string_agg(CASE a.value WHEN 'true' THEN a.key ELSE a.value END, E'\n' ORDER BY a.key)
             FROM jsonb_each_text(CASE jsonb_typeof(attributes) WHEN 'object' THEN attributes ELSE '{{}}' END) AS a
             WHERE a.value <> 'false'),
            '')), 'D')
$$;

CREATE OR REPLACE FUNCTION public.catalog_lexeme_dimension(lexeme text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT (hashtextextended(lexeme, 0) & {LEXICAL_DIMENSIONS - 1})::integer + 1
$$;

CREATE OR REPLACE FUNCTION public.catalog_lexical_weights(document tsvector) RETURNS public.sparsevec
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    WITH occurrence AS MATERIALIZED (
        SELECT t.lexeme, w.label FROM unnest(document) AS t, unnest(t.weights) AS w(label)
    ),
    length AS (SELECT {lengths} FROM occurrence AS w),
    frequency AS (
        SELECT public.catalog_lexeme_dimension(w.lexeme) AS dimension, {normalised} AS tf
        FROM occurrence AS w CROSS JOIN length AS l
        GROUP BY w.lexeme, l.a_length, l.b_length, l.c_length, l.d_length
    ),
    kept AS (
        SELECT dimension, max(tf * ({K1} + 1) / ({K1} + tf)) AS weight
        FROM frequency GROUP BY dimension ORDER BY weight DESC LIMIT {MAX_LEXEMES}
    )
    SELECT ('{{' || coalesce(string_agg(
        dimension || ':' || weight::real, ',' ORDER BY dimension), '') || '}}/{LEXICAL_DIMENSIONS}'
    )::public.sparsevec FROM kept
$$;
"""


DROP_FUNCTIONS_SQL = """
DROP FUNCTION IF EXISTS public.catalog_lexical_weights(tsvector);
DROP FUNCTION IF EXISTS public.catalog_lexeme_dimension(text);
DROP FUNCTION IF EXISTS public.catalog_search_vector(text, text, text, text, jsonb);
DROP FUNCTION IF EXISTS public.catalog_key(text);
DROP FUNCTION IF EXISTS public.catalog_tokens(text);
DROP FUNCTION IF EXISTS public.catalog_compounds(text);
DROP FUNCTION IF EXISTS public.catalog_words(text);
DROP FUNCTION IF EXISTS public.catalog_fold(text);
"""
