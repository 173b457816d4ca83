"""The ways in which the words of a query can be written in the index."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from search import measures, stop_words
from search.english import other_spelling
from search.lexemes import Analysis
from search.lexical_query import Group, Lexeme, Run
from search.parsing import ParsedText, split_code

REST_WEIGHT = 0.5  # of what stop words leave of a word that the catalogue writes as one
# Of a word with more parts than a code has, none is looked at by itself.
MAX_PARTS = 4
_PART = re.compile(r"[^\W_]+")


def pieces(parsed: ParsedText) -> list[str]:
    """All that is looked up of a query."""
    asked = [*parsed.words, *parsed.phrases, *parsed.excluded]
    in_one = ["".join(word.split()) for word in parsed.words]
    splits = [parts for word in in_one if (parts := split_code(word))]
    runs = ["".join(run) for run in stop_words.runs(parsed.words)]
    names = [name for word in (*in_one, *parsed.excluded) for name in other_names(word)]
    names += [name for run in runs for name in measures.by_all_names(run)]
    parted = [part for piece in (*asked, *in_one) for part in _parts(piece)]
    return [*asked, *in_one, *runs, *splits, *names, *parted]


def joined(words: Sequence[str]) -> list[str]:
    """Each word and the next one as one."""
    return ["".join(pair) for pair in pairwise(words)]


def in_one_word(words: Sequence[str], meanings: Iterable[Run], analysis: Analysis) -> tuple[str, ...]:
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


def group(word: str, analysis: Analysis) -> Group:
    """One word with the ways to write it: as typed, without its separators, parted where letters meet digits."""
    found = Group(word)
    in_one = "".join(word.split())
    if in_one != word and not measures.is_measure(word):  # what has a stop word in it
        found.add(analysis.lexemes(in_one), 1.0)
        rest = analysis.lexemes(word)
        if not all(lexeme.is_number for lexeme in rest):  # a 2 and a 1 stand anywhere
            found.add(rest, 1.0 if len(rest) > 1 else REST_WEIGHT)
        return found
    for lexemes in ways(in_one, analysis):
        found.add(lexemes, 1.0)
    if measures.may_be_alone(word):
        found.add(analysis.lexemes(word), REST_WEIGHT)
    split = split_code(in_one)
    # A part that is no word of the index, as the letter of "a6", would leave the number alone to stand for the code.
    if split and len(parts := analysis.lexemes(split)) == len(split.split()):
        found.add(parts, 1.0)
    return found


def ways(piece: str, analysis: Analysis) -> list[list[Lexeme]]:
    """What is written with separators in the index: word by word, and without them.

    Of `post-it`, only `post` is left word by word, for the other part is a stop word, and of `SFP+` only `sfp`: where
    products have `postit`, or `sfpplus`, that is another word. A phrase is all of its words.
    """
    if re.search(r"\s", piece):
        return [analysis.lexemes(piece)]
    compounds = analysis.compounds(piece)
    is_known = any(one.documents for one in compounds)
    if is_known and (piece.endswith("+") or not all(analysis.lexemes(part) for part in _parts(piece))):
        return [[one] for one in compounds]
    return [analysis.lexemes(piece), *([one] for one in compounds)]


def other_names(word: str) -> list[str]:
    """What a word is as well: a measure with its unit by another name, or a word as it is spelt elsewhere."""
    spelling = other_spelling(word)
    return measures.by_all_names(word) or ([spelling] if spelling else [])


def _parts(piece: str) -> list[str]:
    """The few parts of a word that is written with separators; of a phrase and of any other word none."""
    parts = [] if re.search(r"\s", piece) else _PART.findall(piece)
    return parts if 1 < len(parts) <= MAX_PARTS else []
