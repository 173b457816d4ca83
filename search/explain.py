"""Why a product was found: which words of the query it has, and what two products share."""

from collections.abc import Sequence
from itertools import compress
from typing import Any

from search.lexical_query import AppliedSynonym, LexicalQuery
from search.statements import fetch, id_array
from search.trace import stage


@stage("explain")
def matched_words(query: LexicalQuery, product_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Which of the query's words each product has, and by which synonyms.

    Words are as they were typed, or the catalogue's where a product has one that was likely meant instead.
    """
    if not query.groups or not product_ids:
        return {}
    words, asked = zip(*(pair for group in query.groups for pair in group.sql_by_word()), strict=True)
    asked += tuple(synonym.sql for synonym in query.synonyms)
    tests = ", ".join("search_vector @@ %s::tsquery" for _ in asked)
    rows = fetch(
        f"SELECT id, {tests} FROM catalog_product WHERE id = ANY(%s::bigint[])",
        (*asked, id_array(product_ids)),
    )
    return {product_id: _matched(words, query.synonyms, has) for product_id, *has in rows}


def _matched(words: Sequence[str], synonyms: Sequence[AppliedSynonym], has: Sequence[bool]) -> dict[str, Any]:
    of_words, of_synonyms = has[: len(words)], has[len(words) :]
    found: dict[str, Any] = {"matched_terms": list(compress(words, of_words))}
    if applied := [one.explain() for one in compress(synonyms, of_synonyms)]:
        found["synonyms"] = applied
    return found


_SHARED_SQL = """
SELECT other.id,
    (SELECT coalesce(jsonb_object_agg(a.key, a.value), '{}') FROM (
        SELECT key, value FROM jsonb_each(other.attributes) AS a(key, value)
        WHERE seed.attributes -> key = value AND value NOT IN ('true', 'false') ORDER BY key LIMIT %s) AS a),
    (SELECT coalesce(array_agg(w.lexeme ORDER BY w.lexeme), '{}') FROM (
        SELECT lexeme FROM unnest(ts_filter(other.search_vector, '{a,b}'))
        INTERSECT SELECT lexeme FROM unnest(ts_filter(seed.search_vector, '{a,b}'))
    ) AS w)
FROM catalog_product AS seed, catalog_product AS other
WHERE seed.id = %s AND other.id = ANY(%s::bigint[])
"""
MAX_SHARED_ATTRIBUTES = 12


def shared_with(seed_id: int, product_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What products have in common with a seed: attributes of the same value, and words of name and brand."""
    rows = fetch(_SHARED_SQL, (MAX_SHARED_ATTRIBUTES, seed_id, list(product_ids)))
    return {
        pk: {"shared_attributes": attributes if isinstance(attributes, dict) else {}, "shared_words": words}
        for pk, attributes, words in rows
    }
