"""What the words of a query weigh in BM25: their idf, and of words and their synonyms the best of each."""

from collections.abc import Iterable, Sequence

from catalog.lexical import K1
from search.lexical_query import AppliedSynonym, Group, Lexeme, Run, Weights, idf


def term_weights(
    groups: Sequence[Group],
    synonyms: Sequence[AppliedSynonym],
    phrases: Sequence[Sequence[Lexeme]],
    size: int,
) -> tuple[Weights, tuple[tuple[Weights, ...], ...]]:
    """The weights of what a query asks for in a catalogue of `size` products, and those of each choice.

    A choice is between words as typed and with a synonym instead: a product that has a word and its synonym has not
    more of the query than one that has either.
    """
    spans = _spans(synonyms)
    chosen = {place for span in spans for place in range(*span)}
    others = [group for place, group in enumerate(groups) if place not in chosen]
    return _weights(others, phrases, size), tuple(_choice(groups, span, synonyms, size) for span in spans)


def ceiling(groups: Sequence[Group], phrases: Sequence[Sequence[Lexeme]], size: int) -> float:
    """The most that BM25 can give: no term weighs more than its idf times k1 + 1."""
    total = sum(group.idf(size) for group in groups if group.ways)
    total += sum(idf(lexeme.documents, size) for lexemes in phrases for lexeme in lexemes)
    return (K1 + 1) * total


def _spans(synonyms: Iterable[AppliedSynonym]) -> list[Run]:
    """The runs of words that synonyms are about, those that overlap as one."""
    spans: list[Run] = []
    for start, end in sorted(synonym.run for synonym in synonyms):
        if spans and start < spans[-1][1]:
            spans[-1] = spans[-1][0], max(end, spans[-1][1])
        else:
            spans.append((start, end))
    return spans


def _choice(
    groups: Sequence[Group], span: Run, synonyms: Iterable[AppliedSynonym], size: int
) -> tuple[Weights, ...]:
    """The weights of a run of words, and of it with each of its synonyms instead of the words that met this.

    A synonym counts as much as the words: which of them somebody means, meaning tells.
    """
    start, end = span
    ways = [_weights(groups[start:end], (), size)]
    for synonym in synonyms:
        first, after = synonym.run
        if start <= first and after <= end:
            weights = _weights([*groups[start:first], *groups[after:end]], (), size)
            share = sum(group.idf(size) for group in groups[first:after]) / len(synonym.lexemes)
            for lexeme in synonym.lexemes:
                weights[lexeme.dimension] = max(weights.get(lexeme.dimension, 0.0), share)
            ways.append(weights)
    return tuple(ways)


def _weights(groups: Sequence[Group], phrases: Sequence[Sequence[Lexeme]], size: int) -> dict[int, float]:
    """idf by dimension. The parts of a code share its weight, for each alone says little."""
    weights: dict[int, float] = {}
    for group in groups:
        for lexemes, weight in group.alternatives:
            for lexeme in lexemes:
                share = weight * idf(lexeme.documents, size) / (len(lexemes) if group.is_compound else 1)
                weights[lexeme.dimension] = max(weights.get(lexeme.dimension, 0.0), share)
    for phrase in phrases:
        for lexeme in phrase:
            weights[lexeme.dimension] = max(weights.get(lexeme.dimension, 0.0), idf(lexeme.documents, size))
    return weights
