"""Numbers and what they measure: `10 m` is what `10m` is.

Such a number counts only with its measure. Else a cable of 1.5 m that has a 10 in its model's name would be as good.
"""

import re
from collections.abc import Callable, Sequence

from search.lexical_query import Lexeme, documents_of

# So many products with a number, and such a share of them, have a word right behind it where that is a measure.
LEAST_DOCUMENTS = 3
LEAST_SHARE = 0.003
# Marks of inches are this word, with a blank before it.
INCH = "inch"
_NUMBER = re.compile(r"\d[\d.,]*")


def in_one_word(words: Sequence[str], lexemes: Callable[[str], Sequence[Lexeme]]) -> tuple[str, ...]:
    """Words of a query with each number and its measure in one, as far as the catalogue writes them so.

    `lexemes` are those of a piece of text in the index: it is asked for each word, and for two that stand side by side.
    """
    found: list[str] = []
    for word in words:
        if found and _is_measure(found[-1], word, lexemes):
            found[-1] += word
        else:
            found.append(word)
    return tuple(found)


def _is_measure(number: str, word: str, lexemes: Callable[[str], Sequence[Lexeme]]) -> bool:
    if not (_NUMBER.fullmatch(number) and word.isalpha()):
        return False
    if word.lower() == INCH:
        return True
    alone, together = lexemes(number), lexemes(number + word)
    if not alone or len(together) != 1:
        return False
    return documents_of([together]) >= max(LEAST_DOCUMENTS, LEAST_SHARE * documents_of([alone]))
