"""Words that the catalogue does not have, as it would spell them."""

from collections.abc import Iterable, Sequence

from django.conf import settings

from search.encoding import knows_word
from search.statements import GIN_SETTINGS, fetch
from search.terms import MAX_WORD_LENGTH, catalogue_size

# Shorter words are a typo away from too many others.
MIN_LENGTH = 4
# From this length on two typos are forgiven, else one. Those who mistype a long word begin it right.
LENGTH_FOR_TWO = 8
SAME_LETTERS = 3
# A shorter word is more often one of its own: a brand that the shop lacks, or not a slip of who wrote a product's text.
LENGTH_FOR_RARE = 6
# A word is rare that fewer products have, or less than one of so many.
LEAST_PRODUCTS = 2
PRODUCTS_FOR_ONE = 2_000
# Two letters are often a word or a code somewhere. Nothing is looked up in parts that is longer than two long words.
MIN_PART_LENGTH = 3
MAX_PARTED_LENGTH = 2 * MAX_WORD_LENGTH

# Two words that are one typo apart share a form with at most one letter left out (Garbe's symmetric deletes).
_NEIGHBOURS_SQL = """
SELECT q.word, w.word, w.documents
FROM unnest(%s::text[]) AS q(word)
CROSS JOIN LATERAL (
    SELECT word, documents FROM search_word
    WHERE deletions && (ARRAY(
        SELECT overlay(q.word PLACING '' FROM i FOR 1) FROM generate_series(1, length(q.word)) AS i
    ) || q.word)
    UNION
    SELECT word, documents FROM search_word
    WHERE length(q.word) >= %s AND abs(length(word) - length(q.word)) <= 2
    AND word ~>=~ left(q.word, %s) AND word ~<~ (left(q.word, %s) || chr(1114111))  -- the last character there is
) AS w
"""

# A stop word is no part, for the index does not have it. Of the products that have both parts a thousand are looked at:
# where the parts belong together, one of the first has them next to each other.
_ADJACENT_SQL = """
SELECT h.word, h.first || ' ' || h.last
FROM unnest(%s::text[], %s::text[], %s::text[]) AS h(word, first, last)
CROSS JOIN LATERAL (
    SELECT plainto_tsquery(c.config, public.catalog_fold(first)), plainto_tsquery(c.config, public.catalog_fold(last))
    FROM (SELECT %s::regconfig AS config) AS c OFFSET 0
) AS part(one, other)
WHERE numnode(one) = 1 AND numnode(other) = 1 AND EXISTS (
    SELECT FROM (
        SELECT search_vector FROM catalog_product WHERE is_active AND search_vector @@ (one && other) LIMIT 1000
    ) AS p
    WHERE p.search_vector @@ (one <-> other)
)
"""


def parted(words: Iterable[str]) -> dict[str, list[str]]:
    """Words that the catalogue writes apart: `powerbank` is `power bank` where these stand so in a product.

    Each with all the ways to part it in two; words that cannot be parted are left out.
    """
    halves = [
        (word, word[:place], word[place:])
        for word in words
        if word.isalpha() and len(word) <= MAX_PARTED_LENGTH
        for place in range(MIN_PART_LENGTH, len(word) - MIN_PART_LENGTH + 1)
    ]
    found: dict[str, list[str]] = {}
    if halves:
        columns = map(list, zip(*halves, strict=True))
        for word, apart in fetch(_ADJACENT_SQL, (*columns, settings.SEARCH_CONFIG), GIN_SETTINGS):
            found.setdefault(word, []).append(apart)
    return found


def corrections(words: Iterable[str]) -> dict[str, str]:
    """The likeliest word of the catalogue for each misspelt one; words without a likely one are left out.

    The nearest by edit distance wins, then the one that more products have. A word that the model knows is a word,
    though no product has it: whoever asks for a compiler does not want a computer. And who asks for Sonos, or for a
    telly, does not want the one product with SunOS, or that tells something: only a slip makes a rare word likely.
    """
    asked = {word.lower(): word for word in words if _is_correctable(word) and not knows_word(word.lower())}
    least = max(LEAST_PRODUCTS, catalogue_size() / PRODUCTS_FOR_ONE)
    best: dict[str, tuple[int, int, str]] = {}
    for word, known, documents in _neighbours(list(asked)):
        distance = edit_distance(word, known)
        forgiven = 2 if len(word) >= LENGTH_FOR_TWO else 1
        if 0 < distance <= forgiven and (documents >= least or _is_slip(word, known)):
            candidate = (distance, -documents, known)
            best[word] = min(best.get(word, candidate), candidate)
    return {asked[word]: known for word, (_, _, known) in best.items()}


def _is_slip(word: str, known: str) -> bool:
    """Whether a word can hardly be another one: it is long, or a letter is only forgotten, or two are swapped."""
    return len(word) >= LENGTH_FOR_RARE or len(known) > len(word) or sorted(known) == sorted(word)


def commoner(words: Iterable[str]) -> dict[str, tuple[str, int]]:
    """The commonest word of the catalogue that is one typo away, and how many products have it.

    For words that some product may have too, so the first letter has to be right: a frother is no brother. A word that
    the model knows is no typo.
    """
    asked = {
        word.lower(): word
        for word in words
        if len(word) >= LENGTH_FOR_RARE and _is_correctable(word) and not knows_word(word.lower())
    }
    best: dict[str, tuple[int, str]] = {}
    for word, known, documents in _neighbours(list(asked)):
        if word[0] == known[0] and edit_distance(word, known) == 1:
            best[word] = max(best.get(word, (0, "")), (documents, known))
    return {asked[word]: (known, documents) for word, (documents, known) in best.items()}


def _neighbours(words: list[str]) -> Sequence[tuple[str, str, int]]:
    """Pairs of a word and one of the catalogue that may be near it, with how many products have that one."""
    if not words:
        return ()
    return fetch(_NEIGHBOURS_SQL, (words, LENGTH_FOR_TWO, SAME_LETTERS, SAME_LETTERS))


def _is_correctable(word: str) -> bool:
    return MIN_LENGTH <= len(word) <= MAX_WORD_LENGTH + 1 and word.isalpha()


def corrected_text(words: Sequence[str]) -> str | None:
    """The words with every misspelt one corrected, or None where nothing is to be corrected."""
    found = corrections(words)
    return " ".join(found.get(word, word) for word in words) if found else None


def edit_distance(left: str, right: str) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours that turn one word into the other.

    Optimal string alignment (Damerau 1964), in which no letter is edited twice.
    """
    before: list[int] = []
    last = list(range(len(right) + 1))
    for i, letter in enumerate(left, start=1):
        row = [i]
        for j, other in enumerate(right, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == right[j - 2] and left[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
