"""What a visitor may be about to type: categories, brands, phrases of product names, products."""

from dataclasses import dataclass

from search.models import Suggestion
from search.statements import fetch

MAX_SUGGESTIONS = 20
MAX_PREFIX_LENGTH = 100
# Shorter prefixes match so much that only what is most frequent is looked at, and no single product.
SHORT_PREFIX = 3
# The most of one kind, so that none crowds out the others; phrases fill what is left.
AT_MOST = {Suggestion.Kind.CATEGORY: 2, Suggestion.Kind.BRAND: 2, Suggestion.Kind.PRODUCT: 3}
# So many completions may stand for products that are gone or hidden since the last refresh.
SPARE = 50

_KEY_SQL = "SELECT public.catalog_key(%s)"


@dataclass(frozen=True)
class Completion:
    """One line under the search box. `target` is the slug of a category or the SKU of a product."""

    text: str
    kind: str  # phrase | category | brand | product
    target: str | None = None


def suggest(text: str, limit: int = 8) -> list[Completion]:
    """Completions of a growing query, best first; never raises on any text.

    Categories and brands come before phrases, each kind by how many products it stands for; products come last, by
    name.
    """
    limit = max(0, min(limit, MAX_SUGGESTIONS))
    key = _key(text[:MAX_PREFIX_LENGTH])
    if not key or not limit:
        return []
    found = {kind: _completions(kind, key, AT_MOST.get(kind, limit)) for kind in Suggestion.Kind}
    products = [one for _, one in found.pop(Suggestion.Kind.PRODUCT)]
    named = [*found[Suggestion.Kind.CATEGORY], *found[Suggestion.Kind.BRAND]]
    others, keys = [one for _, one in named], {key for key, _ in named}
    phrases = [one for key, one in found[Suggestion.Kind.PHRASE] if key not in keys]
    room = max(0, limit - len(others) - len(products))
    return [*others, *phrases[:room], *products][:limit]


def _key(text: str) -> str:
    ((key,),) = fetch(_KEY_SQL, (text.replace("\x00", " "),))
    return key


def _completions(kind: Suggestion.Kind, key: str, limit: int) -> list[tuple[str, Completion]]:
    """Completions with their own keys: the texts as they are compared."""
    is_short = len(key) < SHORT_PREFIX
    if is_short and kind is Suggestion.Kind.PRODUCT:
        return []
    pattern = key.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    head = "AND is_frequent" if is_short else ""
    # Products are one each. In the order of the index, thousands of them need not be read to find the first.
    order = "key USING ~<~" if kind is Suggestion.Kind.PRODUCT else "documents DESC, length(key), key"
    rows = fetch(
        # A product that is gone or hidden since the last refresh is not suggested. Each of the first ones is looked
        # up by itself: where thousands match, an EXISTS beside the prefix would read the whole catalogue first.
        f"""
        SELECT found.text, found.target, found.key FROM (
            SELECT * FROM search_suggestion WHERE kind = %s AND key LIKE %s {head} ORDER BY {order} LIMIT %s
        ) AS found
        WHERE found.product_id IS NULL
            OR (SELECT p.is_active FROM catalog_product AS p WHERE p.id = found.product_id)
        ORDER BY {order} LIMIT %s
        """,
        (kind.value, pattern, limit + SPARE, limit),
    )
    return [(found, Completion(text, kind.value, target)) for text, target, found in rows]
