"""Puts staff's rules into force: which of them a query meets, and what they do to its results."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from catalog.models import Category
from search.merchandising import book, placing
from search.merchandising.placing import Members, Pin, actions
from search.merchandising.rules import Kind, Rule, Rulebook, Target
from search.query import SearchQuery
from search.ranking import Plan, Ranking
from search.scope import NOTHING, Condition, Scope
from search.statements import fetch, id_array

# Each target category with the ids of everything below it.
_SUBTREES_SQL = """
SELECT t.id, c.id FROM catalog_category AS t
JOIN catalog_category AS c ON c.path = t.path OR starts_with(c.path, t.path || '/')
WHERE t.id = ANY(%s::bigint[])
"""
_PLACES_IN_SHOP_SQL = "SELECT id, brand, category_id FROM catalog_product WHERE id = ANY(%s::bigint[])"


def rulebook_for(query: SearchQuery) -> Rulebook:
    """The rulebook that a query is held against."""
    return query.rulebook if query.rulebook is not None else book.current()


def rules_for(query: SearchQuery, *texts: str | None) -> tuple[Rule, ...]:
    """The rules that a query meets, in the order in which they count.

    `texts` are ways to write what is wanted, as typed and as corrected.
    """
    rulebook = rulebook_for(query)
    if not query.rules or not rulebook.rules:
        return ()
    category_ids: Iterable[int] = ()
    if query.filters.categories and rulebook.asks_for_categories:
        category_ids = Category.objects.filter(slug__in=query.filters.categories).values_list("pk", flat=True)
    return rulebook.matching([text for text in texts if text is not None], category_ids, time.time())


def curated(ranking: Ranking, plan: Plan, scope: Scope) -> Ranking:
    """The ranking of a plan within a scope, as the plan's rules want it.

    A pin never overrides a filter: it is shown where its product lies within the scope and has the query's phrases
    and nothing that the query excludes; where a least score is asked, only if the query finds it by itself.
    """
    if not plan.rules:
        return ranking
    pins = pinned_ids(plan.rules)
    if plan.min_score > 0:
        pinnable = pins.intersection(ranking.product_ids)
    else:
        pinnable = satisfying(pins, scope.condition("p") & plan.lexical.constraint("p"))
    found = members(plan.rules, {*ranking.product_ids, *pinnable})
    return placing.curate(ranking, plan.rules, found, pinnable, plan.min_score)


def pinned_ids(rules: Iterable[Rule]) -> set[int]:
    """The products that rules pin."""
    return {int(action.target.value) for _, action in actions(rules, Kind.PIN)}


def satisfying(product_ids: Iterable[int], condition: Condition) -> set[int]:
    """Those of the products `p` that satisfy a condition."""
    ids = id_array(product_ids)
    if ids == "{}":
        return set()
    sql = f"SELECT p.id FROM catalog_product AS p WHERE p.id = ANY(%s::bigint[]) AND {condition.sql}"
    return {pk for (pk,) in fetch(sql, (ids, *condition.params))}


def members(rules: Iterable[Rule], product_ids: Iterable[int]) -> Members:
    """Which of the products each target of the rules' other actions stands for."""
    targets = {action.target for _, action in actions(rules, Kind.BOOST, Kind.BURY, Kind.HIDE)}
    known = set(product_ids)
    found = {target: known & {int(target.value)} for target in targets if target.kind == "product"}
    groups = {target for target in targets if target.kind != "product"}
    if groups and known:
        below = subtrees(targets)
        found |= {target: set() for target in groups}
        for pk, brand, category_id in fetch(_PLACES_IN_SHOP_SQL, (id_array(known),)):
            around = (
                Target("brand", brand),
                *(Target("category", one) for one in below.get(category_id, ())),
            )
            for target in groups.intersection(around):
                found[target].add(pk)
    return {target: frozenset(pks) for target, pks in found.items()}


def subtrees(targets: Iterable[Target]) -> dict[int, list[int]]:
    """Target categories by the id of each category that lies in or below them."""
    ids = [int(target.value) for target in targets if target.kind == "category"]
    found: dict[int, list[int]] = {}
    for target_id, category_id in fetch(_SUBTREES_SQL, (id_array(ids),)) if ids else ():
        found.setdefault(category_id, []).append(target_id)
    return found


class Browsing:
    """What rules do to the filtered catalogue where nothing is searched for.

    Every product within the filters is a hit there and equally good, so a boosted one comes before all others and a
    buried one after them.
    """

    def __init__(self, rules: Sequence[Rule], products: Condition) -> None:
        """`products` says of a product `p` whether it is within the filters."""
        self.rules = rules
        self._below = subtrees({action.target for rule in rules for action in rule.actions})
        self.visible = self._visible()
        pinnable = satisfying(pinned_ids(rules), products & self.visible) if rules else set()
        self._pins = placing.pins_by_place(rules, pinnable)

    @property
    def pinned(self) -> list[int]:
        """The products that are pinned, and may be."""
        return [pin.product_id for pin in self._pins.values()]

    def pins(self, total: int) -> dict[int, Pin]:
        """Pins by their place (from 1) among `total` products."""
        return placing.closed_up(self._pins, total - len(self._pins))

    def order(self) -> Condition:
        """How much a product `p` is lifted, as SQL; empty where none is."""
        lifts = [
            Condition(f"CASE WHEN {one.sql} THEN %s ELSE 1 END", (*one.params, action.factor))
            for _, action in actions(self.rules, Kind.BOOST, Kind.BURY)
            for one in (self._is(action.target),)
        ]
        if not lifts:
            return NOTHING
        return Condition(" * ".join(one.sql for one in lifts), tuple(p for one in lifts for p in one.params))

    def notes(self, shown: Sequence[int]) -> dict[int, dict[str, Any]]:
        """What the rules did to the products of a page, for an explanation."""
        did: dict[int, list[dict[str, Any]]] = {}
        for pin in self._pins.values():
            did[pin.product_id] = [pin.rule.explain(pin.action)]
        found = members(self.rules, set(shown) - did.keys())
        for rule, action in actions(self.rules, Kind.BOOST, Kind.BURY):
            for pk in found.get(action.target, ()):
                did.setdefault(pk, []).append(rule.explain(action))
        return {pk: {"rules": done} for pk, done in did.items()}

    def _visible(self) -> Condition:
        hidden = [self._is(action.target) for _, action in actions(self.rules, Kind.HIDE)]
        if not hidden:
            return NOTHING
        sql = " OR ".join(one.sql for one in hidden)
        # A product without a category is in none, which SQL would call unknown.
        return Condition(f"({sql}) IS NOT TRUE", tuple(p for one in hidden for p in one.params))

    def _is(self, target: Target) -> Condition:
        if target.kind == "product":
            return Condition("p.id = %s", (target.value,))
        if target.kind == "brand":
            return Condition("p.brand = %s", (target.value,))
        ids = [category_id for category_id, above in self._below.items() if target.value in above]
        return Condition("p.category_id = ANY(%s::bigint[])", (id_array(ids),))
