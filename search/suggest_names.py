"""Products whose names hold all words of a growing query, and the words of such names that complete it."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from search.models import Suggestion
from search.statements import fetch
from search.suggestion_counts import least_documents
from search.terms import catalogue_size

# In the index, one or two letters begin the words of half of the catalogue. So shorter beginnings of words are looked
# for among the names that have the words before, in so many of them.
SHORT_BEGINNING = 3
READ = 1_000
# Names that are found: enough to say which words are common among them.
FOUND = 50

# Only the index finds few products among many without reading them all.
_SETTINGS = {"enable_seqscan": "off"}
_NAMES_SQL = """
SELECT s.key, s.text, s.target FROM (
    SELECT key, text, target, product_id FROM search_suggestion WHERE words @@ %s::tsquery LIMIT %s
) AS s
WHERE ' ' || s.key LIKE %s AND (SELECT p.is_active FROM catalog_product AS p WHERE p.id = s.product_id)
LIMIT %s
"""
_WORDS_SQL = "SELECT key FROM search_suggestion WHERE kind IN (%s, %s) AND key = ANY(%s)"
_SKU_SQL = """
SELECT public.catalog_key(name), name, sku FROM catalog_product
WHERE (sku LIKE %s OR sku LIKE %s OR sku LIKE %s) AND is_active ORDER BY sku LIMIT %s
"""


@dataclass(frozen=True)
class NamedProduct:
    """An active product, and its name as it is compared letter by letter."""

    key: str
    name: str
    sku: str


def products_with_words(key: str) -> list[NamedProduct]:
    """Up to `FOUND` products with all words of a key in their names or brands, of the last word the beginning.

    Those that have the words next to each other come first, then those with shorter names. Where the last word has
    but one or two letters, the names themselves have it, as a whole word where it is the only one.
    """
    *earlier, last = key.split()
    # Keys have neither quotes nor backslashes (`catalog_key`).
    words, pattern = [f"'{word}'" for word in earlier], "%"
    if len(last) >= SHORT_BEGINNING:
        words.append(f"'{last}':*")
    elif earlier:
        pattern = f"% {begins_with(last)}"
    else:
        words.append(f"'{last}'")
    rows = fetch(_NAMES_SQL, (" & ".join(words), READ, pattern, FOUND), _SETTINGS, is_prepared=True)
    found = [NamedProduct(*row) for row in rows]
    return sorted(found, key=lambda one: (not _has_run(one.key, key), len(one.key), one.key, one.sku))


def products_with_sku(text: str, limit: int) -> list[NamedProduct]:
    """The first products whose SKU begins with a text that has a digit, in whatever case."""
    if len(text) < SHORT_BEGINNING or not any(map(str.isdigit, text)):
        return []
    patterns = [begins_with(way) for way in (text, text.upper(), text.lower())]
    return [NamedProduct(*row) for row in fetch(_SKU_SQL, (*patterns, limit))]


def completed_by(key: str, products: Collection[NamedProduct], limit: int) -> list[str]:
    """The key with its last word completed as many of the products' names do, most frequent first.

    Only by words that are suggested by themselves, as one of those before has to be: of “all in”, neither is. And where
    most of the names have them apart from the words before: next to each other they are a phrase, or a fragment of one.
    """
    *earlier, last = key.split()
    if not earlier:
        return []
    before = " ".join(earlier)
    apart: Counter[str] = Counter()
    together: Counter[str] = Counter()
    for product in products:
        for word in set(product.key.split()).difference(earlier):
            if word.startswith(last):
                counted = together if _has_run(f"{product.key} ", f"{before} {word} ") else apart
                counted[word] += 1
    least = least_documents(catalogue_size())
    ranked = sorted(
        (-count, word) for word, count in apart.items() if count >= least and count > together[word]
    )
    known = _suggested_words([*earlier, *(word for _, word in ranked)]) if ranked else set()
    if known.isdisjoint(earlier):
        return []
    return [f"{before} {word}" for _, word in ranked if word in known][:limit]


def begins_with(text: str) -> str:
    """The LIKE pattern of what begins with a text."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def _suggested_words(words: Collection[str]) -> set[str]:
    rows = fetch(_WORDS_SQL, (Suggestion.Kind.PHRASE.value, Suggestion.Kind.BRAND.value, list(words)))
    return {word for (word,) in rows}


def _has_run(name: str, beginning: str) -> bool:
    """Whether a text stands in a name, the beginning of a word at its own beginning."""
    return f" {beginning}" in f" {name}"
