"""The keyword leg: BM25 over PostgreSQL's own full-text index.

The query's words become lexemes by the same SQL function that makes the index (catalog/lexical.py), and a tsquery
finds the candidates. Each lexeme's idf goes into a sparse vector; its inner product with a product's stored BM25F
term weights is the product's BM25 score.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django.conf import settings

from search.lexical_query import LexicalQuery
from search.product_values import ProductValues
from search.scope import NOTHING, Condition, Scope, any_of, params_of
from search.selectivity import rows_kept, share_of
from search.statements import GIN_SETTINGS, Flags, Floats, Ids, Kind, Select, fetch, fetch_columns, id_array
from search.trace import stage
from search.word_candidates import FEW_CANDIDATES, best_candidates, candidate_sql, most_candidates

# Filters that keep such a share of the catalogue are likely to keep enough of the best products of a common word.
WIDE_SHARE = 0.5
ENOUGH = 500
# So many products are put in order here, which takes less than PostgreSQL needs to find the best for each scope.
ORDERED_HERE = 10_000


@dataclass(frozen=True)
class Matches:
    """Products that have words of a query, best first. The arrays run parallel."""

    product_ids: Ids
    bm25: Floats
    is_exact: Flags  # SKU or name is the query
    is_complete: bool = True  # no other product has enough of the words

    def __len__(self) -> int:
        return len(self.product_ids)

    def at(self, places: slice | Ids) -> "Matches":
        """Those at some places."""
        return Matches(self.product_ids[places], self.bm25[places], self.is_exact[places], self.is_complete)

    def first(self, limit: int) -> "Matches":
        """The best, at most `limit`."""
        return replace(self.at(slice(limit)), is_complete=self.is_complete and len(self) < limit)

    def with_words(self) -> "Matches":
        """Those that have a word of the query, among some that are thought to have one, but not all of those."""
        has_words = (self.bm25 > 0) | self.is_exact
        return replace(self.at(np.flatnonzero(has_words)), is_complete=False)

    def __add__(self, other: "Matches") -> "Matches":
        return Matches(
            np.concatenate([self.product_ids, other.product_ids]),
            np.concatenate([self.bm25, other.bm25]),
            np.concatenate([self.is_exact, other.is_exact]),
            self.is_complete and other.is_complete,
        )


NO_MATCHES = Matches(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0, dtype=np.bool_))


_NAMED_SQL = """
SELECT FROM catalog_product AS p
WHERE p.is_active AND p.search_vector @@ plainto_tsquery(%s::regconfig, public.catalog_words(public.catalog_fold(%s)))
AND lower(p.name) = lower(%s) LIMIT 1
"""


def is_name(text: str) -> bool:
    """Whether a text is the name of a product."""
    text = text.replace("\x00", " ").strip()
    return bool(fetch(_NAMED_SQL, (settings.SEARCH_CONFIG, text, text), GIN_SETTINGS))


@stage("keyword")
def keyword_candidates(
    query: LexicalQuery, scopes: Sequence[Scope], limit: int, values: ProductValues | None = None
) -> list[Matches]:
    """The best products for the words of a query within each of several scopes.

    Best first, at most `limit`; never more than the filters keep. The index is read once for all scopes, but for those
    that hold many of the best products of a very common word, and `values` learns of what it found.
    """
    values = values or ProductValues()
    found: dict[Scope, Matches] = {}
    best = best_candidates(query)
    if best is not None and (wide := [scope for scope in scopes if _is_wide(query, scope)]):
        matches = [one.with_words() for one in _found(query, wide, limit, values, best)]
        found |= (
            (scope, one) for scope, one in zip(wide, matches, strict=True) if len(one) >= min(limit, ENOUGH)
        )
    if rest := [scope for scope in scopes if scope not in found]:
        found |= zip(rest, _found(query, rest, limit, values), strict=True)
    return [found[scope] for scope in scopes]


def _is_wide(query: LexicalQuery, scope: Scope) -> bool:
    """Whether enough of the best of the whole catalogue are likely to be within, and nothing better is.

    What has other words too may be worse than some of what has one, and is left out where that is not among the best.
    """
    return scope.is_open or (len(query.groups) == 1 and share_of(rows_kept(scope, NOTHING)) >= WIDE_SHARE)


def _found(
    query: LexicalQuery,
    scopes: Sequence[Scope],
    limit: int,
    values: ProductValues,
    best: Condition | None = None,
) -> list[Matches]:
    """See `keyword_candidates`. `best` finds products `p` instead of the words."""
    condition = any_of(scopes, "p") & query.constraint("p")
    # What is within the only scope needs no mark.
    marks = [scope.condition("p") for scope in scopes] if len(scopes) > 1 else []
    beside = [Condition(f", {one.sql}", one.params) for one in (*marks, *values.columns)]
    parts = _by_words(query, condition & (best or _words_of(query)), beside)
    parts += _by_codes(query, condition, beside)
    if not parts:
        return [NO_MATCHES] * len(scopes)
    most = most_candidates(query) if best is None else 0  # 0: unknown
    are_ordered_here = 0 < most <= ORDERED_HERE
    found, scores, exact, *others = fetch_columns(
        (Kind.ID, Kind.FLOAT, Kind.FLAG, *(Kind.FLAG for _ in marks), *values.kinds),
        *(_all_of(parts) if are_ordered_here else _best_of(parts, len(marks), len(values.columns), limit)),
        GIN_SETTINGS,
        is_prepared=best is not None or _are_found_by_words(most, scopes),
    )
    values.learn(found, others[len(marks) :])
    matches, rows = _best_first(found, scores, exact)
    if not marks:
        return [matches.first(limit)]
    return [matches.at(np.flatnonzero(here[rows])).first(limit) for here in others[: len(marks)]]


def _are_found_by_words(most: int, scopes: Sequence[Scope]) -> bool:
    """Whether the index on words is the best way to `most` products (0: unknown) within scopes.

    A filter that keeps fewer than words find is served by an index of its own.
    """
    if 0 < most <= FEW_CANDIDATES or all(scope.is_open for scope in scopes):
        return True
    return 0 < most <= max(rows_kept(scope, NOTHING) or most for scope in scopes)


def _words_of(query: LexicalQuery) -> Condition:
    """What has enough of the words, as the index on words finds it."""
    if not query.groups:
        return NOTHING
    return Condition("p.search_vector @@ %s::tsquery", (candidate_sql(query.groups, query.size),))


def _all_of(parts: Sequence[Condition]) -> tuple[str, tuple[Any, ...]]:
    """What all parts select. To put a thousand rows in order takes PostgreSQL longer than it takes here."""
    return " UNION ALL ".join(part.sql for part in parts), params_of(parts)


def _best_of(parts: Sequence[Condition], marks: int, facets: int, limit: int) -> tuple[str, tuple[Any, ...]]:
    """What all parts select, as far as it is among the best for one of the marks: a very common word finds much."""
    marked = [f"in{place}" for place in range(marks)]
    columns = ", ".join(["id", "score", "exact", *marked, *(f"f{place}" for place in range(facets))])
    best = [
        f"(SELECT * FROM m {f'WHERE {mark}' if mark else ''} ORDER BY exact DESC, score DESC, id DESC LIMIT %s)"
        for mark in marked or [""]
    ]
    selected, params = _all_of(parts)
    sql = f"WITH m({columns}) AS ({selected}) {' UNION '.join(best)}"
    return sql, (*params, *([limit] * len(best)))


def _by_words(query: LexicalQuery, condition: Condition, beside: Sequence[Condition]) -> list[Condition]:
    if query.is_empty:
        return []
    score, named = query.bm25("p"), query.named("p")
    return [
        Condition(
            f"SELECT p.id, {score.sql}, {named.sql}"
            f"{''.join(one.sql for one in beside)} FROM catalog_product AS p WHERE {condition.sql}",
            (
                *score.params,
                *named.params,
                *params_of(beside),
                *condition.params,
            ),
        )
    ]


def _by_codes(query: LexicalQuery, condition: Condition, beside: Sequence[Condition]) -> list[Condition]:
    if not query.codes:
        return []
    return [
        Condition(
            f"SELECT p.id, %s::float8, true{''.join(one.sql for one in beside)} FROM catalog_product AS p"
            f" WHERE p.sku = ANY(%s) AND {condition.sql}",
            (query.ceiling, *params_of(beside), list(query.codes), *condition.params),
        )
    ]


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
    score = query.bm25("p")
    return Select(
        (Kind.ID, Kind.FLOAT, *values.kinds),
        f"SELECT p.id, {score.sql}{''.join(f', {one.sql}' for one in values.columns)}"
        " FROM catalog_product AS p WHERE p.id = ANY(%s::bigint[])",
        (*score.params, *params_of(values.columns), id_array(product_ids)),
    )


def as_matches(product_ids: Ids, bm25: Floats) -> Matches:
    """Products with the scores of their words, none of which is the query itself."""
    return Matches(product_ids, bm25, np.zeros(len(product_ids), dtype=np.bool_))
