"""What the words of a query weigh in BM25: their idf, numbers more, and of ways to say the same the best one."""

from collections.abc import Iterable, Sequence

from catalog.lexical import K1
from search.lexical_query import Group, Lexeme, Replacement, Run, Terms, Weights, idf, phrase_sql


def terms_of(
    groups: Sequence[Group],
    replacements: Sequence[Replacement],
    phrases: Sequence[Sequence[Lexeme]],
    size: int,
) -> Terms:
    """The weights of what a query asks for in a catalogue of `size` products."""
    spans = _spans(replacements)
    replaced = {place for span in spans for place in range(*span)}
    found = _terms([group for place, group in enumerate(groups) if place not in replaced], size)
    weights = {lexeme.dimension: idf(lexeme.documents, size) for phrase in phrases for lexeme in phrase}
    return _with(found, Terms(weights, tuple(_choice(groups, span, replacements, size) for span in spans)))


def ceiling(groups: Sequence[Group], phrases: Sequence[Sequence[Lexeme]], size: int) -> float:
    """The most that BM25 can give: no term weighs more than it does in the query times k1 + 1."""
    total = sum(group.weight(size) for group in groups if group.ways)
    total += sum(idf(lexeme.documents, size) for lexemes in phrases for lexeme in lexemes)
    return (K1 + 1) * total


def _spans(replacements: Iterable[Replacement]) -> list[Run]:
    """The runs of words that something may stand for, those that overlap as one."""
    spans: list[Run] = []
    for start, end in sorted(one.run for one in replacements):
        if spans and start < spans[-1][1]:
            spans[-1] = spans[-1][0], max(end, spans[-1][1])
        else:
            spans.append((start, end))
    return spans


def _choice(
    groups: Sequence[Group], span: Run, replacements: Iterable[Replacement], size: int
) -> tuple[Terms, ...]:
    """The weights of a run of words, and of it with each of its replacements instead of the words that met this.

    A replacement counts as much as the words: which of them somebody means, meaning tells.
    """
    start, end = span
    ways = [_terms(groups[start:end], size)]
    for one in replacements:
        first, after = one.run
        if start <= first and after <= end:
            rest = _terms([*groups[start:first], *groups[after:end]], size)
            share = sum(group.weight(size) for group in groups[first:after]) / len(one.lexemes)
            instead = _in_order({lexeme.dimension: share for lexeme in one.lexemes}, one.lexemes)
            ways.append(_with(rest, instead))
    return tuple(ways)


def _with(terms: Terms, other: Terms) -> Terms:
    """Both; a word that is in both counts once."""
    if not terms.weights and not terms.choices:
        return other
    apart = tuple((one,) for one in (terms, other) if one.together)
    alike = [one for one in (terms, other) if not one.together]
    weights: dict[int, float] = {}
    for one in alike:
        for dimension, weight in one.weights.items():
            weights[dimension] = max(weights.get(dimension, 0.0), weight)
    return Terms(weights, (*(choice for one in alike for choice in one.choices), *apart))


def _terms(groups: Sequence[Group], size: int) -> Terms:
    """The weights of some words; where one can be written in several ways, the best of these counts."""
    found = Terms({})
    for group in groups:
        spellings = tuple(_spelling(group, lexemes, weight, size) for lexemes, weight in group.alternatives)
        if len(spellings) == 1:
            found = _with(found, spellings[0])
        elif spellings:
            found = _with(found, Terms({}, (spellings,)))
    return found


def _spelling(group: Group, lexemes: Sequence[Lexeme], weight: float, size: int) -> Terms:
    """One way to write a word: its parts share what the word weighs."""
    rarities = [max(idf(lexeme.documents, size), 1e-6) for lexeme in lexemes]
    share = weight * group.weight(size) / sum(rarities)
    weights: dict[int, float] = {}
    for lexeme, rarity in zip(lexemes, rarities, strict=True):
        weights[lexeme.dimension] = weights.get(lexeme.dimension, 0.0) + share * rarity
    return _in_order(weights, lexemes)


def _in_order(weights: Weights, lexemes: Sequence[Lexeme]) -> Terms:
    """The weights of lexemes that count together."""
    return Terms(weights, together=phrase_sql(lexemes) if len(lexemes) > 1 else "")
