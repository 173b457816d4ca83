"""What is answered."""

from dataclasses import dataclass, field
from typing import Any

from search.query import Filters, Mode
from search.trace import Trace


@dataclass(frozen=True)
class Hit:
    """One product found. `fields` are the product's public fields as plain values, `score` lies in 0..1."""

    fields: dict[
        str, Any
    ]  # sku name brand category{slug,name,path} price currency image_url url short_description
    score: float
    explanation: dict[str, Any] | None = None


@dataclass(frozen=True)
class FacetValue:
    """How many products of the result set have a value. `count` ignores the facet's own filter."""

    value: str
    label: str
    count: int
    depth: int = 0  # of a category in its tree
    selected: bool = False
    price_from: str | None = None  # of a price range, closed below
    price_to: str | None = None  # of a price range, open above; None: no upper end


@dataclass(frozen=True)
class SearchResult:
    """One page of a result set; `total` and `facets` describe that same set."""

    hits: list[Hit]
    total: int
    total_relation: str  # exact | at_least
    mode: Mode  # as asked; where `degraded`, answered from keywords alone
    degraded: bool
    corrected: str | None  # the spelling that was searched instead, if any
    facets: dict[str, list[FacetValue]] = field(default_factory=dict)
    timings_ms: dict[str, float] = field(default_factory=dict)  # encode, retrieve, total
    page: int = 1
    page_size: int = 20
    rule_ids: tuple[int, ...] = ()  # staff's rules that were for this query
    synonym_ids: tuple[int, ...] = ()  # staff's synonyms that its words met
    unmatched: tuple[str, ...] = ()  # words of the query that no product of the shop has
    is_browsed: bool = False  # its words, if any, asked for nothing that products could match better or worse
    matches_no_word: bool = False  # they are all of its words
    understood: Filters | None = None  # those in force, where its words asked for one of them
    trace: Trace | None = None  # where an explanation was asked
