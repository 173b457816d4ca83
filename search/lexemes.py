"""The lexemes that texts have in the index, with how many products have each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.conf import settings

from search.lexical_query import Lexeme
from search.merchandising.rules import text_key
from search.statements import fetch
from search.terms import remembered

_ANALYSE_SQL = """
SELECT i.place, w.compound, t.lexeme, at.position, public.catalog_lexeme_dimension(t.lexeme),
    coalesce(s.documents, 0), s.best_product_ids IS NOT NULL
FROM unnest(%s::text[]) WITH ORDINALITY AS i(input, place)
CROSS JOIN LATERAL (SELECT public.catalog_fold(i.input) AS folded) AS f
CROSS JOIN LATERAL (VALUES
    (false, public.catalog_words(f.folded)), (true, public.catalog_compounds(f.folded))
) AS w(compound, words)
CROSS JOIN LATERAL unnest(to_tsvector(%s::regconfig, w.words)) AS t
CROSS JOIN LATERAL unnest(t.positions) AS at(position)
LEFT JOIN search_term AS s ON s.lexeme = t.lexeme
ORDER BY i.place, w.compound, at.position
"""


@dataclass(frozen=True)
class _Lexemes:
    """What the index has for a piece of text: word by word, and without the separators in it."""

    plain: list[Lexeme] = field(default_factory=list)
    compound: list[Lexeme] = field(default_factory=list)


class Analysis:
    """The lexemes of many pieces of text; those that were not met lately are looked up together."""

    def __init__(self, pieces: Iterable[str]) -> None:
        known = remembered()
        keys = {piece: (settings.SEARCH_CONFIG, piece) for piece in pieces}
        self._found = {piece: known[key] for piece, key in keys.items() if key in known}
        if missing := [piece for piece in keys if piece not in self._found]:
            looked_up = _looked_up(missing)
            self._found |= looked_up
            known.update((keys[piece], lexemes) for piece, lexemes in looked_up.items())

    def lexemes(self, piece: str) -> list[Lexeme]:
        """The words of a piece, in order; stop words are gone."""
        return self._found[piece].plain

    def compounds(self, piece: str) -> list[Lexeme]:
        """What is written with separators in a piece, once more without."""
        return self._found[piece].compound

    def form(self, piece: str) -> str:
        """What the forms of a word have in common, as the index has it; a stop word is only itself."""
        return " ".join(lexeme.text for lexeme in self.lexemes(piece)) or text_key(piece)


def _looked_up(pieces: Sequence[str]) -> dict[str, _Lexemes]:
    found = {piece: _Lexemes() for piece in pieces}
    rows = fetch(_ANALYSE_SQL, (list(pieces), settings.SEARCH_CONFIG), is_prepared=True)
    last: dict[tuple[int, bool], int] = {}
    for place, is_compound, text, position, dimension, documents, has_best in rows:
        lexemes = found[pieces[place - 1]]
        gap = position - last.get((place, is_compound), position - 1)
        last[place, is_compound] = position
        lexeme = Lexeme(text, dimension, documents, has_best, gap)
        (lexemes.compound if is_compound else lexemes.plain).append(lexeme)
    return found
