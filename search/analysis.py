"""From the visitor's words to the lexemes of the index, with their document frequencies."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

from django.conf import settings

from search import word_forms
from search.encoding import vocabulary
from search.lexemes import Analysis
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
from search.parsing import ParsedText
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
# A word that has so few products against another one, a typo away, is a typo in these too.
RARE_AGAINST_COMMONER = 0.02
MAX_WORDS_WITH_TYPOS = 3
MAX_WORDS_PARTED = 4  # each takes a millisecond
MAX_SKU_LENGTH = 64
# Digits of a number that stands for a product even among other words; an EAN has 8 or 13.
LEAST_NUMBER = 6

Found = TypeVar("Found")

_COMPLETE_SQL = """
SELECT lexeme, public.catalog_lexeme_dimension(lexeme), documents, best_product_ids IS NOT NULL FROM search_term
WHERE lexeme LIKE %s ORDER BY documents DESC, lexeme LIMIT %s
"""


@stage("words")
def analyse(parsed: ParsedText, text: str, rulebook: Rulebook | None = None) -> LexicalQuery:
    """Say a parsed query in the terms of the index. `text` is the query as typed.

    Synonyms are those of `rulebook`, or those that staff have saved.
    """
    text = text.replace("\x00", " ").strip()
    synonyms = _synonyms(rulebook or book.current(), settings.SEARCH_CONFIG)
    codes = _codes(parsed, text)
    analysis = Analysis(word_forms.pieces(parsed))
    meanings = synonyms.meanings(parsed.words, analysis.form)
    if (words := word_forms.in_one_word(parsed.words, meanings, analysis)) != parsed.words:
        parsed = replace(parsed, words=words)
        analysis = Analysis(word_forms.pieces(parsed))
        meanings = synonyms.meanings(words, analysis.form)
    groups = [word_forms.group(word, analysis) for word in parsed.words]
    _add_parted(groups)
    _add_other_names(groups, analysis)
    size = catalogue_size()
    written_together = _add_joined(groups, word_forms.joined(parsed.words), analysis)
    applied = _add_synonyms(groups, meanings)
    if parsed.ends_inside_a_word and groups:
        _complete(groups[-1], analysis, size)
    _forgive_typos(groups, size)
    phrases = [lexemes for phrase in parsed.phrases if (lexemes := word_forms.ways(phrase, analysis)[0])]
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


def _add_other_names(groups: Sequence[Group], analysis: Analysis) -> None:
    """Let measures stand for those in the same unit by another name, and words for how they are spelt elsewhere."""
    for group in groups:
        for name in word_forms.other_names("".join(group.word.split())):
            if all(one.documents for one in analysis.lexemes(name)):
                group.add_other_name(analysis.lexemes(name))


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
    ways = [
        *word_forms.ways(piece, analysis),
        *(analysis.lexemes(name) for name in word_forms.other_names(piece)),
    ]
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
