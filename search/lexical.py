"""The keyword leg: BM25 over PostgreSQL's own full-text index.

The query's words become lexemes by the same SQL function that makes the index (catalog/lexical.py), and a tsquery
finds the candidates. Each lexeme's idf goes into a sparse vector; its inner product with a product's stored BM25F
term weights is the product's BM25 score.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import and_
from typing import Any

import numpy as np

from catalog.lexical import LEXICAL_DIMENSIONS
from search.product_values import ProductValues
from search.scope import NOTHING, Condition, Scope, any_of
from search.statements import GIN_SETTINGS, Flags, Floats, Ids, Kind, Select, fetch_columns, id_array
from search.trace import stage

# Products that words find by themselves; more common words find those that have all of these, and else only add to the
# score. Where rare words find next to nothing, a common one may find more. A budget of 3,000 finds no more of what is
# relevant (docs/relevance.md).
CANDIDATE_BUDGET = 1_000
NEXT_TO_NOTHING = 200
# So many are put in order here, where that takes less than in PostgreSQL.
FEW_CANDIDATES = 3_000
PART_NUMBER_DOCUMENTS = 20


@dataclass(frozen=True)
class Lexeme:
    """One lexeme of the query: its place in the sparse vector and how many products have it."""

    text: str
    dimension: int
    documents: int

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

    def add(self, lexemes: list[Lexeme], weight: float) -> None:
        """Let these lexemes, next to each other, stand for the word too."""
        if lexemes and all(lexemes != known for known, _ in self.alternatives):
            self.alternatives.append((lexemes, weight))

    def lexemes(self) -> list[Lexeme]:
        """The word as typed."""
        return self.alternatives[0][0] if self.alternatives else []

    @property
    def is_compound(self) -> bool:
        """Whether the word has parts."""
        return any(len(lexemes) > 1 for lexemes, _ in self.alternatives)

    @property
    def sql(self) -> str:
        """The group as a tsquery."""
        return "(" + " | ".join(f"({phrase_sql(lexemes)})" for lexemes, _ in self.alternatives) + ")"

    @property
    def documents(self) -> int:
        """How many products match at most."""
        return sum(min(lexeme.documents for lexeme in lexemes) for lexemes, _ in self.alternatives)

    def idf(self, size: int) -> float:
        """idf of the word, whichever way it is written, in a catalogue of `size` products."""
        return idf(self.documents, size)


@dataclass(frozen=True)
class AppliedSynonym:
    """A synonym of staff's that a query met."""

    id: int  # 0: not saved yet
    words: str  # of the query, as typed
    means: str
    sql: str  # what it means, as a tsquery

    def explain(self) -> dict[str, Any]:
        """What it did, for an explanation."""
        return {"synonym": self.id, "words": self.words, "means": self.means}


@dataclass(frozen=True)
class LexicalQuery:
    """A query in the terms of the index."""

    groups: tuple[Group, ...]
    phrases: tuple[str, ...]  # tsqueries that every hit satisfies
    excluded: tuple[str, ...]  # tsqueries that no hit satisfies
    idf: dict[int, float]  # by dimension
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
            any(map(str.isdigit, group.word)) and 0 < group.documents <= PART_NUMBER_DOCUMENTS
            for group in self.groups
        )

    @property
    def weights(self) -> str:
        """The idf of the query's terms as a `sparsevec`."""
        entries = ",".join(f"{dimension}:{idf:.5g}" for dimension, idf in sorted(self.idf.items()))
        return f"{{{entries}}}/{LEXICAL_DIMENSIONS}"

    def required(self, alias: str) -> Condition:
        """Phrases, on a table with a `search_vector`: its index knows which rows have them."""
        return _each(f"{alias}.search_vector @@ %s::tsquery", self.phrases)

    def refused(self, alias: str) -> Condition:
        """Exclusions, on a table with a `search_vector`: most rows satisfy them."""
        return _each(f"NOT {alias}.search_vector @@ %s::tsquery", self.excluded)

    def refused_by_id(self, alias: str) -> Condition:
        """Exclusions, for who looks at all products: those that have them are looked up, and no other row is read."""
        return _each(
            f"{alias}.id NOT IN (SELECT n.id FROM catalog_product AS n WHERE n.search_vector @@ %s::tsquery)",
            self.excluded,
        )

    def constraint(self, alias: str) -> Condition:
        """Phrases and exclusions, which hold in every leg."""
        return self.required(alias) & self.refused(alias)


def idf(documents: int, size: int) -> float:
    """Inverse document frequency as in BM25 (Robertson and Zaragoza 2009), never negative."""
    documents = min(documents, size)
    return math.log1p((size - documents + 0.5) / (documents + 0.5))


def _each(sql: str, params: Sequence[str]) -> Condition:
    """A condition that holds for each of its parameters."""
    return reduce(and_, (Condition(sql, (param,)) for param in params), NOTHING)


def phrase_sql(lexemes: Sequence[Lexeme]) -> str:
    """Lexemes next to each other, in order, as a tsquery."""
    return " <-> ".join(lexeme.quoted for lexeme in lexemes)


@dataclass(frozen=True)
class Matches:
    """Products that have words of a query, best first. The arrays run parallel."""

    product_ids: Ids
    bm25: Floats
    is_exact: Flags  # SKU or name is the query

    def __len__(self) -> int:
        return len(self.product_ids)

    def at(self, places: slice | Ids) -> "Matches":
        """Those at some places."""
        return Matches(self.product_ids[places], self.bm25[places], self.is_exact[places])

    def __add__(self, other: "Matches") -> "Matches":
        return Matches(
            np.concatenate([self.product_ids, other.product_ids]),
            np.concatenate([self.bm25, other.bm25]),
            np.concatenate([self.is_exact, other.is_exact]),
        )


NO_MATCHES = Matches(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0, dtype=np.bool_))


@stage("keyword")
def keyword_candidates(
    query: LexicalQuery, scopes: Sequence[Scope], limit: int, values: ProductValues | None = None
) -> list[Matches]:
    """The best products for the words of a query within each of several scopes.

    Best first, at most `limit`; never more than the filters keep. The index is read once for all scopes, and `values`
    learns of what it found.
    """
    values = values or ProductValues()
    within = [scope.condition("p") for scope in scopes]
    condition = any_of(within) & query.constraint("p")
    # What is within the only scope needs no mark.
    marks = within if len(scopes) > 1 else []
    beside = [Condition(f", {one.sql}", one.params) for one in (*marks, *values.columns)]
    parts = _by_words(query, condition, beside) + _by_codes(query, condition, beside)
    if not parts:
        return [NO_MATCHES] * len(scopes)
    are_few = 0 < _most_candidates(query) <= FEW_CANDIDATES
    found, scores, exact, *others = fetch_columns(
        (Kind.ID, Kind.FLOAT, Kind.FLAG, *(Kind.FLAG for _ in marks), *values.kinds),
        *(_all_of(parts) if are_few else _best_of(parts, len(marks), len(values.columns), limit)),
        GIN_SETTINGS,
        # Where words find many, a filter that keeps few is served by an index of its own.
        is_prepared=are_few or all(scope.is_open for scope in scopes),
    )
    values.learn(found, others[len(marks) :])
    matches, rows = _best_first(found, scores, exact)
    if not marks:
        return [matches.at(slice(limit))]
    return [matches.at(np.flatnonzero(here[rows])[:limit]) for here in others[: len(marks)]]


def _all_of(parts: Sequence[Condition]) -> tuple[str, list[Any]]:
    """What all parts select. To put a thousand rows in order takes PostgreSQL longer than it takes here."""
    return " UNION ALL ".join(part.sql for part in parts), _params(parts)


def _best_of(parts: Sequence[Condition], marks: int, facets: int, limit: int) -> tuple[str, list[Any]]:
    """What all parts select, as far as it is among the best for one of the marks: a very common word finds much."""
    marked = [f"in{place}" for place in range(marks)]
    columns = ", ".join(["id", "score", "exact", *marked, *(f"f{place}" for place in range(facets))])
    best = [
        f"(SELECT * FROM m {f'WHERE {mark}' if mark else ''} ORDER BY exact DESC, score DESC, id DESC LIMIT %s)"
        for mark in marked or [""]
    ]
    selected, params = _all_of(parts)
    sql = f"WITH m({columns}) AS ({selected}) {' UNION '.join(best)}"
    return sql, [*params, *([limit] * len(best))]


def _by_words(query: LexicalQuery, condition: Condition, beside: Sequence[Condition]) -> list[Condition]:
    if query.is_empty:
        return []
    if query.groups:
        condition &= Condition("p.search_vector @@ %s::tsquery", (candidate_sql(query.groups, query.size),))
    # Lengths first: they rule out nearly all names for next to nothing. In another case, a letter that is not ASCII
    # may have more bytes or fewer.
    length, slack = len(query.text.encode()), 2 * sum(not letter.isascii() for letter in query.text)
    return [
        Condition(
            "SELECT p.id, -(p.lexical_weights <#> %s::sparsevec),"
            " octet_length(p.name) BETWEEN %s AND %s AND lower(p.name) = lower(%s)"
            f"{''.join(one.sql for one in beside)} FROM catalog_product AS p WHERE {condition.sql}",
            (query.weights, length - slack, length + slack, query.text, *_params(beside), *condition.params),
        )
    ]


def _by_codes(query: LexicalQuery, condition: Condition, beside: Sequence[Condition]) -> list[Condition]:
    if not query.codes:
        return []
    return [
        Condition(
            f"SELECT p.id, %s::float8, true{''.join(one.sql for one in beside)} FROM catalog_product AS p"
            f" WHERE p.sku = ANY(%s) AND {condition.sql}",
            (query.ceiling, *_params(beside), list(query.codes), *condition.params),
        )
    ]


def _params(conditions: Iterable[Condition]) -> list[Any]:
    return [param for condition in conditions for param in condition.params]


def _best_first(found: Ids, scores: Floats, exact: Flags) -> tuple[Matches, Ids]:
    """Matches of products, of which those that a code found may be there once more for their words.

    Also, for each of them, the place of a row that found it.
    """
    if not exact.any():
        order = np.lexsort((-found, -scores))
        return Matches(found[order], scores[order], exact[order]), order
    product_ids, rows, places = np.unique(found, return_index=True, return_inverse=True)
    bm25, is_exact = np.zeros(len(product_ids)), np.zeros(len(product_ids), dtype=np.bool_)
    np.maximum.at(bm25, places, scores)
    np.logical_or.at(is_exact, places, exact)
    order = np.lexsort((-product_ids, -bm25, ~is_exact))
    return Matches(product_ids[order], bm25[order], is_exact[order]), rows[order]


def keyword_scores_of(query: LexicalQuery, product_ids: Ids, values: ProductValues) -> Select:
    """BM25 of given products, in no order: ids and scores for `as_matches`, and what `values` is to learn."""
    return Select(
        (Kind.ID, Kind.FLOAT, *values.kinds),
        f"SELECT p.id, -(p.lexical_weights <#> %s::sparsevec){''.join(f', {one.sql}' for one in values.columns)}"
        " FROM catalog_product AS p WHERE p.id = ANY(%s::bigint[])",
        (query.weights, *_params(values.columns), id_array(product_ids)),
    )


def as_matches(product_ids: Ids, bm25: Floats) -> Matches:
    """Products with the scores of their words, none of which is the query itself."""
    return Matches(product_ids, bm25, np.zeros(len(product_ids), dtype=np.bool_))


def candidate_sql(groups: Sequence[Group], size: int) -> str:
    """The tsquery that finds candidates in a catalogue of `size` products: any rare word, or all the others together.

    A product that has only some of the others is outranked by those that have more of the query.
    """
    rare, others = _by_rarity(groups, size)
    found = [group.sql for group in rare]
    if others:
        found.append("(" + " & ".join(group.sql for group in others) + ")")
    return " | ".join(found)


def _by_rarity(groups: Sequence[Group], size: int) -> tuple[list[Group], list[Group]]:
    """The words that find candidates by themselves, the rarest at least; and those that do so together, rarest first.

    Together only where they are several that are not expected to find too many, were they independent.
    """
    by_rarity = sorted(groups, key=lambda group: group.documents)
    alone, found = 0, 0
    for group in by_rarity:
        budget = FEW_CANDIDATES if found < NEXT_TO_NOTHING else CANDIDATE_BUDGET
        if alone and found + group.documents > budget:
            break
        alone, found = alone + 1, found + group.documents
    rare, others = by_rarity[:alone], by_rarity[alone:]
    together = size * math.prod(min(1.0, group.documents / size) for group in others)
    return rare, others if len(others) > 1 and together <= FEW_CANDIDATES else []


def _most_candidates(query: LexicalQuery) -> int:
    """How many products the words may find; 0 where there are none."""
    rare, others = _by_rarity(query.groups, query.size)
    return sum(group.documents for group in [*rare, *others[:1]])
