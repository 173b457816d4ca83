"""A search for nothing in particular: everything within the filters, newest first, as staff's rules want it.

In any other order that somebody asks for, rules only hide.
"""

from collections.abc import Sequence

from search import facets
from search.hydrate import hydrate
from search.lexical_query import LexicalQuery
from search.merchandising.application import Browsing
from search.merchandising.rules import Rule
from search.ordering import sql_of
from search.product_values import ATTRIBUTES
from search.query import Ordering, SearchQuery
from search.results import Hit, SearchResult
from search.scope import Condition, Scope
from search.statements import fetch, id_array
from search.telling_attributes import SAMPLE, telling_attributes

SCORE = 1.0
# The attributes of so many products are read to be counted, which takes up to 30 ms.
MOST_READ = 10_000


def page_of(
    query: SearchQuery, scope: Scope, lexical: LexicalQuery, rules: Sequence[Rule] = ()
) -> SearchResult:
    """One page of the filtered catalogue, of which phrases and exclusions may leave a part."""
    products = scope.condition("p") & lexical.constraint("p")
    browsing = Browsing(rules, products)
    # All products are counted, and few are shown: one way to exclude is ten times slower for either.
    everyone = lexical.required("p") & lexical.refused_by_id("p") & browsing.visible
    names = facets.named(query.facets, query.filters)
    total, counted = facets.count(names, scope, query.filters, everyone)
    if ATTRIBUTES in query.facets and total <= MOST_READ:
        telling = telling_attributes(_newest(scope.condition("p") & everyone), names)
        counted |= facets.count(telling, scope, query.filters, everyone)[1]
    shown = _shown(query, products & browsing.visible, browsing, total)
    fields = hydrate(shown)
    notes = browsing.notes(shown) if query.explain and rules else {}
    return SearchResult(
        hits=[
            Hit(fields[pk], SCORE, notes.get(pk, {}) if query.explain else None)
            for pk in shown
            if pk in fields
        ],
        total=total,
        total_relation="exact",
        mode=query.mode,
        degraded=False,
        corrected=None,
        facets=counted,
        is_browsed=True,
    )


def _shown(query: SearchQuery, products: Condition, browsing: Browsing, total: int) -> list[int]:
    """The ids of one page: the others in their order, with the pins in their places."""
    first = (query.page - 1) * query.page_size + 1
    last = min(first + query.page_size - 1, total)
    is_curated = query.ordering is Ordering.RELEVANCE
    pins = browsing.pins(total) if is_curated else {}
    pins_before = sum(place < first for place in pins)
    pins_here = sum(first <= place <= last for place in pins)
    others = products
    if pins:
        others &= Condition("NOT p.id = ANY(%s::bigint[])", (id_array(browsing.pinned),))
    before = _lift(browsing) if is_curated else sql_of(query.ordering)
    rows = fetch(
        f"SELECT p.id FROM catalog_product AS p WHERE {others.sql}"
        f" ORDER BY {f'{before.sql}, ' if before.sql else ''}p.id DESC LIMIT %s OFFSET %s",
        (*others.params, *before.params, query.page_size - pins_here, first - 1 - pins_before),
    )
    rest = iter(pk for (pk,) in rows)
    placed = (
        pins[place].product_id if place in pins else next(rest, None) for place in range(first, last + 1)
    )
    return [pk for pk in placed if pk is not None]


def _newest(products: Condition) -> list[int]:
    """The ids of the newest of some products `p`, as many as tell which attributes they have."""
    sql = f"SELECT p.id FROM catalog_product AS p WHERE {products.sql} ORDER BY p.id DESC LIMIT %s"
    return [pk for (pk,) in fetch(sql, (*products.params, SAMPLE))]


def _lift(browsing: Browsing) -> Condition:
    lift = browsing.order()
    return Condition(f"{lift.sql} DESC", lift.params) if lift.sql else lift
