"""What a visitor may be about to type: categories, brands, phrases of product names, products."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from search.encoding import vocabulary
from search.models import Suggestion
from search.spelling import corrections
from search.statements import Kind, Select, fetch, fetch_together
from search.suggest_names import (
    NamedProduct,
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
# So many products are looked at, for some may be gone or hidden since the last refresh.
SPARE = 50

_KEY_SQL = "SELECT public.catalog_key(%s)"

# Words that begin no word of the catalogue; all but the growing ones must be words of it themselves.
_UNKNOWN_SQL = """
SELECT q.word FROM unnest(%s::text[]) AS q(word)
WHERE NOT EXISTS (
    SELECT FROM search_word AS w
    WHERE w.word ~>=~ q.word AND w.word ~<~ (q.word || chr(1114111))  -- the last character there is
    AND (q.word = ANY(%s::text[]) OR w.word = q.word)
)
"""


@dataclass(frozen=True)
class Completion:
    """One line under the search box. `target` is the slug of a category or the SKU of a product."""

    text: str
    kind: str  # phrase | category | brand | product
    target: str | None = None


# A completion with its own key: the text as it is compared.
_Keyed = tuple[str, Completion]


def suggest(text: str, limit: int = 8) -> list[Completion]:
    """Completions of a growing query, best first, no text twice; never raises on any text.

    Categories and brands come before phrases, each kind by how many products it stands for; products come last. What
    begins with the query comes before what has its words elsewhere. Where nothing has them, two words are completed as
    one, and else the words as the catalogue would spell them.
    """
    limit = max(0, min(limit, MAX_SUGGESTIONS))
    text = text[:MAX_PREFIX_LENGTH].replace("\x00", " ").strip()
    key = _key(text)
    if not key or not limit:
        return []
    found = _complete(key, text, limit)
    if not found and (meant := _meant(key)):
        found = _complete(meant, meant, limit)
    return found


def _complete(key: str, text: str, limit: int) -> list[Completion]:
    """Completions of a key, which was typed as `text`."""
    found = _beginnings(key)
    named = _distinct(found[Suggestion.Kind.CATEGORY], found[Suggestion.Kind.BRAND])
    searches = _distinct(named.items(), found[Suggestion.Kind.PHRASE])
    products = _distinct(found[Suggestion.Kind.PRODUCT])
    if len({*searches, *products}) < limit:
        others = products_with_words(key)
        completed = ((words, Completion(words, "phrase")) for words in completed_by(key, others, limit))
        searches = _distinct(searches.items(), completed)
        products = _distinct(products.items(), _keyed(others), _keyed(products_with_sku(text, limit)))
    last = [completion for key, completion in products.items() if key not in searches]
    last = last[: max(limit - len(searches), AT_MOST[Suggestion.Kind.PRODUCT])]
    first = list(searches.values())[: max(limit - len(last), len(named))]
    return [*first, *last][:limit]


def _distinct(*found: Iterable[_Keyed]) -> dict[str, Completion]:
    """Completions by their keys in their order, of each key the first."""
    by_key: dict[str, Completion] = {}
    for key, completion in chain(*found):
        by_key.setdefault(key, completion)
    return by_key


def _keyed(products: Iterable[NamedProduct]) -> Iterable[_Keyed]:
    return ((one.key, Completion(one.name, Suggestion.Kind.PRODUCT.value, one.sku)) for one in products)


def _key(text: str) -> str:
    """The text as it is compared."""
    ((key,),) = fetch(_KEY_SQL, (text,))
    return key


def _meant(key: str) -> str | None:
    """Two words as the one that they begin, or the key's unknown words as the catalogue would spell them.

    None where neither is likely.
    """
    known = remembered()
    place = ("suggestions for", vocabulary(), key)
    if place not in known:
        words = key.split()
        in_one = ["".join(words)] if len(words) == 2 else []
        growing = [words[-1], *in_one]
        unknown = [word for (word,) in fetch(_UNKNOWN_SQL, ([*words, *in_one], growing))]
        likely = corrections([word for word in unknown if word not in in_one])
        corrected = " ".join(likely.get(word, word) for word in words) if likely else None
        known[place] = next((word for word in in_one if word not in unknown), corrected)
    found: str | None = known[place]
    return found


def _beginnings(key: str) -> dict[Suggestion.Kind, list[_Keyed]]:
    """What begins with a key, of each kind the first ones."""
    is_short = len(key) < SHORT_PREFIX
    kinds = [kind for kind in Suggestion.Kind if not (is_short and kind is Suggestion.Kind.PRODUCT)]
    selects = [Select([Kind.TEXT] * 3, _beginnings_sql(kind, is_short), (key, key)) for kind in kinds]
    found: dict[Suggestion.Kind, list[_Keyed]] = {kind: [] for kind in Suggestion.Kind}
    for kind, columns in zip(kinds, fetch_together(selects, is_prepared=True), strict=True):
        rows = zip(*columns, strict=True)
        distinct = _distinct((key, Completion(text, kind.value, target)) for key, text, target in rows)
        found[kind] = list(distinct.items())[: AT_MOST.get(kind, MAX_SUGGESTIONS)]
    return found


def _beginnings_sql(kind: Suggestion.Kind, is_short: bool) -> str:
    """The SELECT of what begins with a key, which is wanted twice: as the first one and before the last."""
    where = f"kind = '{kind.value}' AND key ~>=~ %s AND key ~<~ (%s || chr(1114111))"
    most = 2 * AT_MOST.get(kind, MAX_SUGGESTIONS)  # for some can be named alike
    if kind is not Suggestion.Kind.PRODUCT:
        head = "AND is_frequent" if is_short else ""
        return f"""
        SELECT key, text, target FROM search_suggestion WHERE {where} {head}
        ORDER BY documents DESC, length(key), key LIMIT {most}
        """
    # Products are one each. In the order of the index, thousands of them need not be read to find the first. One that
    # is gone or hidden since the last refresh is not suggested. Each of the first ones is looked up by itself: where
    # thousands match, an EXISTS beside the prefix would read the whole catalogue first.
    return f"""
    SELECT found.key, found.text, found.target FROM (
        SELECT * FROM search_suggestion WHERE {where} ORDER BY key USING ~<~ LIMIT {SPARE}
    ) AS found
    WHERE (SELECT p.is_active FROM catalog_product AS p WHERE p.id = found.product_id)
    ORDER BY found.key USING ~<~ LIMIT {most}
    """
