"""Addresses of the search page: what a visitor asked, and the links that change one part of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlencode

from django.conf import settings
from django.core.paginator import Paginator
from django.http import QueryDict
from django.urls import reverse

from search.formats import price_range
from search.query import MAX_DEPTH, Filters, Mode
from search.results import FacetValue, SearchResult

PAGE_SIZE = 20
SHOWN = 8  # values of a facet
# In the order in which they stand in an address.
PARAMETERS = ("q", "mode", "category", "brand", "price_min", "price_max", "explain", "page")
FILTERS = ("category", "brand", "price_min", "price_max")

Asked = Mapping[str, list[str]]


@dataclass(frozen=True)
class Choice:
    """A value of a facet as a link, which chooses the value or, where it is chosen, drops it."""

    label: str
    count: int
    url: str
    selected: bool = False
    depth: int = 0


@dataclass(frozen=True)
class Facet:
    """The values of a facet as links: those shown at once, and those behind “more”."""

    title: str
    shown: list[Choice]
    more: list[Choice]


@dataclass(frozen=True)
class Chip:
    """A filter in force, and the address of the same search without it."""

    kind: str
    label: str
    url: str


@dataclass(frozen=True)
class PageLink:
    """A page to go to; without a number it is the gap between two of them."""

    number: int | None = None
    url: str = ""
    current: bool = False


@dataclass(frozen=True)
class Pages:
    """The page shown, its neighbours ("" where there is none), and the links between all pages."""

    current: int
    last: int
    previous: str
    next: str
    links: list[PageLink]


def read(query: QueryDict) -> dict[str, list[str]]:
    """Return what was asked: known parameters that are not blank, as people's forms send many that are."""
    asked = {}
    for name in PARAMETERS:
        values = [value.strip() for value in query.getlist(name)]
        if kept := list(dict.fromkeys(value for value in values if value)):
            asked[name] = kept if name in {"category", "brand"} else kept[-1:]
    if asked.get("mode") == [Mode.HYBRID]:
        del asked["mode"]
    return asked


def address(asked: Asked, **changes: Iterable[str] | None) -> str:
    """Return the address of a search with some parameters changed; it starts at the first page again."""
    merged = {**asked, "page": None, **changes}
    pairs = [(name, value) for name in PARAMETERS for value in merged.get(name) or ()]
    return reverse("storefront") + (f"?{urlencode(pairs)}" if pairs else "")


def without_filters(asked: Asked) -> str:
    """Return the address of the same words without any filter."""
    return address(asked, **dict.fromkeys(FILTERS))


def facets(counted: Mapping[str, list[FacetValue]], asked: Asked) -> dict[str, Facet]:
    """Return facets that have something to choose. A category or price range takes another's place, brands add up."""
    ways = {
        "category": ("Category", _category_choice),
        "price": ("Price range", _price_choice),
        "brand": ("Brand", _brand_choice),
    }
    found = {}
    for name, (title, choose) in ways.items():
        choices = [choose(value, asked) for value in counted.get(name, ())]
        # What is chosen must not hide behind “more”; the tree of categories stays in its order.
        if name == "brand":
            choices.sort(key=lambda choice: not choice.selected)
        if choices:
            found[name] = Facet(title, choices[:SHOWN], choices[SHOWN:])
    return found


def _category_choice(value: FacetValue, asked: Asked) -> Choice:
    selected = value.value in asked.get("category", [])
    url = address(asked, category=None if selected else [value.value])
    return Choice(value.label, value.count, url, selected, value.depth)


def _brand_choice(value: FacetValue, asked: Asked) -> Choice:
    before = asked.get("brand", [])
    selected = value.value in before
    after = [brand for brand in before if brand != value.value] if selected else [*before, value.value]
    return Choice(value.label, value.count, address(asked, brand=after), selected)


def _price_choice(value: FacetValue, asked: Asked) -> Choice:
    lowest = [value.price_from] if value.price_from else []
    # A range of the facet is open above, the filter is closed.
    highest = [str(Decimal(value.price_to) - Decimal("0.01"))] if value.price_to else []
    selected = asked.get("price_min", []) == lowest and asked.get("price_max", []) == highest
    if selected:
        lowest, highest = [], []
    url = address(asked, price_min=lowest, price_max=highest)
    label = price_range(value.price_from, value.price_to, settings.DEFAULT_CURRENCY)
    return Choice(label or value.label, value.count, url, selected)


def chips(asked: Asked, filters: Filters, category_names: Mapping[str, str]) -> list[Chip]:
    """Return the filters in force, each with the address that drops it."""
    found = [
        Chip(
            "Category",
            category_names.get(slug, slug),
            address(asked, category=[other for other in asked.get("category", []) if other != slug]),
        )
        for slug in filters.categories
    ]
    found += [
        Chip("Brand", brand, address(asked, brand=[other for other in asked.get("brand", []) if other != brand]))
        for brand in filters.brands
    ]
    if label := price_range(filters.price_min, filters.price_max, settings.DEFAULT_CURRENCY):
        found.append(Chip("Price", label, address(asked, price_min=None, price_max=None)))
    return found


def pages(result: SearchResult, asked: Asked) -> Pages:
    """Return where the page stands among those that can be reached; search goes no deeper than `MAX_DEPTH`."""
    paginator = Paginator(range(min(result.total, MAX_DEPTH)), result.page_size)
    last = paginator.num_pages
    current = min(result.page, last)

    def link(number: int) -> str:
        return address(asked, page=[str(number)] if number > 1 else None)

    window = paginator.get_elided_page_range(current, on_each_side=1, on_ends=1)
    return Pages(
        current=result.page,
        last=last,
        previous=link(current - 1) if current > 1 else "",
        next=link(current + 1) if current < last else "",
        links=[
            PageLink(number, link(number), number == result.page) if isinstance(number, int) else PageLink()
            for number in window
        ],
    )
