"""A query in the terms of the full-text index: its words, the ways to write them, and what they weigh."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import and_
from typing import Any

from catalog.lexical import LEXICAL_DIMENSIONS
from search.scope import NOTHING, Condition, params_of

PART_NUMBER_DOCUMENTS = 20
# A number or a code tells apart what is alike in everything else, and vectors hardly see it (docs/relevance.md).
NUMBER_WEIGHT = 2.0
_NUMBER = re.compile(r"\d[\d.,/]*")

Weights = Mapping[int, float]  # of terms, by dimension
Run = tuple[int, int]  # of a query's words: the first one, and the end


@dataclass(frozen=True)
class Lexeme:
    """One lexeme of the query: its place in the sparse vector and how many products have it."""

    text: str
    dimension: int
    documents: int
    has_best: bool = False  # so common that the products in which it weighs most are known
    gap: int = 1  # so many words after the lexeme before it: 2 where a stop word stands between them

    @property
    def is_number(self) -> bool:
        """Whether it is a number alone; such a one stands beside anything."""
        return _NUMBER.fullmatch(self.text) is not None

    @property
    def quoted(self) -> str:
        """The lexeme as tsquery input."""
        return "'" + self.text.replace("\\", "\\\\").replace("'", "''") + "'"


@dataclass
class Group:
    """One word of the query with the other ways to write it; any of the alternatives matches."""

    word: str
    # Each alternative: lexemes that stand next to each other, and how much it counts (1: as typed).
    alternatives: list[tuple[list[Lexeme], float]] = field(default_factory=list)
    # What may stand instead of it, or of it and its neighbours.
    replacements: list[list[Lexeme]] = field(default_factory=list)
    # Those of the alternatives that are another word of the catalogue, which is likely to be meant, with that word.
    corrections: list[tuple[list[Lexeme], str]] = field(default_factory=list)
    # Those of the alternatives that are what is typed by another name. It is no more common for that.
    other_names: list[list[Lexeme]] = field(default_factory=list)

    def add(self, lexemes: list[Lexeme], weight: float) -> None:
        """Let these lexemes, next to each other, stand for the word too."""
        if lexemes and lexemes not in self.ways:
            self.alternatives.append((lexemes, weight))
            self.__dict__.pop("documents", None)

    def add_correction(self, lexemes: list[Lexeme], word: str, weight: float) -> None:
        """Let these lexemes, which are another word, stand for the word too."""
        if lexemes and lexemes not in self.ways:
            self.corrections.append((lexemes, word))
            self.add(lexemes, weight)

    def add_other_name(self, lexemes: list[Lexeme]) -> None:
        """Let these lexemes, which say the same by another name, stand for the word too."""
        if lexemes and lexemes not in self.ways:
            self.other_names.append(lexemes)
            self.add(lexemes, 1.0)

    def add_replacement(self, lexemes: list[Lexeme]) -> None:
        """Let these lexemes, next to each other, stand instead of the word, or of it and its neighbours."""
        if lexemes not in self.ways:
            self.replacements.append(lexemes)
            self.__dict__.pop("documents", None)

    @property
    def ways(self) -> list[list[Lexeme]]:
        """All lexemes that match the word, next to each other."""
        return [*(lexemes for lexemes, _ in self.alternatives), *self.replacements]

    def lexemes(self) -> list[Lexeme]:
        """The word as typed."""
        return self.alternatives[0][0] if self.alternatives else []

    @property
    def sql(self) -> str:
        """The group as a tsquery."""
        return _any_sql(self.ways)

    def sql_by_word(self) -> list[tuple[str, str]]:
        """The word, and each that corrects it, with a tsquery for what has it."""
        corrected = [lexemes for lexemes, _ in self.corrections]
        return [
            (self.word, _any_sql([way for way in self.ways if way not in corrected])),
            *((word, phrase_sql(lexemes)) for lexemes, word in self.corrections),
        ]

    @cached_property
    def documents(self) -> int:
        """How many products match at most, with the ways that are known so far."""
        return documents_of(self.ways)

    @property
    def documents_as_typed(self) -> int:
        """How many products have it in one piece; where none has, how many match at most."""
        return documents_of([way for way in self.ways if len(way) == 1]) or self.documents

    def weight(self, size: int) -> float:
        """What the word weighs: its idf, whichever way it is written, in a catalogue of `size` products.

        A word that has a common replacement is no more common for that; one that the catalogue lacks is as rare as it.
        """
        typed = [lexemes for lexemes, _ in self.alternatives if lexemes not in self.other_names]
        rarity = idf(documents_of(typed) or self.documents, size)
        return rarity * (NUMBER_WEIGHT if any(map(str.isdigit, self.word)) else 1.0)


def _any_sql(ways: Sequence[Sequence[Lexeme]]) -> str:
    return "(" + " | ".join(f"({phrase_sql(lexemes)})" for lexemes in ways) + ")"


def documents_of(ways: Sequence[Sequence[Lexeme]]) -> int:
    """How many products have one of these at most, each next to each other."""
    return sum(min(lexeme.documents for lexeme in lexemes) for lexemes in ways)


@dataclass(frozen=True)
class Terms:
    """What the words of a query weigh in BM25: a sum over products' terms, to which the best of each choice adds.

    A choice is between ways to say the same: a product that says it twice has not more of the query. What is written in
    several words counts where these stand together: of "10 m", each alone says next to nothing, and stands everywhere.
    """

    weights: Weights
    choices: "tuple[tuple[Terms, ...], ...]" = ()
    together: str = ""  # a tsquery, without which none of it counts

    def bm25(self, alias: str) -> Condition:
        """The BM25 of a product, on a table with `lexical_weights` and `search_vector`."""
        score = self._sum(alias)
        if not self.together:
            return score
        return Condition(
            f"CASE WHEN {alias}.search_vector @@ %s::tsquery THEN {score.sql} ELSE 0 END",
            (self.together, *score.params),
        )

    def _sum(self, alias: str) -> Condition:
        terms = [_product(alias, self.weights)] if self.weights or not self.choices else []
        for choice in self.choices:
            ways = [way.bm25(alias) for way in choice]
            terms.append(Condition(f"greatest({', '.join(way.sql for way in ways)})", params_of(ways)))
        return Condition(" + ".join(term.sql for term in terms), params_of(terms))


@dataclass(frozen=True)
class Replacement:
    """What may stand in a product instead of some of a query's words."""

    run: Run  # of these words: the first one, and the end
    lexemes: list[Lexeme]


@dataclass(frozen=True)
class AppliedSynonym(Replacement):
    """A synonym of staff's that a query met."""

    id: int  # 0: not saved yet
    words: str  # those that met it, as typed
    means: str

    @property
    def sql(self) -> str:
        """What it means, as a tsquery."""
        return phrase_sql(self.lexemes)

    def explain(self) -> dict[str, Any]:
        """What it did, for an explanation."""
        return {"synonym": self.id, "words": self.words, "means": self.means}


@dataclass(frozen=True)
class LexicalQuery:
    """A query in the terms of the index."""

    groups: tuple[Group, ...]
    phrases: tuple[str, ...]  # tsqueries that every hit satisfies
    excluded: tuple[str, ...]  # tsqueries that no hit satisfies, but for one whose name is the query
    terms: Terms  # what its words weigh
    ceiling: float  # BM25 of a product that matches every word well
    size: int  # how many products the catalogue has
    text: str  # as typed, for exact names
    codes: tuple[str, ...]  # words that may be SKUs
    synonyms: tuple[AppliedSynonym, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing for the index to find."""
        return not self.groups and not self.phrases

    @property
    def is_part_number(self) -> bool:
        """Whether it names a thing, not a kind of things: every word has a digit, and next to no product has it."""
        return bool(self.groups) and all(
            any(map(str.isdigit, group.word)) and 0 < group.documents_as_typed <= PART_NUMBER_DOCUMENTS
            for group in self.groups
        )

    def bm25(self, alias: str) -> Condition:
        """The BM25 of a product, on a table with `lexical_weights`."""
        return self.terms.bm25(alias)

    @property
    def is_one_word(self) -> bool:
        """Whether it is one word, or one phrase."""
        return len(self.groups) + len(self.phrases) <= 1

    def required(self, alias: str) -> Condition:
        """Phrases, on a table with a `search_vector`: its index knows which rows have them."""
        return _each(f"{alias}.search_vector @@ %s::tsquery", self.phrases)

    def named(self, alias: str) -> Condition:
        """Whether the query is a product's name, on a table with a `name`."""
        # Lengths first: they rule out nearly all names for next to nothing. In another case, a letter that is not
        # ASCII may have more bytes or fewer.
        length, slack = len(self.text.encode()), 2 * sum(not letter.isascii() for letter in self.text)
        return Condition(
            f"octet_length({alias}.name) BETWEEN %s AND %s AND lower({alias}.name) = lower(%s)",
            (length - slack, length + slack, self.text),
        )

    def refused(self, alias: str) -> Condition:
        """Exclusions, on a table of products: most rows satisfy them."""
        unwanted = self._unwanted(alias)
        return Condition(f"NOT ({unwanted.sql})", unwanted.params) if self.excluded else NOTHING

    def refused_by_id(self, alias: str) -> Condition:
        """Exclusions, for who looks at all products: those that have them are looked up, and no other row is read."""
        unwanted = self._unwanted("n")
        return (
            Condition(
                f"{alias}.id NOT IN (SELECT n.id FROM catalog_product AS n WHERE {unwanted.sql})",
                unwanted.params,
            )
            if self.excluded
            else NOTHING
        )

    def _unwanted(self, alias: str) -> Condition:
        """What has something that is excluded.

        A product of which the whole query is the name is wanted: “thermometer -30 to 50 °C” excludes no 30 there.
        """
        named = self.named(alias)
        return Condition(
            f"{alias}.search_vector @@ %s::tsquery AND NOT ({named.sql})",
            (" | ".join(f"({one})" for one in self.excluded), *named.params),
        )

    def constraint(self, alias: str) -> Condition:
        """Phrases and exclusions, which hold in every leg."""
        return self.required(alias) & self.refused(alias)


def idf(documents: int, size: int) -> float:
    """Inverse document frequency as in BM25 (Robertson and Zaragoza 2009), never negative."""
    documents = min(documents, size)
    return math.log1p((size - documents + 0.5) / (documents + 0.5))


def _product(alias: str, weights: Weights) -> Condition:
    """The inner product of some weights with a product's."""
    entries = ",".join(f"{dimension}:{weight:.5g}" for dimension, weight in sorted(weights.items()))
    return Condition(
        f"-({alias}.lexical_weights <#> %s::sparsevec)", (f"{{{entries}}}/{LEXICAL_DIMENSIONS}",)
    )


def _each(sql: str, params: Sequence[str]) -> Condition:
    """A condition that holds for each of its parameters."""
    return reduce(and_, (Condition(sql, (param,)) for param in params), NOTHING)


def phrase_sql(lexemes: Sequence[Lexeme]) -> str:
    """Lexemes next to each other, in order, as a tsquery; between some of them stand words that are not indexed."""
    first, *others = lexemes
    return first.quoted + "".join(f" <{lexeme.gap}> {lexeme.quoted}" for lexeme in others)
