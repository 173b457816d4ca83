"""Addresses of the search page: what a visitor asked, and the links that change one part of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from urllib.parse import urlencode

from django.conf import settings
from django.core.paginator import Paginator
from django.http import QueryDict
from django.urls import reverse

from search.price_words import PricedText
from search.product_values import ATTRIBUTES, BRAND, CATEGORY, FILTERABLE, PRICE
from search.query import MAX_DEPTH, PENNY, Filters, Mode, Ordering
from search.results import FacetValue, SearchResult
from search.storefront.formats import attribute_name, attribute_text, price_range

PAGE_SIZE = 20
FACETS = (CATEGORY, BRAND, PRICE, ATTRIBUTES)
SHOWN = 8  # brands
SHOWN_VALUES = 6  # of an attribute
MOST_SHOWN = 24  # categories, whose tree is folded already
# In the order in which they stand in an address.
FILTERS = ("category", "brand", "price_min", "price_max", "attribute")
PARAMETERS = ("q", "mode", *FILTERS, "ordering", "explain", "page")
REPEATED = frozenset({"category", "brand", "attribute"})

_PRICE_ORDERINGS = {Ordering.CHEAPEST: "Lowest price", Ordering.DEAREST: "Highest price"}
_ORDERINGS = {Ordering.RELEVANCE: "Relevance", **_PRICE_ORDERINGS, Ordering.NEWEST: "Newest"}

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
    more: list[Choice] = field(default_factory=list)


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
        values = query.getlist(name)
        if name != "attribute":  # blanks around a value belong to it
            values = [value.strip() for value in values]
        if kept := list(dict.fromkeys(value for value in values if value.strip())):
            asked[name] = kept if name in REPEATED else kept[-1:]
    for name, usual in (("mode", Mode.HYBRID), ("ordering", Ordering.RELEVANCE)):
        if asked.get(name) == [usual]:
            del asked[name]
    return asked


def address(asked: Asked, **changes: Iterable[str] | None) -> str:
    """Return the address of a search with some parameters changed; it starts at the first page again."""
    merged = {**asked, "page": None, **changes}
    pairs = [(name, value) for name in PARAMETERS for value in merged.get(name) or ()]
    return reverse("storefront") + (f"?{urlencode(pairs)}" if pairs else "")


def without_filters(asked: Asked, typed: PricedText | None = None) -> str:
    """Return the address of the same words without any filter; `typed` is a price that was typed as words."""
    return address({**asked, "q": _words(asked, typed)}, **dict.fromkeys(FILTERS))


def _words(asked: Asked, typed: PricedText | None) -> list[str]:
    return asked.get("q", []) if typed is None else [typed.text] * bool(typed.text)


def facets(counted: Mapping[str, list[FacetValue]], asked: Asked, total: int) -> dict[str, Facet]:
    """Return facets that have something to choose. A category or price range takes another's place, brands add up."""
    categories, brands = (
        [_as_shown(value, asked.get(name, []), total) for value in counted.get(name, [])]
        for name in ("category", "brand")
    )
    found = {
        "category": _category_facet(categories, asked),
        "price": Facet("Price", [_price_choice(value, asked, total) for value in counted.get("price", [])]),
        "brand": _brand_facet(brands, asked),
    }
    return {name: facet for name, facet in found.items() if facet.shown}


def _as_shown(value: FacetValue, chosen: list[str], total: int) -> FacetValue:
    """A value with the number that choosing it alone has led to: all that is shown.

    Search counts it among products of any value, some of which may be nearer to the query, so that a few of those
    shown are too far from the best of them.
    """
    return replace(value, count=total) if chosen == [value.value] else value


def _category_facet(values: list[FacetValue], asked: Asked) -> Facet:
    """The tree, unfolded only along what is chosen: a shop may have hundreds of categories."""
    chosen = asked.get("category", [])
    branch: list[FacetValue] = []  # from the top of the tree to the value at hand
    parents: list[str] = []
    unfolded = {""}
    for value in values:
        branch[value.depth :] = [value]
        parents.append(branch[value.depth - 1].value if value.depth else "")
        if value.value in chosen:
            unfolded.update(above.value for above in branch)
    tops = [value.value for value in values if value.depth == 0]
    if len(tops) == 1:
        unfolded.add(tops[0])
    shown = [value for value, parent in zip(values, parents, strict=True) if parent in unfolded]
    choices = [_category_choice(value, asked) for value in shown]
    return Facet("Category", choices[:MOST_SHOWN], choices[MOST_SHOWN:])


def _brand_facet(values: list[FacetValue], asked: Asked) -> Facet:
    choices = [_brand_choice(value, asked) for value in values]
    choices.sort(key=lambda choice: not choice.selected)  # what is chosen must not hide behind “more”
    return Facet("Brand", choices[:SHOWN], choices[SHOWN:])


def attribute_facets(counted: Mapping[str, list[FacetValue]], asked: Asked, total: int) -> list[Facet]:
    """Return the facets of attributes that have something to choose. The values of each add up, as brands do."""
    found = [
        _attribute_facet(name, values, asked, total)
        for name, values in counted.items()
        if name not in FILTERABLE
    ]
    return [facet for facet in found if facet.shown]


def _attribute_facet(name: str, values: list[FacetValue], asked: Asked, total: int) -> Facet:
    chosen = [value.value for value in values if value.selected]
    choices = [_attribute_choice(name, _as_shown(value, chosen, total), asked) for value in values]
    choices.sort(key=lambda choice: not choice.selected)
    return Facet(attribute_name(name), choices[:SHOWN_VALUES], choices[SHOWN_VALUES:])


def _attribute_choice(name: str, value: FacetValue, asked: Asked) -> Choice:
    before, this = asked.get("attribute", []), f"{name}:{value.value}"
    after = [one for one in before if one != this] if value.selected else [*before, this]
    return Choice(attribute_text(value.value), value.count, address(asked, attribute=after), value.selected)


def _category_choice(value: FacetValue, asked: Asked) -> Choice:
    selected = value.value in asked.get("category", [])
    url = address(asked, category=None if selected else [value.value])
    return Choice(value.label, value.count, url, selected, value.depth)


def _brand_choice(value: FacetValue, asked: Asked) -> Choice:
    before = asked.get("brand", [])
    selected = value.value in before
    after = [brand for brand in before if brand != value.value] if selected else [*before, value.value]
    return Choice(value.label, value.count, address(asked, brand=after), selected)


def _price_choice(value: FacetValue, asked: Asked, total: int) -> Choice:
    lowest = [value.price_from] if value.price_from and Decimal(value.price_from) else []
    # A range of the facet is open above, the filter is closed.
    highest = [str(Decimal(value.price_to) - PENNY)] if value.price_to else []
    label = price_range(next(iter(lowest), None), value.price_to, settings.DEFAULT_CURRENCY) or value.label
    if asked.get("price_min", []) == lowest and asked.get("price_max", []) == highest:
        return Choice(label, total, address(asked, price_min=None, price_max=None), selected=True)
    return Choice(label, value.count, address(asked, price_min=lowest, price_max=highest))


def chips(
    asked: Asked, filters: Filters, category_names: Mapping[str, str], typed: PricedText | None = None
) -> list[Chip]:
    """Return the filters in force, each with the address that drops it; `typed` is a price that was typed as words."""
    found = [
        Chip(
            "Category",
            category_names.get(slug, slug),
            address(asked, category=[other for other in asked.get("category", []) if other != slug]),
        )
        for slug in filters.categories
    ]
    found += [
        Chip(
            "Brand",
            brand,
            address(asked, brand=[other for other in asked.get("brand", []) if other != brand]),
        )
        for brand in filters.brands
    ]
    found += [
        Chip(
            "Filter",
            f"{attribute_name(name)}: {attribute_text(value)}",
            address(asked, attribute=[one for one in asked.get("attribute", []) if one != f"{name}:{value}"]),
        )
        for name, values in filters.attributes
        for value in values
    ]
    if label := price_range(filters.price_min, filters.price_max, settings.DEFAULT_CURRENCY):
        found.append(Chip("Price", label, address(asked, price_min=None, price_max=None)))
    elif typed and (label := price_range(typed.price_min, typed.price_max, settings.DEFAULT_CURRENCY)):
        found.append(Chip("Price", label, address(asked, q=_words(asked, typed))))
    return found


def orderings(asked: Asked) -> list[Choice]:
    """Return the orders that the products can be shown in."""
    # What is browsed has the newest first by itself.
    labels = _ORDERINGS if "q" in asked else {Ordering.RELEVANCE: "Newest", **_PRICE_ORDERINGS}
    chosen = next((one for one in asked.get("ordering", []) if one in labels), Ordering.RELEVANCE)
    return [
        Choice(label, 0, address(asked, ordering=None if one is Ordering.RELEVANCE else [one]), one == chosen)
        for one, label in labels.items()
    ]


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
