"""Why a product was found: which words of the query it has, and what two products share."""

from collections.abc import Sequence
from itertools import compress
from typing import Any

from search.lexical_query import LexicalQuery
from search.statements import fetch, id_array
from search.trace import stage


@stage("explain")
def matched_words(query: LexicalQuery, product_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Which of the query's words each product has, as they were typed, and by which synonyms."""
    if not query.groups or not product_ids:
        return {}
    asked = [*(group.sql for group in query.groups), *(synonym.sql for synonym in query.synonyms)]
    tests = ", ".join("search_vector @@ %s::tsquery" for _ in asked)
    rows = fetch(
        f"SELECT id, {tests} FROM catalog_product WHERE id = ANY(%s::bigint[])",
        (*asked, id_array(product_ids)),
    )
    return {product_id: _matched(query, has) for product_id, *has in rows}


def _matched(query: LexicalQuery, has: Sequence[bool]) -> dict[str, Any]:
    of_words, of_synonyms = has[: len(query.groups)], has[len(query.groups) :]
    found: dict[str, Any] = {
        "matched_terms": list(compress((group.word for group in query.groups), of_words))
    }
    if synonyms := [one.explain() for one in compress(query.synonyms, of_synonyms)]:
        found["synonyms"] = synonyms
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
