"""What suggestions are made of: phrases, brands, categories and products, counted from the catalogue by the worker."""

from django.db.backends.utils import CursorWrapper

# A phrase of product names is suggested when this many products have it; in a small catalogue fewer are enough.
MIN_PHRASE_DOCUMENTS = 3
MIN_PHRASE_LENGTH = 3
FREQUENT_SUGGESTIONS = 3_000
# Several words that go on with the same word in this share of their products are a fragment of the longer run, and so
# are those that follow upon the same word. “usb ps” goes on with “2” in 31 of 35 names.
FRAGMENT_SHARE = 0.85

# Phrases are runs of one to three words of product names, or of four that a fragment of three goes on to; runs of five
# only tell which of four are fragments. They have no loose letters, and no stop word at either end: “drill for” is the
# beginning of one. A number neither begins one nor follows upon a brand, for there it counts or measures; nor does what
# nearly always follows upon a number begin one (“inch”, “gb”). A brand of several words is one word here, which no
# phrase cuts; nor do a brand or a stop word make a fragment of what follows upon them, for “galaxy” is asked for
# without its brand. Where only one or two products have a run, what is a fragment goes on with a word, or ends in a
# number: in “lawn mower 38 cm” the number begins something else. The whole name of but one product is suggested as
# that product.
# The planner takes runs for few and would look through all of them for each one.
_SETTINGS_SQL = "SET LOCAL enable_nestloop = {}"
_COUNT_SQL = """
CREATE TEMP TABLE fresh_suggestion ON COMMIT DROP AS
    WITH brand AS MATERIALIZED (
        SELECT brand, public.catalog_key(brand) AS key FROM catalog_product
        WHERE is_active AND brand <> '' GROUP BY brand
    ),
    product AS MATERIALIZED (
        SELECT p.id, p.sku, p.name, public.catalog_key(p.name) AS key, coalesce(b.key, '') AS brand
        FROM catalog_product AS p LEFT JOIN brand AS b USING (brand) WHERE p.is_active
    ),
    name AS MATERIALIZED (
        SELECT id, string_to_array(CASE WHEN brand LIKE '%% %%' THEN btrim(replace(
            ' ' || key || ' ', ' ' || brand || ' ', ' ' || replace(brand, ' ', '_') || ' ')) ELSE key END, ' '
        ) AS words
        FROM product
    ),
    stop_word AS MATERIALIZED (
        SELECT w.word FROM (SELECT DISTINCT unnest(words) AS word FROM name) AS w
        WHERE public.catalog_tokens(w.word) = ''::tsvector
    ),
    measure AS MATERIALIZED (
        SELECT w.word FROM name AS n CROSS JOIN LATERAL unnest(n.words) WITH ORDINALITY AS w(word, place)
        GROUP BY w.word
        HAVING count(*) FILTER (WHERE n.words[w.place - 1] ~ '^[0-9./]+$') >= %(share)s * count(*)
    ),
    run AS MATERIALIZED (
        SELECT phrase, documents, regexp_replace(phrase, ' ?[^ ]*$', '') AS head,
            split_part(phrase, ' ', 1) AS first, split_part(phrase, ' ', -1) AS last,
            substr(phrase, nullif(strpos(phrase, ' '), 0) + 1) AS tail,
            string_to_array(phrase, ' ') AS words
        FROM (
            SELECT phrase, count(*) AS documents FROM (
                SELECT DISTINCT n.id, array_to_string(n.words[i : i + size], ' ') AS phrase
                FROM name AS n CROSS JOIN generate_series(0, 4) AS size
                CROSS JOIN LATERAL generate_series(1, cardinality(n.words) - size) AS i
            ) AS of_product
            GROUP BY phrase HAVING count(*) >= %(least)s
        ) AS counted
    ),
    whole AS MATERIALIZED (
        SELECT r.phrase, r.documents, r.words, r.head,
            cardinality(r.words) > 1 AND r.documents * %(share)s <= CASE
                WHEN r.documents >= %(evidence)s OR r.last ~ '[0-9]' THEN continued.documents ELSE continued.by_word
            END AS is_beginning,
            cardinality(r.words) > 1 AND r.documents >= %(evidence)s
                AND r.documents * %(share)s <= preceded.documents AS is_end
        FROM run AS r
        LEFT JOIN (
            SELECT head AS phrase, max(documents) AS documents, max(documents) FILTER (
                WHERE length(last) > 1 AND last !~ '[0-9]' AND last NOT IN (SELECT word FROM stop_word)) AS by_word
            FROM run GROUP BY head
        ) AS continued USING (phrase)
        LEFT JOIN (
            SELECT tail AS phrase, max(documents) AS documents FROM run
            WHERE first NOT IN (SELECT replace(key, ' ', '_') FROM brand UNION SELECT word FROM stop_word)
            GROUP BY tail
        ) AS preceded USING (phrase)
    ),
    phrase AS (
        SELECT replace(w.phrase, '_', ' ') AS key, w.documents FROM whole AS w
        LEFT JOIN whole AS fragment ON fragment.phrase = w.head AND fragment.is_beginning
        WHERE w.is_beginning IS NOT TRUE AND w.is_end IS NOT TRUE
        AND NOT (w.documents = 1 AND replace(w.phrase, '_', ' ') IN (SELECT key FROM product))
        AND (cardinality(w.words) <= 3 OR cardinality(w.words) = 4 AND fragment.phrase IS NOT NULL)
        AND w.words[1] ~ '[^0-9./]'
        AND NOT (w.words[2] ~ '^[0-9./]+$' AND w.words[1] IN (SELECT replace(key, ' ', '_') FROM brand))
        AND NOT EXISTS (SELECT FROM unnest(w.words) AS u(word) WHERE length(u.word) < 2 AND u.word !~ '[0-9]')
        AND w.words[1] NOT IN (SELECT word FROM stop_word UNION ALL SELECT word FROM measure)
        AND w.words[cardinality(w.words)] NOT IN (SELECT word FROM stop_word)
    )
    SELECT 'phrase' AS kind, key, key AS text, NULL AS target, NULL::bigint AS product_id,
        sum(documents)::bigint AS documents, NULL::tsvector AS words
    FROM phrase WHERE length(key) <= 80 AND (length(key) >= %(shortest)s OR key ~ '[0-9]') GROUP BY key
    UNION ALL
    SELECT 'brand', b.key, p.brand, NULL, NULL, count(*), NULL
    FROM catalog_product AS p JOIN brand AS b USING (brand) WHERE p.is_active GROUP BY p.brand, b.key
    UNION ALL
    SELECT 'category', public.catalog_key(c.name), c.name, min(c.slug), NULL, count(*), NULL
    FROM catalog_category AS c JOIN catalog_category AS below
        ON below.path = c.path OR starts_with(below.path, c.path || '/')
    JOIN catalog_product AS p ON p.category_id = below.id AND p.is_active
    GROUP BY c.id, c.name
    UNION ALL
    -- Cut, for a lexeme has at most 2,046 bytes.
    SELECT 'product', key, name, sku, id, 1, array_to_tsvector(array_remove(string_to_array(
        left(key, 500) || ' ' || left(brand, 120) || ' ' || public.catalog_compounds(lower(public.catalog_fold(name))),
        ' '), ''))
    FROM product;
"""

# In no order, so that the first products that PostgreSQL comes upon are a fair sample.
_STORE_SQL = """
DELETE FROM search_suggestion AS s WHERE NOT EXISTS (
    SELECT FROM fresh_suggestion AS f WHERE f.kind = s.kind AND f.text = s.text
    AND f.product_id IS NOT DISTINCT FROM s.product_id);
INSERT INTO search_suggestion AS s (kind, key, text, target, product_id, documents, is_frequent, words)
    SELECT * FROM (
        SELECT DISTINCT ON (kind, text, product_id) kind, key, text, target, product_id, documents,
            row_number() OVER (PARTITION BY kind ORDER BY documents DESC, text) <= %(frequent)s, words
        FROM fresh_suggestion WHERE key <> '' ORDER BY kind, text, product_id, documents DESC
    ) AS fresh ORDER BY hashint8(product_id)
    ON CONFLICT (kind, text, product_id) DO UPDATE
    SET key = EXCLUDED.key, target = EXCLUDED.target, documents = EXCLUDED.documents,
        is_frequent = EXCLUDED.is_frequent, words = EXCLUDED.words
    WHERE (s.key, s.target, s.documents, s.is_frequent, s.words) IS DISTINCT FROM
        (EXCLUDED.key, EXCLUDED.target, EXCLUDED.documents, EXCLUDED.is_frequent, EXCLUDED.words);
ANALYZE search_suggestion;
DROP TABLE fresh_suggestion;
"""


def least_documents(size: int) -> int:
    """How many products of a catalogue of `size` must have words for these to be suggested."""
    return min(MIN_PHRASE_DOCUMENTS, 1 + size // 1000)


def refresh_suggestions(cursor: CursorWrapper, size: int) -> None:
    """Count what may complete a query anew; `size` is how many active products there are.

    Only rows that changed are written. To be called in a transaction.
    """
    cursor.execute(_SETTINGS_SQL.format("off"))
    cursor.execute(
        _COUNT_SQL,
        {
            "least": least_documents(size),
            "shortest": MIN_PHRASE_LENGTH,
            "share": FRAGMENT_SHARE,
            "evidence": MIN_PHRASE_DOCUMENTS,
        },
    )
    cursor.execute(_SETTINGS_SQL.format("DEFAULT"))
    cursor.execute(_STORE_SQL, {"frequent": FREQUENT_SUGGESTIONS})
