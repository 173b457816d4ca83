"""What happens to a query, top to bottom.

take a price out of the words -> parse -> resolve the filters -> analyse the words -> begin to encode (cached) ->
keyword and semantic candidates under the same filters -> fuse -> cut off -> rerank the best, where a model is set ->
staff's rules -> total and facets of that set -> page -> hydrate. The query is encoded while PostgreSQL finds candidates
by its words.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from django.conf import settings

from search import browse, encoding, facets, rerank
from search.analysis import analyse
from search.configuration import RankingConfiguration
from search.exceptions import InvalidQueryError
from search.explain import matched_words
from search.hydrate import hydrate
from search.lexical import is_name, keyword_candidates
from search.lexical_query import LexicalQuery
from search.merchandising.application import curated, rulebook_for, rules_for
from search.merchandising.rules import Rule
from search.ordering import in_order
from search.parsing import ParsedText, parse
from search.pending_vectors import PendingVector, PendingVectors, model_of
from search.price_words import with_price
from search.product_values import ATTRIBUTES, ProductValues
from search.query import MAX_BATCH, MAX_DEPTH, MAX_PAGE_SIZE, MAX_QUERY_LENGTH, Mode, Ordering, SearchQuery
from search.ranking import Encoded, Plan, Ranking, rank
from search.results import FacetValue, Hit, SearchResult
from search.scope import Scope, resolve
from search.similar import similar_products
from search.spelling import corrected_text
from search.stopwatch import Stopwatch
from search.trace import stage, tracing
from search.turns import turns
from search.unmatched import unmatched_words
from search.vectors import VectorSpace

__all__ = ["ranking_of", "search_batch", "search_products", "similar_products"]

# Who measures waits for the model: an answer from keywords would be measured as if it were the model's.
MEASURING_DEADLINE_S = 60.0


def search_products(query: SearchQuery) -> SearchResult:
    """Answer one search. Raises InvalidQueryError; where the model cannot be used, answers from keywords."""
    if not query.explain:
        return _search(query)
    with tracing() as trace:
        return replace(_search(query), trace=trace)


def _search(query: SearchQuery) -> SearchResult:
    check(query)
    (result,) = _understood([query], Stopwatch())
    return result


def search_batch(queries: Sequence[SearchQuery]) -> list[SearchResult]:
    """Answer several searches, in order; their texts are encoded together. Raises InvalidQueryError."""
    if len(queries) > MAX_BATCH:
        raise InvalidQueryError({"queries": [f"At most {MAX_BATCH} queries at a time."]})
    for query in queries:
        check(query)
    return _understood(queries)


def _understood(queries: Sequence[SearchQuery], watch: Stopwatch | None = None) -> list[SearchResult]:
    """Answer queries by what they mean, and as they were typed where that finds nothing."""
    meant = [_meant(query) for query in queries]
    results = [
        result if one.filters == query.filters else replace(result, understood=one.filters)
        for query, one, result in zip(queries, meant, _answers(meant, watch), strict=True)
    ]
    in_vain = [place for place, one in enumerate(results) if one.understood is not None and not one.total]
    typed = _answers([queries[place] for place in in_vain], watch) if in_vain else []
    for place, result in zip(in_vain, typed, strict=True):
        results[place] = result
    return results


def _meant(query: SearchQuery) -> SearchQuery:
    """The query with its price, if its words have one that is no part of a product's name."""
    meant = with_price(query)
    return query if meant == query or is_name(query.text) else meant


def _answers(queries: Sequence[SearchQuery], watch: Stopwatch | None) -> list[SearchResult]:
    pairs = [(query, parse(query.text)) for query in queries]
    return [
        _answer(query, parsed, encoded, watch or Stopwatch())
        for (query, parsed), encoded in zip(pairs, _encodings(pairs), strict=True)
    ]


def ranking_of(query: SearchQuery) -> Ranking:
    """The whole result set of a search, best first: what its pages show while the model can be used.

    Raises InvalidQueryError, and EncodingUnavailableError or RerankUnavailableError instead of answering without.
    """
    meant = _meant(query)
    ranking = _whole_ranking(meant)
    return ranking if len(ranking.product_ids) or meant == query else _whole_ranking(query)


def _whole_ranking(query: SearchQuery) -> Ranking:
    (ranking,) = _ranked(query, plan_of(query), [resolve(query.filters)], deadline_s=None)
    return ranking


def plan_of(query: SearchQuery) -> Plan:
    """How a search is answered by its model. Raises InvalidQueryError and EncodingUnavailableError."""
    check(query)
    parsed = typed = parse(query.text)
    rulebook = rulebook_for(query)
    lexical = analyse(parsed, query.text, rulebook)
    if (corrected := _correction(lexical)) is not None:
        parsed = replace(parsed, words=tuple(corrected.split()), ends_inside_a_word=False)
        lexical = analyse(parsed, corrected, rulebook)
    encoded: Encoded = None
    if _wants_vector(query, parsed):
        model = model_of(_configuration(query).model_id)
        (vector,) = encoding.query_vectors(model, [parsed.wanted], MEASURING_DEADLINE_S)
        encoded = VectorSpace.of(model), vector
    return _plan(query, parsed, lexical, lambda: encoded, rules_for(query, typed.wanted, corrected))


def check(query: SearchQuery) -> None:
    """Refuse what cannot be answered. Raises InvalidQueryError with one entry per bad parameter."""
    errors: dict[str, list[str]] = {}
    if len(query.text) > MAX_QUERY_LENGTH:
        errors["q"] = [f"At most {MAX_QUERY_LENGTH} characters."]
    if not 1 <= query.page_size <= MAX_PAGE_SIZE:
        errors["page_size"] = [f"Between 1 and {MAX_PAGE_SIZE}."]
    elif query.page < 1 or query.page * query.page_size > MAX_DEPTH:
        errors["page"] = [f"From 1, and no deeper than the first {MAX_DEPTH} results."]
    if query.min_score is not None and not 0 <= query.min_score <= 1:
        errors["min_score"] = ["Between 0 and 1."]
    lowest, highest = query.filters.price_min, query.filters.price_max
    if lowest is not None and highest is not None and lowest > highest:
        errors["price_min"] = ["Must not be above price_max."]
    if errors:
        raise InvalidQueryError(errors)
    facets.check_names(query.facets)


def _encodings(pairs: Sequence[tuple[SearchQuery, ParsedText]]) -> list[PendingVector]:
    """The vectors of queries, of which those that need one can be encoded."""
    found = [PendingVector()] * len(pairs)
    wanting: dict[int | None, list[int]] = defaultdict(list)
    for place, (query, parsed) in enumerate(pairs):
        if _wants_vector(query, parsed):
            wanting[_configuration(query).model_id].append(place)
    for model_id, places in wanting.items():
        together = PendingVectors(model_id, [pairs[place][1].wanted for place in places])
        for number, place in enumerate(places):
            found[place] = PendingVector(together, number)
    return found


def _configuration(query: SearchQuery) -> RankingConfiguration:
    configuration = query.configuration or RankingConfiguration.from_settings()
    return configuration if query.fusion is None else replace(configuration, fusion=query.fusion)


def _wants_vector(query: SearchQuery, parsed: ParsedText) -> bool:
    return query.mode is not Mode.KEYWORD and bool(parsed.wanted)


def _answer(query: SearchQuery, parsed: ParsedText, encoded: PendingVector, watch: Stopwatch) -> SearchResult:
    """Answer a parsed query when it has its turn."""
    with turns.turn(), watch.timing("retrieve"):
        if query.mode is Mode.SEMANTIC:
            # Nothing else takes long. In a hybrid search the candidates do, and the words before them are found twice
            # as fast while the model does not compute.
            encoded.begin()
        scope = resolve(query.filters)
        rulebook = rulebook_for(query)
        lexical = analyse(parsed, query.text, rulebook)
        corrected = _correction(lexical)
        rules = rules_for(query, parsed.wanted, corrected)
        if corrected is not None:
            parsed = replace(parsed, words=tuple(corrected.split()), ends_inside_a_word=False)
            lexical = analyse(parsed, corrected, rulebook)
            (encoded,) = _encodings([(query, parsed)])
        encoded.begin()
        unmatched = unmatched_words(lexical)
        if not parsed.wanted:
            page = browse.page_of(query, scope, lexical, rules)
        else:
            page = _page_of(query, _plan(query, parsed, lexical, encoded, rules), scope)
        degraded = _wants_vector(query, parsed) and encoded() is None
    watch.add("encode", encoded.took_ms)
    return replace(
        page,
        degraded=degraded,
        corrected=corrected,
        unmatched=unmatched,
        matches_no_word=bool(unmatched) and {group.word for group in lexical.groups} <= set(unmatched),
        timings_ms=watch.read(),
        page=query.page,
        page_size=query.page_size,
        rule_ids=tuple(rule.id for rule in rules),
        synonym_ids=tuple(dict.fromkeys(synonym.id for synonym in lexical.synonyms)),
    )


def _correction(lexical: LexicalQuery) -> str | None:
    """The query as the catalogue would spell it, where no product at all has a word of it."""
    if not lexical.groups or lexical.phrases or any(group.documents for group in lexical.groups):
        return None
    text = corrected_text([group.word for group in lexical.groups])
    # Words that are newer than the last count of terms are right as they are.
    return text if text and not keyword_candidates(lexical, [Scope()], 1)[0] else None


def _plan(
    query: SearchQuery,
    parsed: ParsedText,
    lexical: LexicalQuery,
    encoded: Callable[[], Encoded],
    rules: tuple[Rule, ...],
) -> Plan:
    return Plan(
        text=parsed.wanted,
        asked=query.mode,
        lexical=lexical,
        encoded=encoded,
        configuration=_configuration(query),
        min_score=query.min_score or 0.0,
        rules=rules,
        facet_values=ProductValues(facets.named(query.facets, query.filters)),
    )


def _ranked(
    query: SearchQuery, plan: Plan, scopes: Sequence[Scope], deadline_s: float | None
) -> list[Ranking]:
    """The result set of each scope, best first; the first scope is the one that is shown.

    Reranking is for wishes in words; who asks for one leg gets its own order. Where results are only counted, their
    order says nothing.
    """
    shown, *counted = rank(plan, scopes)
    reranks = plan.configuration.rerank and rerank.is_on() and query.ordering is Ordering.RELEVANCE
    if reranks and query.mode is Mode.HYBRID and not plan.lexical.is_part_number:
        shown = rerank.reranked(shown, plan.text, plan.configuration.rerank_depth, deadline_s)
    return [curated(ranking, plan, scope) for ranking, scope in zip((shown, *counted), scopes, strict=True)]


def _page_of(query: SearchQuery, plan: Plan, scope: Scope) -> SearchResult:
    names = facets.named(query.facets, query.filters)
    scopes = list(dict.fromkeys([scope, *(scope.without(name) for name in names)]))
    rankings = _ranked(query, plan, scopes, settings.SEARCH_RERANK_DEADLINE_S)
    ranking = in_order(rankings[0], query.ordering)
    return SearchResult(
        hits=_hits(query, plan, ranking),
        total=len(ranking.product_ids),
        total_relation="exact" if ranking.is_complete else "at_least",
        mode=query.mode,
        degraded=False,
        corrected=None,
        facets=_facets(query, names, plan, scope, dict(zip(scopes, rankings, strict=True))),
    )


@stage("facets")
def _facets(
    query: SearchQuery, names: Sequence[str], plan: Plan, scope: Scope, rankings: Mapping[Scope, Ranking]
) -> dict[str, list[FacetValue]]:
    """Count over the result set; a facet that is filtered on, over the set without that filter."""
    if not query.facets:
        return {}
    ids = {one: np.array(ranking.product_ids, dtype=np.int64) for one, ranking in rankings.items()}
    found = {name: ids[scope.without(name)] for name in names}
    counted = facets.count_found(found, plan.facet_values, query.filters)
    if ATTRIBUTES in query.facets:
        counted |= facets.count_telling(ids[scope], names, query.filters)
    return counted


def _hits(query: SearchQuery, plan: Plan, ranking: Ranking) -> list[Hit]:
    first = (query.page - 1) * query.page_size
    places = range(first, min(first + query.page_size, len(ranking.product_ids)))
    shown = [ranking.product_ids[place] for place in places]
    fields = hydrate(shown)
    words = matched_words(plan.lexical, shown) if query.explain else {}
    return [
        Hit(
            fields[pk],
            round(float(ranking.scores[place]), 4),
            _explanation(query, ranking, place, words.get(pk, {"matched_terms": []})),
        )
        for place, pk in zip(places, shown, strict=True)
        if pk in fields
    ]


def _explanation(
    query: SearchQuery, ranking: Ranking, place: int, matched: dict[str, Any]
) -> dict[str, Any] | None:
    return {**ranking.explain(place), **matched} if query.explain else None
