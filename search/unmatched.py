"""Words of a query that no product has, however much was found by meaning or by its other words."""

from collections.abc import Sequence

from search.analysis import MAX_WORDS_WITH_TYPOS
from search.encoding import knows_word
from search.lexical_query import Group, LexicalQuery, documents_of
from search.statements import GIN_SETTINGS, fetch

# In so many products it takes no time to see whether the parts of a word stand next to each other.
FEW_PRODUCTS = 300

# Products may be newer than the last count of terms, and have a SKU that no text of theirs has.
_MATCHED_SQL = """
SELECT w.word FROM unnest(%s::text[], %s::text[]) AS w(word, lexemes)
WHERE EXISTS (SELECT FROM catalog_product AS p WHERE p.is_active AND p.search_vector @@ w.lexemes::tsquery)
OR EXISTS (
    SELECT FROM catalog_product AS p
    WHERE p.is_active AND p.sku = ANY (ARRAY[w.word, upper(w.word), lower(w.word)] || %s::text[])
)
"""


def unmatched_words(query: LexicalQuery) -> tuple[str, ...]:
    """Those words of a query, in order, that no active product of the catalogue has in any way to write them.

    In a sentence, a word that the embedding model knows is answered by meaning, and not among them.
    """
    doubtful = [group for group in query.groups if _may_be_unmatched(group)]
    if len(query.groups) > MAX_WORDS_WITH_TYPOS:
        doubtful = [group for group in doubtful if not knows_word(group.word.lower())]
    matched = _matched(doubtful, query.text) if doubtful else ()
    return tuple(dict.fromkeys(group.word for group in doubtful if group.word not in matched))


def _may_be_unmatched(group: Group) -> bool:
    in_one_piece = documents_of([way for way in group.ways if len(way) == 1])
    return not in_one_piece and group.documents <= FEW_PRODUCTS


def _matched(groups: Sequence[Group], text: str) -> set[str]:
    words, lexemes = [group.word for group in groups], [group.sql for group in groups]
    params = (words, lexemes, [text, text.upper(), text.lower()])
    return {word for (word,) in fetch(_MATCHED_SQL, params, GIN_SETTINGS, is_prepared=True)}
