"""Where pins and the others go. Pure functions of plain values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from search.fusion import Scores
from search.merchandising.rules import Action, Kind, Rule, Target
from search.query import MAX_DEPTH
from search.ranking import BEST_INEXACT_SCORE, EXACT_SCORE, Ranking

Members = Mapping[Target, frozenset[int]]  # the products that a target stands for, among those that matter
DIGITS = 4


@dataclass(frozen=True)
class Pin:
    """A product that is pinned, and by what."""

    product_id: int
    rule: Rule
    action: Action


def actions(rules: Iterable[Rule], *kinds: Kind) -> list[tuple[Rule, Action]]:
    """What rules do, of some kinds, in the order in which they count."""
    return [(rule, action) for rule in rules for action in rule.actions if action.kind in kinds]


def hidden(rules: Iterable[Rule], members: Members) -> frozenset[int]:
    """Products that any rule hides; this wins over everything else."""
    found = (members.get(action.target, frozenset()) for _, action in actions(rules, Kind.HIDE))
    return frozenset().union(*found)


def pins_by_place(rules: Iterable[Rule], pinnable: Iterable[int]) -> dict[int, Pin]:
    """Wanted places (from 1) of the pins that may be shown.

    The first rule has its position; who wants it too gets the next free one. A product is pinned once.
    """
    may_be_shown, places, placed = set(pinnable), dict[int, Pin](), set[int]()
    for rule, action in actions(rules, Kind.PIN):
        product_id, place = int(action.target.value), action.position or 1
        if product_id not in may_be_shown or product_id in placed:
            continue
        while place in places:
            place += 1
        places[place] = Pin(product_id, rule, action)
        placed.add(product_id)
    return places


def closed_up(wanted: Mapping[int, Pin], others: int) -> dict[int, Pin]:
    """The places that pins really have beside so many other products: no place before them stays empty."""
    return {
        min(place, others + pins_before + 1): wanted[place]
        for pins_before, place in enumerate(sorted(wanted))
    }


def curate(
    ranking: Ranking, rules: Sequence[Rule], members: Members, pinnable: Iterable[int], min_score: float
) -> Ranking:
    """The ranking as rules want it: without what is hidden, moved by its new scores, with the pins in their places.

    `pinnable` are the pinned products that satisfy the query's filters. Scores stay sorted: a pin's is its own as far
    as its neighbours' let it; nothing is moved below `min_score`, which every hit keeps.
    """
    gone = hidden(rules, members)
    pins = pins_by_place(rules, set(pinnable) - gone)
    pinned = {pin.product_id for pin in pins.values()}
    place_of = {product_id: place for place, product_id in enumerate(ranking.product_ids)}
    others = [place for pk, place in place_of.items() if pk not in gone and pk not in pinned]
    scores, moved = _scores(ranking, rules, members, min_score)
    others.sort(key=lambda place: -scores[place])  # stable: of equals, the one that was first stays first
    order = _order(closed_up(pins, len(others)), others, place_of)[:MAX_DEPTH]
    shown = [pk for pk, _ in order]
    places = np.array([place for _, place in order], dtype=np.intp)
    did = {pin.product_id: [pin.rule.explain(pin.action)] for pin in pins.values()}
    for pk, rule, action in moved:
        did.setdefault(pk, []).append(rule.explain(action))
    return replace(
        ranking,
        product_ids=shown,
        scores=_clamped(_taken(scores, places, np.nan), [pk in pinned for pk in shown], min_score),
        semantic=_taken(ranking.semantic, places, np.nan),
        keyword=_taken(ranking.keyword, places, 0.0),
        notes={pk: _note(ranking, place_of.get(pk), did[pk]) for pk in shown if pk in did},
        is_complete=ranking.is_complete and len(others) + len(pins) < MAX_DEPTH,
    )


def _scores(
    ranking: Ranking, rules: Iterable[Rule], members: Members, min_score: float
) -> tuple[Scores, list[tuple[int, Rule, Action]]]:
    """New scores by place, and what moved which product. An exact match cannot be boosted any higher."""
    place_of = {product_id: place for place, product_id in enumerate(ranking.product_ids)}
    factors = np.ones(len(place_of))
    moved = []
    for rule, action in actions(rules, Kind.BOOST, Kind.BURY):
        for pk in members.get(action.target, frozenset()) & place_of.keys():
            factors[place_of[pk]] *= action.factor
            moved.append((pk, rule, action))
    highest = np.where(ranking.scores >= EXACT_SCORE, EXACT_SCORE, BEST_INEXACT_SCORE)
    lowest = np.minimum(ranking.scores, min_score)
    scores = np.clip(ranking.scores * factors, lowest, highest)
    return np.where(factors == 1.0, ranking.scores, scores), moved


def _order(
    pins: Mapping[int, Pin], others: Sequence[int], place_of: Mapping[int, int]
) -> list[tuple[int, int]]:
    """(product id, its place in the ranking or -1) in the new order."""
    product_ids = list(place_of)
    rest = iter(others)
    order = []
    for place in range(1, len(pins) + len(others) + 1):
        if place in pins:
            pk = pins[place].product_id
            order.append((pk, place_of.get(pk, -1)))
        else:
            former = next(rest)
            order.append((product_ids[former], former))
    return order


def _taken(values: Scores, places: Any, missing: float) -> Scores:
    """Values at places; `missing` where a product was not in the ranking."""
    padded = np.append(values, missing)
    taken: Scores = padded[places]
    return taken


def _clamped(scores: Scores, is_pinned: Sequence[bool], min_score: float) -> Scores:
    """Scores best first: each pin between the products around it. NaN: a pin that the query does not find."""
    floor = min_score
    clamped = scores.copy()
    for place in reversed(range(len(scores))):
        if is_pinned[place]:
            clamped[place] = floor if np.isnan(scores[place]) else max(floor, scores[place])
        floor = clamped[place]
    return np.minimum.accumulate(np.minimum(clamped, EXACT_SCORE)) if len(clamped) else clamped


def _note(ranking: Ranking, place: int | None, did: list[dict[str, Any]]) -> dict[str, Any]:
    """What an explanation says of the rules; the score is None where the query does not find the product."""
    original = None if place is None else round(float(ranking.scores[place]), DIGITS)
    return {"original_score": original, "rules": did}
