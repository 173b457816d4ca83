"""From the visitor's words to the lexemes of the index, with their document frequencies, in one statement."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

from django.conf import settings

from search import measures, stop_words
from search.encoding import vocabulary
from search.english import other_spelling
from search.lexical_query import (
    AppliedSynonym,
    Group,
    Lexeme,
    LexicalQuery,
    Replacement,
    Run,
    documents_of,
    phrase_sql,
)
from search.merchandising import book
from search.merchandising.rules import Rulebook, text_key
from search.merchandising.synonyms import Meaning, Synonyms
from search.parsing import ParsedText, split_code
from search.spelling import commoner, corrections, parted
from search.statements import fetch
from search.term_weights import ceiling, terms_of
from search.terms import catalogue_size, remembered
from search.trace import stage

# A growing last word is completed only where it stands for next to nothing itself.
RARE_AGAINST_COMPLETION = 0.02
MAX_COMPLETIONS = 8
COMPLETION_WEIGHT = 0.5
TYPO_WEIGHT = 0.8
REST_WEIGHT = 0.5  # of what stop words leave of a word that the catalogue writes as one
# A word that has so few products against another one, a typo away, is a typo in these too.
RARE_AGAINST_COMMONER = 0.02
MAX_WORDS_WITH_TYPOS = 3
MAX_WORDS_PARTED = 4  # each takes a millisecond
MAX_SKU_LENGTH = 64
# Digits of a number that stands for a product even among other words; an EAN has 8 or 13.
LEAST_NUMBER = 6
# Of a word with more parts than a code has, none is looked at by itself.
MAX_PARTS = 4
_PART = re.compile(r"[^\W_]+")

Found = TypeVar("Found")

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

_COMPLETE_SQL = """
SELECT lexeme, public.catalog_lexeme_dimension(lexeme), documents, best_product_ids IS NOT NULL FROM search_term
WHERE lexeme LIKE %s ORDER BY documents DESC, lexeme LIMIT %s
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


@stage("words")
def analyse(parsed: ParsedText, text: str, rulebook: Rulebook | None = None) -> LexicalQuery:
    """Say a parsed query in the terms of the index. `text` is the query as typed.

    Synonyms are those of `rulebook`, or those that staff have saved.
    """
    text = text.replace("\x00", " ").strip()
    synonyms = _synonyms(rulebook or book.current(), settings.SEARCH_CONFIG)
    codes = _codes(parsed, text)
    analysis = Analysis(_pieces(parsed))
    meanings = synonyms.meanings(parsed.words, analysis.form)
    if (words := _in_one_word(parsed.words, meanings, analysis)) != parsed.words:
        parsed = replace(parsed, words=words)
        analysis = Analysis(_pieces(parsed))
        meanings = synonyms.meanings(words, analysis.form)
    groups = [_group(word, analysis) for word in parsed.words]
    _add_parted(groups)
    _add_other_names(groups, analysis)
    size = catalogue_size()
    written_together = _add_joined(groups, _joined(parsed.words), analysis)
    applied = _add_synonyms(groups, meanings)
    if parsed.ends_inside_a_word and groups:
        _complete(groups[-1], analysis, size)
    _forgive_typos(groups, size)
    phrases = [lexemes for phrase in parsed.phrases if (lexemes := _ways(phrase, analysis)[0])]
    return LexicalQuery(
        groups=tuple(group for group in groups if group.ways),
        phrases=tuple(phrase_sql(lexemes) for lexemes in phrases),
        excluded=tuple(
            _excluded_sql(piece, analysis) for piece in parsed.excluded if analysis.lexemes(piece)
        ),
        terms=terms_of(groups, [*written_together, *applied], phrases, size),
        ceiling=ceiling(groups, phrases, size),
        size=size,
        text=text,
        codes=codes,
        synonyms=tuple(applied),
    )


@lru_cache(maxsize=4)
def _synonyms(rulebook: Rulebook, _config: str) -> Synonyms:
    """The synonyms of a book, whose words are looked up once."""
    words = {
        word for one in rulebook.synonyms for text in (one.term, one.means) for word in text_key(text).split()
    }
    return Synonyms(rulebook.synonyms, Analysis(words).form)


def _pieces(parsed: ParsedText) -> list[str]:
    """All that is looked up of a query."""
    pieces = [*parsed.words, *parsed.phrases, *parsed.excluded]
    in_one = ["".join(word.split()) for word in parsed.words]
    splits = [parts for word in in_one if (parts := split_code(word))]
    runs = ["".join(run) for run in stop_words.runs(parsed.words)]
    names = [name for word in (*in_one, *parsed.excluded) for name in _other_names(word)]
    names += [name for run in runs for name in measures.by_all_names(run)]
    parted = [part for piece in (*pieces, *in_one) for part in _parts(piece)]
    return [*pieces, *in_one, *runs, *splits, *names, *parted]


def _joined(words: Sequence[str]) -> list[str]:
    """Each word and the next one as one."""
    return ["".join(pair) for pair in pairwise(words)]


def _in_one_word(words: Sequence[str], meanings: Iterable[Run], analysis: Analysis) -> tuple[str, ...]:
    """Words of a query, those that make one thing as one: a number and its measure, and what has a stop word in it.

    Those that have meanings stay: what staff say of words, they say of them as they are typed.
    """
    found: list[str] = []
    start = 0
    for first, end in [*sorted(meanings), (len(words), len(words))]:
        between = stop_words.in_one_word(words[start:first], analysis.lexemes)
        found += [*measures.in_one_word(between, analysis.lexemes), *words[max(start, first) : end]]
        start = max(start, end)
    return tuple(found)


def _group(word: str, analysis: Analysis) -> Group:
    """One word with the ways to write it: as typed, without its separators, parted where letters meet digits."""
    group = Group(word)
    in_one = "".join(word.split())
    if in_one != word and not measures.is_measure(word):  # what has a stop word in it
        group.add(analysis.lexemes(in_one), 1.0)
        rest = analysis.lexemes(word)
        if not all(lexeme.is_number for lexeme in rest):  # a 2 and a 1 stand anywhere
            group.add(rest, 1.0 if len(rest) > 1 else REST_WEIGHT)
        return group
    for lexemes in _ways(in_one, analysis):
        group.add(lexemes, 1.0)
    split = split_code(in_one)
    # A part that is no word of the index, as the letter of "a6", would leave the number alone to stand for the code.
    if split and len(parts := analysis.lexemes(split)) == len(split.split()):
        group.add(parts, 1.0)
    return group


def _add_other_names(groups: Sequence[Group], analysis: Analysis) -> None:
    """Let measures stand for those in the same unit by another name, and words for how they are spelt elsewhere."""
    for group in groups:
        for name in _other_names("".join(group.word.split())):
            if all(one.documents for one in analysis.lexemes(name)):
                group.add_other_name(analysis.lexemes(name))


def _other_names(word: str) -> list[str]:
    """What a word is as well: a measure with its unit by another name, or a word as it is spelt elsewhere."""
    spelling = other_spelling(word)
    return measures.by_all_names(word) or ([spelling] if spelling else [])


def _ways(piece: str, analysis: Analysis) -> list[list[Lexeme]]:
    """What is written with separators in the index: word by word, and without them.

    Of `post-it`, only `post` is left word by word, for the other part is a stop word, and of `SFP+` only `sfp`: where
    products have `postit`, or `sfpplus`, that is another word.
    """
    compounds = analysis.compounds(piece)
    is_known = any(one.documents for one in compounds)
    if is_known and (piece.endswith("+") or not all(analysis.lexemes(part) for part in _parts(piece))):
        return [[one] for one in compounds]
    return [analysis.lexemes(piece), *([one] for one in compounds)]


def _parts(piece: str) -> list[str]:
    """The few parts of a word that is written with separators; of a phrase and of any other word none."""
    parts = [] if re.search(r"\s", piece) else _PART.findall(piece)
    return parts if 1 < len(parts) <= MAX_PARTS else []


def _add_parted(groups: Sequence[Group]) -> None:
    """`powerbank`, which no product has, finds the catalogue's `power bank`, but not a bank with power."""
    unknown = [group for group in groups if group.ways and not group.documents][:MAX_WORDS_PARTED]
    found = _found_for([group.word for group in unknown], parted)
    analysis = Analysis(apart for ways in found.values() for apart in ways)
    for group in unknown:
        for apart in found.get(group.word, ()):
            group.add(analysis.lexemes(apart), 1.0)


def _add_joined(groups: Sequence[Group], joined: Sequence[str], analysis: Analysis) -> list[Replacement]:
    """`head set` also finds the catalogue's `headset`, which then counts as both words."""
    found = []
    for place, piece in enumerate(joined):
        both, lexemes = groups[place : place + 2], analysis.lexemes(piece)
        if len(lexemes) == 1 and lexemes[0].documents and all(group.alternatives for group in both):
            found.append(Replacement((place, place + 2), lexemes))
            for group in both:
                group.add_replacement(lexemes)
    return found


def _add_synonyms(groups: Sequence[Group], synonyms: Mapping[Run, Sequence[Meaning]]) -> list[AppliedSynonym]:
    analysis = Analysis([meaning.text for found in synonyms.values() for meaning in found])
    applied = []
    for run, meanings in synonyms.items():
        met = groups[slice(*run)]
        words = " ".join(group.word for group in met)
        for meaning in meanings:
            if lexemes := analysis.lexemes(meaning.text):
                applied.append(AppliedSynonym(run, lexemes, meaning.synonym_id, words, meaning.text))
                for group in met:
                    group.add_replacement(lexemes)
    return applied


def _complete(group: Group, analysis: Analysis, size: int) -> None:
    """Let the last word stand for the words that it begins, where it is hardly a word of the catalogue itself.

    A code with separators begins those that the index has without: SM-P615 is completed as SMP615.
    """
    word, lexemes = group.word.lower(), group.lexemes()
    if not re.fullmatch(r"\w+", word):
        lexemes = analysis.compounds(group.word)
        word = lexemes[0].text if len(lexemes) == 1 else ""
    if len(word) < 2:
        return
    known = max((one.documents for one in lexemes), default=0)
    if known > size * RARE_AGAINST_COMPLETION:
        return  # no word has so many products that this one would be rare against it
    pattern = word.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%") + "%"
    known_words = remembered()
    if pattern not in known_words:
        known_words[pattern] = fetch(_COMPLETE_SQL, (pattern, MAX_COMPLETIONS))
    for text, dimension, documents, has_best in known_words[pattern]:
        if known <= documents * RARE_AGAINST_COMPLETION:
            group.add([Lexeme(text, dimension, documents, has_best)], COMPLETION_WEIGHT)


def _forgive_typos(groups: Sequence[Group], size: int) -> None:
    """Let a word that the catalogue does not have, or that is a typo there too, also stand for what it nearly is.

    Only in short queries: in a sentence, a word that the catalogue lacks is a word, not a typo. A query of unknown
    words alone is corrected as a whole, and says so (see engine).
    """
    words = [group for group in groups if group.ways]  # a stop word is neither unknown nor one more
    if len(words) > MAX_WORDS_WITH_TYPOS:
        return
    unknown = [group.word for group in words if not group.documents]
    meant = _found_for(unknown, corrections) if len(unknown) < len(words) else {}
    meant |= _much_commoner([group for group in words if group.documents], size)
    analysis = Analysis(meant.values())
    for group in words:
        if group.word in meant:
            word = meant[group.word]
            group.add_correction(analysis.lexemes(word), word, TYPO_WEIGHT)


def _much_commoner(groups: Sequence[Group], size: int) -> dict[str, str]:
    """Words that next to no product has against another one, a typo away: with that one."""
    # As typed, or as staff say; not in parts: a workcenter may be a WorkCentre, however many work centers there are.
    known = {
        group.word: documents_of([*(lexemes for lexemes, _ in group.alternatives[:1]), *group.replacements])
        for group in groups
    }
    rare = [word for word, documents in known.items() if documents <= size * RARE_AGAINST_COMMONER]
    return {
        word: other
        for word, (other, documents) in _found_for(rare, commoner).items()
        if known[word] <= documents * RARE_AGAINST_COMMONER
    }


def _found_for(words: Iterable[str], look_up: Callable[[list[str]], Mapping[str, Found]]) -> dict[str, Found]:
    """What is looked up for words, which takes milliseconds; the same words are missing again and again.

    What a word is taken for depends on the words that the model knows, too: none while it is being loaded.
    """
    known = remembered()
    keys = {word: (look_up, vocabulary(), word) for word in words}
    if missing := [word for word, key in keys.items() if key not in known]:
        found = look_up(missing)
        known.update((keys[word], found.get(word)) for word in missing)
    return {word: known[key] for word, key in keys.items() if known[key] is not None}


def _excluded_sql(piece: str, analysis: Analysis) -> str:
    """What is not wanted, in every way it is written in the index."""
    ways = [*_ways(piece, analysis), *(analysis.lexemes(name) for name in _other_names(piece))]
    return " | ".join(f"({phrase_sql(lexemes)})" for lexemes in ways if lexemes)


def _codes(parsed: ParsedText, text: str) -> tuple[str, ...]:
    """What of the query may be a SKU: the whole of it, and its words that have a digit.

    Of several words, one that is a short number is a measure or a count, whatever else has that number.
    """
    pieces = (*parsed.words, *parsed.phrases)
    words = [
        word
        for word in pieces
        if any(map(str.isdigit, word))
        and (len(pieces) == 1 or not word.isdigit() or len(word) >= LEAST_NUMBER)
    ]
    variants = [way for word in (text, *words) for way in (word, word.upper(), word.lower())]
    return tuple(dict.fromkeys(way for way in variants if 0 < len(way) <= MAX_SKU_LENGTH))
