"""Words of a query that the catalogue writes as one, and of which the index would leave something out.

Of `i pad`, `2 in 1` or `so dimm`, a stop word is all that makes it that thing: any pad, any 2, any DIMM has the rest.
"""

from collections.abc import Callable, Sequence

from search.lexical_query import Lexeme, documents_of

# Stop words between others are short; so few of these runs are looked up that would never be one word.
MAX_BETWEEN = 4
# Where one word is left of them, they are one only if that is no chance: `a mount` is no amount, `a pc` no APC.
LEAST_LENGTH = 4
LEAST_DOCUMENTS = 3
LEAST_SHARE = 0.02


def runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    """What of a query may be one word: words side by side, and those with a short word between them."""
    pairs = [tuple(words[place : place + 2]) for place in range(len(words) - 1)]
    around = [tuple(words[place : place + 3]) for place in range(len(words) - 2)]
    return [*pairs, *(run for run in around if len(run[1]) <= MAX_BETWEEN)]


def in_one_word(words: Sequence[str], lexemes: Callable[[str], Sequence[Lexeme]]) -> tuple[str, ...]:
    """Words of a query, those that are one word of the catalogue as one, with blanks in it.

    `lexemes` are those of a piece of text in the index: it is asked for each word, and for each run in one.
    """
    found: list[str] = []
    place = 0
    while place < len(words):
        length = next((size for size in (3, 2) if _is_one(words[place : place + size], size, lexemes)), 1)
        found.append(" ".join(words[place : place + length]))
        place += length
    return tuple(found)


def _is_one(run: Sequence[str], size: int, lexemes: Callable[[str], Sequence[Lexeme]]) -> bool:
    indexed = [word for word in run if lexemes(word)]
    if len(run) < size or not indexed or len(indexed) == len(run):
        return False
    if size > 2 and (lexemes(run[1]) or len(run[1]) > MAX_BETWEEN):
        return False
    joined = "".join(run)
    together = lexemes(joined)
    share = LEAST_SHARE * documents_of([lexemes(indexed[0])]) if len(indexed) == 1 else 0.0
    enough = max(LEAST_DOCUMENTS, share)
    return len(together) == 1 and len(joined) >= LEAST_LENGTH and documents_of([together]) >= enough
