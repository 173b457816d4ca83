"""What a rule or a synonym would do, before it is saved: the same search twice, with two rulebooks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from search.engine import search_products
from search.merchandising import book
from search.merchandising.models import CurationAction, CurationRule, Synonym
from search.merchandising.rules import Entry, Rulebook
from search.query import MAX_PAGE_SIZE, Filters, SearchQuery
from search.results import Hit, SearchResult

SHOWN = 10
_DONE = {"pin": "pinned", "boost": "boosted", "bury": "buried"}


@dataclass(frozen=True)
class Line:
    """A product at a place (from 1), and how it came there. `icon` and `move` say the same to eye and ear."""

    place: int
    fields: dict[str, Any]
    icon: str = ""
    move: str = ""
    done: str = ""  # by the rule


@dataclass(frozen=True)
class Side:
    """The first results of one of both searches."""

    total: int
    at_least: bool  # there are more than are ranked
    corrected: str | None
    lines: list[Line]


@dataclass(frozen=True)
class Comparison:
    """One query, before and after."""

    text: str
    category: str
    before: Side
    after: Side

    @property
    def is_same(self) -> bool:
        """Whether nothing of what is shown changes."""
        return self.before.total == self.after.total and not any(
            line.move or line.done for line in (*self.before.lines, *self.after.lines)
        )


def of_rule(rule: CurationRule, actions: Iterable[CurationAction], text: str = "") -> Comparison:
    """What a rule does as if it were valid now; `text` is a query to try instead of its own."""
    saved = book.current()
    draft = rule.as_rule(action.as_action() for action in actions)
    category = rule.category
    query = SearchQuery(text or rule.query, filters=Filters(categories=(category.slug,) if category else ()))
    return compare(
        query,
        saved.without_rule(rule.pk),
        saved.with_rule(draft, instead_of=rule.pk),
        category=str(category or ""),
        rule_id=draft.id,
    )


def of_synonym(synonym: Synonym, text: str = "") -> list[Comparison]:
    """What a synonym does to its own words, or to a query to try."""
    others = [Entry._make(one) for one in Synonym.objects.exclude(pk=synonym.pk).values_list(*Entry._fields)]
    saved = book.current()
    before = saved.with_synonyms(others)
    after = saved.with_synonyms([*others, Entry(synonym.term, synonym.means, synonym.both_ways)])
    own = [synonym.term, synonym.means] if synonym.both_ways else [synonym.term]
    return [compare(SearchQuery(query), before, after) for query in ([text] if text else own)]


def compare(
    query: SearchQuery, before: Rulebook, after: Rulebook, category: str = "", rule_id: int | None = None
) -> Comparison:
    """Search with either rulebook. Raises InvalidQueryError."""
    query = replace(query, page_size=MAX_PAGE_SIZE)
    was = search_products(replace(query, rulebook=before))
    becomes = search_products(replace(query, rulebook=after, explain=True))
    places_before, places_after = _places(was), _places(becomes)
    return Comparison(
        text=query.text,
        category=category,
        before=_side(was, [_former(place, hit, places_after, becomes) for place, hit in _first(was)]),
        after=_side(becomes, [_line(place, hit, places_before, rule_id) for place, hit in _first(becomes)]),
    )


def _first(result: SearchResult) -> list[tuple[int, Hit]]:
    return list(enumerate(result.hits[:SHOWN], start=1))


def _places(result: SearchResult) -> dict[str, int]:
    return {hit.fields["sku"]: place for place, hit in enumerate(result.hits, start=1)}


def _side(result: SearchResult, lines: list[Line]) -> Side:
    return Side(result.total, result.total_relation == "at_least", result.corrected, lines)


def _former(place: int, hit: Hit, after: dict[str, int], becomes: SearchResult) -> Line:
    if hit.fields["sku"] in after:
        return Line(place, hit.fields)
    gone = (
        "no longer found" if becomes.total <= MAX_PAGE_SIZE else f"no longer among the first {MAX_PAGE_SIZE}"
    )
    return Line(place, hit.fields, "✕", gone)


def _line(place: int, hit: Hit, before: dict[str, int], rule_id: int | None) -> Line:
    explained: Sequence[dict[str, Any]] = (hit.explanation or {}).get("rules", ())
    done = ", ".join(_DONE[one["action"]] for one in explained if one["rule"] == rule_id)
    former = before.get(hit.fields["sku"])
    if former is None:
        return Line(place, hit.fields, "+", "new", done)
    if former == place:
        return Line(place, hit.fields, done=done)
    icon, way = ("▲", "up") if former > place else ("▼", "down")
    return Line(place, hit.fields, icon, f"{way} {abs(former - place)}", done)
