"""What staff decide about search, as plain values: rules, synonyms, and the book of both."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple

# What neither is a letter, a digit nor belongs to one parts words.
_ACCENTS = re.compile("[\u0300-\u036f]")
_ASCII_SEPARATORS = re.compile("[^a-z0-9]+")
_SEPARATOR_CATEGORIES = frozenset("PSZC")


class Kind(StrEnum):
    """What a rule does to a product."""

    PIN = "pin"
    BOOST = "boost"
    BURY = "bury"
    HIDE = "hide"


class Match(StrEnum):
    """How a rule's words are compared with a query."""

    EXACT = "exact"
    CONTAINS = "contains"


class Target(NamedTuple):
    """What an action is about: `product` and its id, `category` and its id, or `brand` and its name."""

    kind: str
    value: int | str


@dataclass(frozen=True)
class Action:
    """One thing that a rule does. `position` (from 1) is of a pin, `factor` of a boost (above 1) or bury (below 1)."""

    kind: Kind
    target: Target
    position: int | None = None
    factor: float = 1.0

    def explain(self) -> dict[str, Any]:
        """What it does, for an explanation."""
        if self.kind is Kind.PIN:
            return {"action": self.kind.value, "position": self.position}
        return {"action": self.kind.value, "factor": self.factor}


@dataclass(frozen=True)
class Rule:
    """When something is done to which products.

    `key` is the trigger's text as `text_key` writes it. Without text, an exact rule is for browsing its category and
    a containing one for every search within it. Times are seconds since 1970.
    """

    id: int  # 0: not saved yet
    name: str
    key: str
    match: Match
    category_id: int | None
    starts: float
    ends: float
    priority: int
    actions: tuple[Action, ...]

    def is_due(self, now: float) -> bool:
        """Whether it is valid at a time."""
        return self.starts <= now < self.ends

    def explain(self, action: Action) -> dict[str, Any]:
        """What the rule did to a hit by one of its actions."""
        return {"rule": self.id, "name": self.name, **action.explain()}


class Entry(NamedTuple):
    """A synonym, as typed."""

    term: str
    means: str
    both_ways: bool
    id: int = 0  # 0: not saved yet


def text_key(text: str) -> str:
    """Text as rules and synonyms are compared: words without case, accents and marks, one blank between them."""
    if text.isascii():  # nearly all are, and thousands are read at once
        folded = text.lower()
        return _ASCII_SEPARATORS.sub(" ", folded).strip() or " ".join(folded.split())
    folded = _ACCENTS.sub("", unicodedata.normalize("NFKD", text)).casefold()
    parted = "".join(" " if unicodedata.category(c)[0] in _SEPARATOR_CATEGORIES else c for c in folded)
    return " ".join(parted.split()) or " ".join(folded.split())


class Rulebook:
    """All rules that are or will be valid, found by the words of a query, and all synonyms. Never changed."""

    def __init__(self, rules: Iterable[Rule] = (), synonyms: Iterable[Entry] = ()) -> None:
        self.rules = tuple(sorted(rules, key=lambda rule: (-rule.priority, rule.id or float("inf"))))
        self.synonyms = tuple(synonyms)
        # Whether it matters to any rule which category is filtered on.
        self.asks_for_categories = any(rule.category_id is not None for rule in self.rules)
        self._exact: dict[str, list[int]] = defaultdict(list)
        self._by_word: dict[str, list[int]] = defaultdict(list)
        for place, rule in enumerate(self.rules):
            if rule.match is Match.EXACT:
                self._exact[rule.key].append(place)
            else:
                # One word finds it: nearly no query has it and not the others.
                self._by_word[max(rule.key.split(), key=len, default="")].append(place)

    def matching(self, texts: Iterable[str], category_ids: Iterable[int], now: float) -> tuple[Rule, ...]:
        """The rules for a query at a time, in the order in which they count.

        `texts` are ways to write the query, as typed and as corrected; `category_ids` those that are filtered on.
        """
        if not self.rules:
            return ()
        keys = {text_key(text) for text in texts}
        places = {place for key in keys for place in self._places(key)}
        filtered = frozenset(category_ids)
        found = (self.rules[place] for place in sorted(places))
        return tuple(
            rule
            for rule in found
            if rule.is_due(now) and (rule.category_id is None or rule.category_id in filtered)
        )

    def _places(self, key: str) -> Iterable[int]:
        yield from self._exact.get(key, ())
        words = {"", *key.split()}
        for word in words:
            for place in self._by_word.get(word, ()):
                if words.issuperset(self.rules[place].key.split()):
                    yield place

    def with_rule(self, rule: Rule, instead_of: int | None) -> "Rulebook":
        """The book with one more rule, or with one replaced, as if it were valid now."""
        others = [one for one in self.rules if one.id != instead_of]
        return Rulebook([*others, replace(rule, starts=float("-inf"), ends=float("inf"))], self.synonyms)

    def without_rule(self, rule_id: int | None) -> "Rulebook":
        """The book without a rule."""
        return Rulebook([one for one in self.rules if one.id != rule_id], self.synonyms)

    def with_synonyms(self, synonyms: Iterable[Entry]) -> "Rulebook":
        """The book with other synonyms."""
        return Rulebook(self.rules, synonyms)
