"""What can be asked: plain values, checked before they get here."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from search.configuration import Fusion, RankingConfiguration
from search.merchandising.rules import Rulebook

MAX_QUERY_LENGTH = 512
MAX_PAGE_SIZE = 100
MAX_DEPTH = 1_000
MAX_FILTERED_ATTRIBUTES = 10
PENNY = Decimal("0.01")  # the least difference of two prices
MAX_BATCH = 50

# Texts of an attribute's values by its name, any of which may match; all names must. In the order of names.
Attributes = tuple[tuple[str, tuple[str, ...]], ...]


class Mode(StrEnum):
    """Which legs answer: meaning and words together, or one of them."""

    HYBRID = "hybrid"
    SEMANTIC = "semantic"
    KEYWORD = "keyword"


class Ordering(StrEnum):
    """In which order products are shown, named as in the list of products. Those without a price come last."""

    RELEVANCE = "relevance"  # the best first; without a query the newest
    CHEAPEST = "price"
    DEAREST = "-price"
    NEWEST = "-id"


@dataclass(frozen=True)
class Filters:
    """What every hit must satisfy; empty filters keep every active product."""

    categories: tuple[str, ...] = ()  # slugs; each includes everything below it; any of them may match
    brands: tuple[str, ...] = ()  # exact names, any of them may match
    price_min: Decimal | None = None
    price_max: Decimal | None = None
    attributes: Attributes = ()


@dataclass(frozen=True)
class SearchQuery:
    """One search. `facets` names what to count: category, brand, price, or an attribute."""

    text: str
    mode: Mode = Mode.HYBRID
    filters: Filters = field(default_factory=Filters)
    min_score: float | None = None  # 0..1
    facets: tuple[str, ...] = ()
    explain: bool = False
    ordering: Ordering = Ordering.RELEVANCE
    page: int = 1
    page_size: int = 20
    fusion: Fusion | None = None  # None: as the configuration says
    configuration: RankingConfiguration | None = None  # None: as the settings say
    rules: bool = True  # whether staff's curation rules have their say
    rulebook: Rulebook | None = None  # rules and synonyms to try; None: what staff have saved


@dataclass(frozen=True)
class SimilarQuery:
    """Products like one product, never the product itself."""

    sku: str
    filters: Filters = field(default_factory=Filters)
    limit: int = 10
    same_category: bool = False
    price_tolerance: float | None = None  # 0.25: within 25 % of the product's own price
    min_score: float | None = None  # 0..1
    diversity: float = 0.0  # MMR: 0 nearest only, 1 as unlike each other as can be
    explain: bool = False


@dataclass(frozen=True)
class Seed:
    """A product to go towards, or with a negative weight away from."""

    sku: str
    weight: float = 1.0


@dataclass(frozen=True)
class SeedQuery:
    """Products near several products at once, none of them among the answers."""

    seeds: tuple[Seed, ...]
    filters: Filters = field(default_factory=Filters)
    limit: int = 10
    min_score: float | None = None  # 0..1
    diversity: float = 0.0
