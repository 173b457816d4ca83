"""The semantic leg: right under every filter, and by the way that is meant."""

from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pytest
from django.db import connection

from catalog.models import Category, Product
from search import comparison, effort, selectivity, semantic
from search.analysis import analyse
from search.encoding import active_model, query_vectors
from search.lexical import keyword_candidates
from search.neighbourhood import Neighbourhood
from search.parsing import parse
from search.query import Attributes, Filters
from search.samples import samples_of
from search.scope import Scope, resolve
from search.semantic import nearest, nearest_in_each
from search.similarities import Similarities
from search.statements import fetch_together
from search.terms import catalogue_size, forget_frequencies
from search.trace import Route, tracing
from search.vectors import Neighbours, Vector, VectorSpace, read_vectors
from search.walk import LONGEST_STRIDE, filtered_stride
from tests.search.plans import plans

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("demo")]

INDEX = "embedding_hnsw_1"


@pytest.fixture
def space() -> VectorSpace:
    return VectorSpace.of(active_model())


@pytest.fixture
def vector() -> Vector:
    return query_vectors(active_model(), ["something to make holes in a wall"])[0]


def similarities(space: VectorSpace, vector: Vector, product_ids: Any) -> Neighbours:
    """How near given products are."""
    asked = Similarities(space, vector, product_ids)
    return asked.found(fetch_together(asked.selects))


def scopes() -> list[Scope]:
    brand = Product.objects.exclude(brand="").values_list("brand", flat=True)[0]
    return [
        Scope(),
        resolve(Filters(categories=("tools",))),
        resolve(Filters(brands=(brand,))),
        resolve(Filters(price_min=Decimal(20), price_max=Decimal(60))),
        resolve(Filters(categories=("kitchen",), price_max=Decimal(30))),
        Scope(attributes=(("colour", ("black", "red")),)),
        resolve(Filters(categories=("tools",), attributes=(("voltage", ("12 V", "18 V", "230 V")),))),
    ]


@pytest.mark.parametrize("exact_rows", [0, 10_000])
def test_either_way_finds_the_nearest_under_every_filter(
    space: VectorSpace, vector: Vector, settings: Any, exact_rows: int
) -> None:
    settings.SEARCH_EXACT_ROWS = exact_rows
    for scope in scopes():
        where = scope.condition("x")
        wanted = Product.objects.raw(f"SELECT id FROM catalog_product AS x WHERE {where.sql}", where.params)
        everything = similarities(space, vector, np.array([product.pk for product in wanted]))
        best = np.sort(everything.cosines)[::-1][:20]
        assert nearest(space, vector, scope, 20).cosines == pytest.approx(best, abs=1e-5)


def test_what_is_not_near_enough_is_left_out_of_what_is_compared(
    space: VectorSpace, vector: Vector, settings: Any
) -> None:
    settings.SEARCH_EXACT_ROWS = 10_000
    for scope in scopes():
        everything = nearest(space, vector, scope, 100)
        floor = float(everything.cosines[len(everything) // 2]) - 1e-6
        found = nearest(space, vector, scope, 100, floor=floor)
        near = everything.at(np.flatnonzero(everything.cosines >= floor))
        assert 0 < len(near) < len(everything)
        assert found.first(len(near)).product_ids.tolist() == near.product_ids.tolist()
        assert len(found) == len(near) or scope.is_open  # a walk brings as many as are asked for


def test_a_search_of_everything_walks_the_index(space: VectorSpace, vector: Vector) -> None:
    catalogue_size(), samples_of(space)  # which are remembered for a while
    (plan,) = plans(lambda: nearest(space, vector, Scope(), 20))
    assert f"using {INDEX}" in plan


@pytest.fixture
def many_rows(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where comparing takes longer than walking, wherever the nearest are."""
    settings.SEARCH_EXACT_ROWS = 0
    monkeypatch.setattr(semantic, "ROWS_FOR_A_STEP", 0)


@pytest.mark.usefixtures("many_rows")
def test_a_filter_that_keeps_much_walks_the_index(space: VectorSpace, vector: Vector) -> None:
    for scope in scopes()[1:4]:
        assert any(f"using {INDEX}" in plan for plan in plans(partial(nearest, space, vector, scope, 2)))


@pytest.mark.usefixtures("many_rows")
@pytest.mark.parametrize(
    ("category", "route"), [("tools", Route.INDEX), ("kitchen", Route.EXACT)], ids=["fits", "does not fit"]
)
def test_categories_that_the_query_does_not_fit_are_not_walked_through(
    space: VectorSpace,
    vector: Vector,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    category: str,
    route: Route,
) -> None:
    settings.SEARCH_FILTERED_ROWS = 50
    monkeypatch.setattr(semantic, "FILTERED_MARGIN", 0)  # the whole category has no more products
    forget_frequencies()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE catalog_product")
    scope = resolve(Filters(categories=(category,)))
    with tracing() as trace:
        assert len(nearest(space, vector, scope, 5)) == 5
    assert trace.route is route


def test_the_bigger_the_catalogue_the_further_the_graph_is_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = []
    for size in (50_000, 100_000, 400_000, 90_000_000):
        monkeypatch.setattr(selectivity, "catalogue_size", lambda size=size: size)
        lengths.append([semantic._length_of_walk(20, share, share == 1) for share in (1, 0.5, 0.1)])
    small, usual, big, huge = lengths
    assert small == usual
    assert [stride for stride, _ in big] == [
        2 * stride if stride < 500 else LONGEST_STRIDE for stride, _ in usual
    ]
    assert big[2][1] == 2 * usual[2][1]
    assert [stride for stride, _ in huge] == [LONGEST_STRIDE] * 3


@pytest.mark.parametrize("limit", [1, 20, 200])
def test_the_less_a_filter_keeps_the_further_the_graph_is_walked(limit: int, settings: Any) -> None:
    settings.SEARCH_EF_SEARCH, settings.SEARCH_FILTERED_ROWS = 200, 500
    shares = [1.0, 0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.01]
    walks = [semantic._length_of_walk(limit, share, is_open=False) for share in shares]
    further = [taken / share for share, (_, taken) in zip(shares, walks, strict=True)]
    assert sorted(further) == further
    everything, all_taken = semantic._length_of_walk(limit, 1.0, is_open=True)
    assert walks[0][0] <= 1.6 * everything  # a filter that keeps all takes little more than none
    assert all_taken == limit <= everything
    for share, (stride, taken) in zip(shares, walks, strict=True):
        assert taken >= limit
        if share >= semantic.WIDE_SHARE:
            assert share * stride >= taken  # where what passes is spread evenly, one stride is enough


def test_a_category_is_compared_through_its_own_index(space: VectorSpace, vector: Vector) -> None:
    scope = resolve(Filters(categories=("kitchen",)))
    (plan,) = [plan for plan in plans(lambda: nearest(space, vector, scope, 20)) if "vector" in plan]
    assert "using embedding_searchable" in plan
    assert "Filter" not in plan


def test_a_price_within_a_category_is_looked_at_beside_its_vectors(
    space: VectorSpace, vector: Vector, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = resolve(Filters(categories=("kitchen",), price_max=Decimal(30)))
    (plan,) = [plan for plan in plans(lambda: nearest(space, vector, scope, 20)) if "vector" in plan]
    assert "using embedding_searchable" in plan
    assert "catalog_product" not in plan
    by_copies = nearest(space, vector, scope, 20)
    monkeypatch.setattr(effort, "PRICE_COPY_FACTOR", 0)  # as where next to nothing has the price
    (plan,) = [plan for plan in plans(lambda: nearest(space, vector, scope, 20)) if "vector" in plan]
    assert "catalog_product" in plan
    assert nearest(space, vector, scope, 20).product_ids.tolist() == by_copies.product_ids.tolist()


def test_a_price_within_brands_is_looked_at_beside_their_vectors_or_looked_up(
    space: VectorSpace, vector: Vector, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = replace(scopes()[2], price_max=Decimal(1000))
    found = []
    for factor, is_looked_up in ((10, False), (0, True)):
        monkeypatch.setattr(effort, "LOOKING_UP", factor)  # 0: as where next to nothing has the price
        (plan,) = [plan for plan in plans(lambda: nearest(space, vector, scope, 20)) if "vector" in plan]
        assert ("embedding_brand" in plan, "catalog_product" in plan) == (not is_looked_up, is_looked_up)
        found.append(nearest(space, vector, scope, 20).product_ids.tolist())
    assert found[0] == found[1] != []


def test_active_products_of_categories_and_brands_are_known_from_an_index_alone(
    space: VectorSpace, vector: Vector
) -> None:
    tools = resolve(Filters(categories=("tools",)))
    brand = Product.objects.exclude(brand="").filter(category_id__in=tools.category_ids or ())[0].brand
    (plan,) = [
        plan
        for plan in plans(lambda: nearest(space, vector, replace(tools, brands=(brand,)), 20))
        if "vector" in plan
    ]
    assert "Index Only Scan using product_active_values" in plan


def test_rows_of_a_category_are_compared_once_for_several_scopes(space: VectorSpace, vector: Vector) -> None:
    narrow = resolve(Filters(categories=("kitchen",), price_max=Decimal(30)))
    several = [narrow, narrow.without("price"), narrow.without("category")]
    found = nearest_in_each(space, vector, dict.fromkeys(several, 20))
    assert found.keys() == set(several)
    for scope, neighbours in found.items():
        alone = nearest(space, vector, scope, 20)
        assert neighbours.product_ids.tolist() == alone.product_ids.tolist()
        assert neighbours.cosines == pytest.approx(alone.cosines)
    sent = plans(lambda: nearest_in_each(space, vector, dict.fromkeys(several[:2], 20)))
    assert len([plan for plan in sent if "embedding_searchable" in plan]) == 1


@pytest.mark.parametrize("is_many", [False, True], ids=["compared", "walked"])
def test_each_scope_has_as_many_as_are_wanted_of_it(
    space: VectorSpace, vector: Vector, request: pytest.FixtureRequest, is_many: bool
) -> None:
    if is_many:
        request.getfixturevalue("many_rows")
    narrow = resolve(Filters(categories=("kitchen",), price_max=Decimal(30)))
    limits = {narrow: 3, narrow.without("price"): 12, narrow.without("category"): 7, Scope(): 5}
    found = nearest_in_each(space, vector, limits)
    assert {scope: len(near) for scope, near in found.items()} == limits
    for scope, near in found.items():
        assert (
            near.product_ids.tolist() == nearest(space, vector, scope, 20).product_ids.tolist()[: len(near)]
        )


def test_where_few_of_a_category_have_the_price_its_rows_are_compared_again(
    space: VectorSpace, vector: Vector, monkeypatch: pytest.MonkeyPatch
) -> None:
    kitchen = resolve(Filters(categories=("kitchen",)))
    cheap = replace(kitchen, price_max=Product.objects.order_by("price").values_list("price", flat=True)[30])
    for module in (comparison, effort):
        monkeypatch.setattr(module, "rows_kept", lambda scope, constraint: 100)  # as if all of them had it
    found = nearest_in_each(space, vector, {cheap: 5, kitchen: 5})
    for scope, neighbours in found.items():
        assert neighbours.product_ids.tolist() == nearest(space, vector, scope, 5).product_ids.tolist()
    sent = plans(lambda: nearest_in_each(space, vector, {cheap: 5, kitchen: 5}))
    assert len([plan for plan in sent if "embedding_searchable" in plan]) == 2
    # Unless nothing else is near enough.
    floor = float(nearest(space, vector, kitchen, 4).cosines[-1]) - 1e-6
    near: dict[Scope, Neighbours] = {}
    sent = plans(lambda: near.update(nearest_in_each(space, vector, {cheap: 5, kitchen: 5}, floor=floor)))
    assert len([plan for plan in sent if "embedding_searchable" in plan]) == 1
    assert near[kitchen].product_ids.tolist() == found[kitchen].product_ids[:4].tolist()
    assert set(near[cheap].product_ids.tolist()) < set(found[cheap].product_ids.tolist())


@pytest.mark.usefixtures("many_rows")
def test_categories_that_the_query_fits_are_found_among_the_nearest_of_all(
    space: VectorSpace, vector: Vector, settings: Any
) -> None:
    tools = resolve(Filters(categories=("tools",)))
    several = [replace(tools, price_max=Decimal(150)), replace(tools, price_min=Decimal(2)), tools]
    found: dict[Scope, Neighbours] = {}
    sent = plans(lambda: found.update(nearest_in_each(space, vector, dict.fromkeys(several, 5))))
    assert len([plan for plan in sent if f"using {INDEX}" in plan]) == 2  # few, and many of them once
    assert not any("embedding_searchable" in plan for plan in sent)
    settings.SEARCH_EXACT_ROWS = 10_000
    for scope, neighbours in found.items():
        assert neighbours.product_ids.tolist() == nearest(space, vector, scope, 5).product_ids.tolist()


@pytest.mark.usefixtures("many_rows")
@pytest.mark.parametrize("attributes", [(), (("colour", ("green", "blue")),)], ids=str)
def test_of_what_is_near_only_categories_and_prices_are_seen(
    space: VectorSpace, vector: Vector, settings: Any, attributes: Attributes
) -> None:
    scope = replace(resolve(Filters(categories=("tools",))), attributes=attributes)
    found = nearest(space, vector, scope, 3).product_ids.tolist()
    settings.SEARCH_EXACT_ROWS = 10_000
    assert found == nearest(space, vector, scope, 3).product_ids.tolist()
    having = Product.objects.with_attributes(dict(attributes)).values_list("pk", flat=True)
    assert len(found) == 3 and set(found) <= set(having)


def test_what_brands_have_is_compared_once(space: VectorSpace, vector: Vector) -> None:
    tools, brand = resolve(Filters(categories=("tools",))), Product.objects.exclude(brand="")[0].brand
    several = [
        replace(tools, brands=(brand,), price_max=Decimal(50)),
        Scope(brands=(brand,), price_max=Decimal(50)),
        replace(tools, brands=(brand,)),
    ]
    found: dict[Scope, Neighbours] = {}
    sent = plans(lambda: found.update(nearest_in_each(space, vector, dict.fromkeys([*several, tools], 5))))
    assert len([plan for plan in sent if "brand" in plan]) == 1
    assert len(found) == 4
    for scope, neighbours in found.items():
        assert len(neighbours)
        assert neighbours.product_ids.tolist() == nearest(space, vector, scope, 5).product_ids.tolist()


def test_what_cannot_be_among_the_nearest_of_all_is_not_looked_for_there(
    space: VectorSpace, vector: Vector
) -> None:
    tools = resolve(Filters(categories=("tools",)))
    around = Neighbourhood(space, vector)
    assert around.share_within(tools) > 0.5
    catalogue_size()
    assert plans(lambda: around.nearest_within(tools, filtered_stride())) == []
    assert around.nearest_within(tools, filtered_stride()) is None


def test_a_filter_that_keeps_little_does_not(space: VectorSpace, vector: Vector) -> None:
    for scope in scopes()[1:]:
        assert not any(INDEX in plan for plan in plans(partial(nearest, space, vector, scope, 20)))


def test_rows_with_vectors_know_their_brands(space: VectorSpace, vector: Vector, settings: Any) -> None:
    of_brand = scopes()[2]
    for exact_rows, index in ((10_000, "embedding_brand"), (0, INDEX)):
        settings.SEARCH_EXACT_ROWS = exact_rows
        first, *_ = [plan for plan in plans(partial(nearest, space, vector, of_brand, 2)) if "vector" in plan]
        assert index in first
        assert "brand" in first
        assert "catalog_product" not in first


def test_a_price_or_brand_is_found_by_an_index_of_the_catalogue(space: VectorSpace, vector: Vector) -> None:
    for scope in scopes()[2:4]:
        found = plans(partial(nearest, space, vector, scope, 20))
        assert not any("Seq Scan on catalog" in plan or "Seq Scan on embed" in plan for plan in found), found


def test_attributes_are_found_by_their_index_or_looked_at_on_a_walk(
    space: VectorSpace, vector: Vector, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = Scope(attributes=(("voltage", ("18 V",)), ("colour", ("green", "blue"))))
    found = plans(partial(nearest, space, vector, scope, 20))
    (compared,) = [plan for plan in found if "vector" in plan]
    assert "Bitmap Index Scan on embedding_attributes" in compared
    assert not any("catalog_product" in plan or INDEX in plan for plan in found)
    settings.SEARCH_EXACT_ROWS = 0
    monkeypatch.setattr(semantic, "UNEVEN_FACTOR", 0)
    (walked,) = [plan for plan in plans(partial(nearest, space, vector, scope, 1)) if INDEX in plan]
    assert "attribute_hashes" in walked
    assert "SubPlan" not in walked
    assert "Seq Scan" not in walked


@pytest.mark.parametrize(
    ("index_takes", "index"), [(1_000, "embedding_searchable"), (0, "embedding_attributes")]
)
def test_attributes_within_a_category_are_looked_at_in_its_rows_or_found_by_their_index(
    space: VectorSpace, vector: Vector, monkeypatch: pytest.MonkeyPatch, index_takes: float, index: str
) -> None:
    scope = resolve(Filters(categories=("tools",), attributes=(("voltage", ("18 V",)),)))
    monkeypatch.setattr(effort, "INDEX_FACTOR", index_takes)
    monkeypatch.setattr(effort, "INDEXED_FACTOR", index_takes)
    (plan,) = [plan for plan in plans(partial(nearest, space, vector, scope, 20)) if "vector" in plan]
    assert index in plan
    assert "catalog_product" not in plan


def test_a_price_that_keeps_less_than_an_attribute_is_looked_up(
    space: VectorSpace, vector: Vector, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = Scope(attributes=(("voltage", ("18 V",)),), price_max=Decimal(1000))
    found = []
    for factor, index in ((1_000, "embedding_attributes"), (0, "catalog_product")):
        monkeypatch.setattr(effort, "LOOKING_UP", factor)  # 0: as where next to nothing has the price
        (plan,) = [plan for plan in plans(partial(nearest, space, vector, scope, 20)) if "vector" in plan]
        assert index in plan
        assert "attribute_hashes" in plan
        found.append(nearest(space, vector, scope, 20).product_ids.tolist())
    assert found[0] == found[1] != []


def test_scopes_with_the_same_attributes_are_compared_once(space: VectorSpace, vector: Vector) -> None:
    """Rows of their categories, or of their brands, that have the attributes."""
    colours = ("colour", ("green", "blue", "black"))
    for filters in (Filters(categories=("kitchen",)), Filters(brands=("Bormund", "Tessvik"))):
        narrow = resolve(replace(filters, attributes=(colours,), price_max=Decimal(100)))
        several = [narrow, narrow.without("price"), narrow.without("colour")]
        found = nearest_in_each(space, vector, dict.fromkeys(several, 20))
        for scope, neighbours in found.items():
            alone = nearest(space, vector, scope, 20)
            assert neighbours.product_ids.tolist() == alone.product_ids.tolist() != []
        sent = plans(lambda two=several[:2]: nearest_in_each(space, vector, dict.fromkeys(two, 20)))
        assert len([plan for plan in sent if "attribute_hashes" in plan]) == 1


@pytest.mark.parametrize(
    ("few", "phrase"), [(True, "holes in"), (True, "elephant tusks"), (False, "holes in"), (False, "hammer")]
)
def test_only_products_that_have_a_phrase_are_near(
    space: VectorSpace, vector: Vector, settings: Any, few: bool, phrase: str
) -> None:
    if not few:  # as where more have it than are compared one by one
        settings.SEARCH_EXACT_ROWS = 0
    query = analyse(parse(f'"{phrase}"'), phrase)
    required = query.required("x")
    with_phrase = Product.objects.active().extra(
        where=[query.required("catalog_product").sql], params=query.phrases
    )
    among = [Scope(), resolve(Filters(categories=("tools",))), Scope(price_max=Decimal(50))]
    asked = partial(nearest_in_each, space, vector, dict.fromkeys(among, 5), required=required)
    assert asked().keys() == set(among)
    for scope, found in asked().items():
        products = with_phrase.all()
        if scope.category_ids:
            products = products.filter(category_id__in=scope.category_ids)
        if scope.price_max:
            products = products.filter(price__lte=scope.price_max)
        near = similarities(
            space, vector, np.array(sorted(products.values_list("pk", flat=True)), dtype=np.int64)
        )
        best = np.lexsort((-near.product_ids, -near.cosines))[:5]
        assert found.product_ids.tolist() == near.product_ids[best].tolist()
        assert found.cosines == pytest.approx(near.cosines[best], abs=1e-6)
    assert bool(len(found)) is (phrase != "elephant tusks")
    if few:
        sent = plans(asked)
        assert "product_search_vector" in sent[0]
        assert not any(INDEX in plan for plan in sent)


def test_what_is_required_of_neighbours_and_refused_leaves_the_excluded_out(
    space: VectorSpace, vector: Vector
) -> None:
    required = analyse(parse('"drill"'), "drill").required("x")
    all_of_them = nearest_in_each(space, vector, {Scope(): 5}, required=required)[Scope()]
    excluded = all_of_them.product_ids[:2].tolist()
    others = nearest_in_each(space, vector, {Scope(): 3}, exclude=excluded, required=required)[Scope()]
    assert others.product_ids.tolist() == all_of_them.product_ids[2:5].tolist()


def test_words_are_found_by_the_keyword_index() -> None:
    query = analyse(parse("hammer drill"), "hammer drill")
    found = plans(lambda: keyword_candidates(query, [Scope()], 100))
    assert any("product_search_vector" in plan for plan in found)
    assert not any("Seq Scan" in plan for plan in found)


def test_planner_settings_do_not_outlive_the_statement(space: VectorSpace, vector: Vector) -> None:
    nearest(space, vector, Scope(), 5)
    with connection.cursor() as cursor:
        for name, value in (
            ("enable_seqscan", "on"),
            ("hnsw.ef_search", "40"),
            ("hnsw.iterative_scan", "off"),
        ):
            cursor.execute(f"SHOW {name}")
            assert cursor.fetchone() == (value,)


def test_products_without_a_vector_are_left_out(space: VectorSpace, vector: Vector) -> None:
    new = Product.objects.create(sku="NEW", name="Impact drill")
    assert len(similarities(space, vector, np.array([new.pk]))) == 0
    assert read_vectors(space, [new.pk]) == {}
    assert new.pk not in nearest(space, vector, Scope(), 500).product_ids


def test_a_category_filter_includes_what_is_below(space: VectorSpace, vector: Vector) -> None:
    inside = set(Category.objects.subtree(["tools"]).values_list("pk", flat=True))
    found = nearest(space, vector, resolve(Filters(categories=("tools",))), 100)
    assert set(found.category_ids.tolist()) <= inside
    assert len(set(found.category_ids.tolist())) > 1
