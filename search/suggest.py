"""What a visitor may be about to type: categories, brands, phrases of product names, products."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from search.models import Suggestion
from search.spelling import corrections
from search.statements import fetch
from search.suggest_names import (
    NamedProduct,
    begins_with,
    completed_by,
    products_with_sku,
    products_with_words,
)
from search.terms import remembered

MAX_SUGGESTIONS = 20
MAX_PREFIX_LENGTH = 100
# Shorter prefixes match so much that only what is most frequent is looked at, and no product's name from its start.
SHORT_PREFIX = 3
# The most of one kind, so that none crowds out the others; phrases fill what is left, and products what they leave.
AT_MOST = {Suggestion.Kind.CATEGORY: 2, Suggestion.Kind.BRAND: 2, Suggestion.Kind.PRODUCT: 3}
# So many completions may stand for products that are gone or hidden since the last refresh, or be named alike.
SPARE = 50

_KEY_SQL = "SELECT public.catalog_key(%s)"

# Words that begin no word of the catalogue; all but the last must be words of it themselves.
_UNKNOWN_SQL = """
SELECT q.word FROM unnest(%s::text[]) AS q(word)
WHERE NOT EXISTS (
    SELECT FROM search_word AS w
    WHERE w.word ~>=~ q.word AND w.word ~<~ (q.word || chr(1114111))  -- the last character there is
    AND (q.word = %s OR w.word = q.word)
)
"""


@dataclass(frozen=True)
class Completion:
    """One line under the search box. `target` is the slug of a category or the SKU of a product."""

    text: str
    kind: str  # phrase | category | brand | product
    target: str | None = None


# Completions by their keys: the texts as they are compared.
_ByKey = dict[str, Completion]


def suggest(text: str, limit: int = 8) -> list[Completion]:
    """Completions of a growing query, best first, no text twice; never raises on any text.

    Categories and brands come before phrases, each kind by how many products it stands for; products come last. What
    begins with the query comes before what has its words elsewhere. Where nothing has them, the words are completed
    as the catalogue would spell them.
    """
    limit = max(0, min(limit, MAX_SUGGESTIONS))
    text = text[:MAX_PREFIX_LENGTH].replace("\x00", " ").strip()
    key = _key(text)
    if not key or not limit:
        return []
    found = _complete(key, text, limit)
    if not found and (corrected := _corrected(key)):
        found = _complete(corrected, corrected, limit)
    return found


def _complete(key: str, text: str, limit: int) -> list[Completion]:
    """Completions of a key, which was typed as `text`."""
    found = {kind: _beginnings(kind, key, AT_MOST.get(kind, limit)) for kind in Suggestion.Kind}
    named = _distinct(found[Suggestion.Kind.CATEGORY], found[Suggestion.Kind.BRAND])
    searches = _distinct(named.items(), found[Suggestion.Kind.PHRASE])
    products = _distinct(found[Suggestion.Kind.PRODUCT])
    if len({*searches, *products}) < limit:
        others = products_with_words(key)
        completed = ((words, Completion(words, "phrase")) for words in completed_by(key, others, limit))
        searches = _distinct(searches.items(), completed)
        products = _distinct(
            products.items(), map(_product, others), map(_product, products_with_sku(text, limit))
        )
    last = [completion for key, completion in products.items() if key not in searches]
    last = last[: max(limit - len(searches), AT_MOST[Suggestion.Kind.PRODUCT])]
    first = list(searches.values())[: max(limit - len(last), len(named))]
    return [*first, *last][:limit]


def _distinct(*found: Iterable[tuple[str, Completion]]) -> _ByKey:
    """Completions by their keys, of each key the first."""
    by_key: _ByKey = {}
    for key, completion in chain(*found):
        by_key.setdefault(key, completion)
    return by_key


def _product(product: NamedProduct) -> tuple[str, Completion]:
    return product.key, Completion(product.name, Suggestion.Kind.PRODUCT.value, product.sku)


def _key(text: str) -> str:
    """The text as it is compared. Without accents it can be longer: PostgreSQL refuses words of two kilobytes."""
    ((key,),) = fetch(_KEY_SQL, (text,))
    return key[:MAX_PREFIX_LENGTH].rstrip()


def _corrected(key: str) -> str | None:
    """The key with the words that the catalogue lacks as it would spell them; None where none is likely."""
    known = remembered()
    place = ("suggestions for", key)
    if place not in known:
        words = key.split()
        unknown = [word for (word,) in fetch(_UNKNOWN_SQL, (words, words[-1]))]
        likely = corrections(unknown)
        known[place] = " ".join(likely.get(word, word) for word in words) if likely else None
    found: str | None = known[place]
    return found


def _beginnings(kind: Suggestion.Kind, key: str, limit: int) -> list[tuple[str, Completion]]:
    """What begins with a key, with the keys of its own."""
    is_short = len(key) < SHORT_PREFIX
    is_product = kind is Suggestion.Kind.PRODUCT
    if is_short and is_product:
        return []
    head = "AND is_frequent" if is_short else ""
    # Products are one each. In the order of the index, thousands of them need not be read to find the first, and those
    # that are named alike follow each other.
    order = "key USING ~<~" if is_product else "documents DESC, length(key), key"
    distinct = "DISTINCT ON (key)" if is_product else ""
    rows = fetch(
        # A product that is gone or hidden since the last refresh is not suggested. Each of the first ones is looked
        # up by itself: where thousands match, an EXISTS beside the prefix would read the whole catalogue first.
        f"""
        SELECT {distinct} found.text, found.target, found.key FROM (
            SELECT * FROM search_suggestion WHERE kind = %s AND key LIKE %s {head} ORDER BY {order} LIMIT %s
        ) AS found
        WHERE found.product_id IS NULL
            OR (SELECT p.is_active FROM catalog_product AS p WHERE p.id = found.product_id)
        ORDER BY {order} LIMIT %s
        """,
        (kind.value, begins_with(key), limit + SPARE, limit),
    )
    return [(found, Completion(text, kind.value, target)) for text, target, found in rows]
