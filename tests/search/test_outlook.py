"""Where the nearest can be: what samples of the parts of a catalogue tell."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.db import connection, transaction

from catalog.attributes import attribute_hash
from catalog.models import Category, Product
from embeddings.models import EmbeddingModel, ProductEmbedding
from search import comparison, effort, semantic, side_by_side
from search import samples as samples_module
from search.encoding import active_model
from search.neighbourhood import Neighbourhood
from search.outlook import Outlook
from search.query import Filters
from search.samples import Samples, samples_of
from search.scope import NOTHING, Condition, Scope, resolve
from search.semantic import nearest, nearest_in_each
from search.statements import Ids
from search.trace import Route, tracing
from search.vectors import NOBODY, Neighbours, PricedNeighbours, Vector, VectorSpace
from tests import emptying
from tests.search.plans import plans

pytestmark = pytest.mark.django_db

KINDS, PRODUCTS_OF_A_KIND = 12, 60
SHAPE = ("shape", ("shape 1",))  # of four kinds
NUMBER = ("number", ("1", "3"))  # of two fifths of each kind


@pytest.fixture
def model() -> EmbeddingModel:
    return active_model()


@pytest.fixture(scope="module")
def stored(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[int, Vector]]:
    """Products of twelve kinds in two departments, with a vector of unit length each, by product id.

    Stored once for all tests that take back what they write; one that commits is the last to have them.
    """
    with django_db_blocker.unblock():
        yield _store_kinds()
        emptying.empty_tables()


@pytest.fixture
def vectors(stored: dict[int, Vector], settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[int, Vector]:
    settings.SEARCH_EXACT_ROWS = 75
    monkeypatch.setattr(samples_module, "PRODUCTS_OF_A_PART", 50)
    return stored


def _store_kinds() -> dict[int, Vector]:
    model = EmbeddingModel.objects.active()  # whatever this process remembers
    random = np.random.default_rng(0)
    departments = [Category.objects.create(name=name, slug=name) for name in ("left", "right")]
    found: dict[int, Vector] = {}
    for kind in range(KINDS):
        category = Category.objects.create(
            name=f"kind {kind}", slug=f"kind-{kind}", parent=departments[kind % 2]
        )
        products = Product.objects.bulk_create(
            Product(
                sku=f"{kind}-{number}",
                name=f"{kind} {number}",
                category=category,
                price=1 + number,
                attributes={"shape": f"shape {kind % 3}", "number": number % 5},
            )
            for number in range(PRODUCTS_OF_A_KIND)
        )
        centre = random.normal(size=model.dimensions)
        near = centre + 0.8 * random.normal(size=(PRODUCTS_OF_A_KIND, model.dimensions))
        near /= np.linalg.norm(near, axis=1, keepdims=True)
        found |= {product.pk: vector for product, vector in zip(products, near, strict=True)}
    _store(found)
    return found


def _store(vectors: dict[int, Vector]) -> None:
    rows = list(ProductEmbedding.objects.filter(product_id__in=vectors))
    for row in rows:
        row.vector = vectors[row.product_id].tolist()
    ProductEmbedding.objects.bulk_update(rows, ["vector"])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE catalog_product, embeddings_productembedding")


def _right(vectors: dict[int, Vector], vector: Vector, scope: Scope, limit: int) -> list[int]:
    """The nearest of those in a scope, by comparing every one."""
    where = scope.condition("x")
    inside = Product.objects.raw(f"SELECT id FROM catalog_product AS x WHERE {where.sql}", where.params)
    ids = [product.pk for product in inside]
    cosines = np.array([vectors[pk] @ vector for pk in ids])
    return [ids[place] for place in np.argsort(-cosines)[:limit]]


def _recall(found: Ids, right: list[int]) -> float:
    return len(set(found.tolist()) & set(right)) / len(right)


def test_only_parts_that_can_hold_the_nearest_are_compared(
    model: EmbeddingModel, vectors: dict[int, Vector]
) -> None:
    space = VectorSpace.of(model)
    scope = resolve(Filters(categories=("left",)))
    for pk in list(vectors)[:: 2 * PRODUCTS_OF_A_KIND]:  # of each kind on the left
        samples = samples_of(space)
        seen = samples.outlook(vectors[pk], scope)
        assert seen.rows_in(seen.likely(5)) == pytest.approx(PRODUCTS_OF_A_KIND, rel=0.1)
        found = nearest(space, vectors[pk], scope, 5)
        assert found.product_ids.tolist() == _right(vectors, vectors[pk], scope, 5)


def test_parts_that_can_hold_nothing_near_enough_are_not_compared(
    model: EmbeddingModel, vectors: dict[int, Vector], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []
    whole = Outlook.condition

    def noted(self: Outlook, parts: Any, alias: str) -> Condition:
        compared.extend(pk for part in np.flatnonzero(parts) for pk in self.categories[part])
        return whole(self, parts, alias)

    monkeypatch.setattr(Outlook, "condition", noted)
    monkeypatch.setattr("search.neighbourhood.NEAR", PRODUCTS_OF_A_KIND // 2)
    space, (pk, vector) = VectorSpace.of(model), next(iter(vectors.items()))
    scope = resolve(Filters(categories=("left",)))
    found = nearest(space, vector, scope, 200, floor=0.3)
    # The department itself has no products, so that no sample tells what it holds.
    assert compared == [Product.objects.get(pk=pk).category_id, Category.objects.get(slug="left").pk]
    assert set(found.product_ids.tolist()) == set(_right(vectors, vector, scope, PRODUCTS_OF_A_KIND))
    compared.clear()
    assert len(nearest(space, vector, scope, 200)) == 200
    assert len(compared) > 3


@pytest.mark.parametrize("limit", [5, 50, 200])
@pytest.mark.parametrize(
    "filters",
    [
        Filters(categories=("left",)),
        Filters(categories=("left", "right")),
        Filters(categories=("right",), price_min=Decimal(20), price_max=Decimal(50)),
        Filters(attributes=(SHAPE,)),
        Filters(attributes=(("number", ("0", "1", "2", "3")),)),
        Filters(categories=("left",), attributes=(NUMBER,)),
        Filters(attributes=(NUMBER, SHAPE), price_min=Decimal(10)),
        Filters(brands=("",), attributes=(NUMBER,)),
    ],
    ids=str,
)
def test_the_nearest_are_found_wherever_they_are(
    model: EmbeddingModel, vectors: dict[int, Vector], filters: Filters, limit: int
) -> None:
    space, scope = VectorSpace.of(model), resolve(filters)
    random = np.random.default_rng(1)
    recalls = []
    for pk in list(vectors)[::48]:
        vector = (vectors[pk] + 0.05 * random.normal(size=model.dimensions)).astype(np.float32)
        vector /= np.linalg.norm(vector)
        recalls.append(
            _recall(nearest(space, vector, scope, limit).product_ids, _right(vectors, vector, scope, limit))
        )
    assert np.mean(recalls) >= 0.99


def test_a_category_that_is_new_is_compared(model: EmbeddingModel, vectors: dict[int, Vector]) -> None:
    space = VectorSpace.of(model)
    vector = next(iter(vectors.values()))
    nearest(space, vector, resolve(Filters(categories=("left",))), 5)  # samples are taken
    new = Category.objects.create(name="new", slug="new", parent=Category.objects.get(slug="left"))
    product = Product.objects.create(sku="NEW", name="new", category=new, price=100)
    _store({product.pk: vector})
    assert product.pk in nearest(space, vector, resolve(Filters(categories=("left",))), 5).product_ids


def test_what_no_sample_has_met_is_found_where_it_is_among_the_nearest_of_all(
    model: EmbeddingModel, vectors: dict[int, Vector]
) -> None:
    """One product that is unlike all others of its category, which seems to hold nothing that is near."""
    space = VectorSpace.of(model)
    left = resolve(Filters(categories=("left",)))
    vector = next(iter(vectors.values()))
    nearest(space, vector, left, 5)  # samples are taken
    product = Product.objects.create(
        sku="UNLIKE", name="unlike", category=Category.objects.get(slug="kind-2")
    )
    _store({product.pk: vector})
    samples = samples_of(space)
    seen = samples.outlook(vector, left)
    assert not (seen.within_reach(0.5) & seen.holding([product.category_id])).any()
    assert product.pk in nearest(space, vector, left, 5).product_ids


def test_something_better_than_the_best_of_a_sample_is_expected() -> None:
    red, blue = attribute_hash("colour", "red"), attribute_hash("colour", "blue")
    assert blue < red
    angles = np.linspace(0, np.pi / 2, 9)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    ids, categories = np.arange(1, 10), np.array([1] * 5 + [2] * 4)
    samples = Samples(
        part_of={1: 0, 2: 1},
        sizes=np.array([90.0, 4.0]),
        starts=np.array([0, 5, 9]),
        product_ids=ids,
        category_ids=categories,
        vectors=vectors,
        prices=np.arange(9.0),
        brands=np.array(["Acme", "Bolt", ""] * 3, dtype=object),
        hashes=np.array([blue, blue, red]),
        hashed=np.array([5, 0, 4]),
        directions=np.eye(2, dtype=np.float32),
        short=vectors,
    )
    vector = np.array([0, 1], dtype=np.float32)
    seen = samples.outlook(vector, Scope(category_ids=(1, 2, 3)))
    first, second = vectors[:5, 1], vectors[5:, 1]
    higher = np.sqrt(2 * np.log(90)) - np.sqrt(2 * np.log(5)) + samples_module.MARGIN
    assert seen.best[0] == pytest.approx(first.max() + higher * first.std(), rel=1e-5)
    assert seen.best[1] == pytest.approx(
        second.max() + samples_module.MARGIN * second.std()
    )  # all of it is the sample
    assert seen.categories == [[1], [2], [3]]
    assert seen.best[2] == np.inf
    dear = samples.outlook(vector, Scope(category_ids=(1,), price_min=Decimal(4)))
    assert dear.having.tolist() == [False] * 4 + [True]
    assert dear.best[0] < seen.best[0]  # fewer are expected to have the price
    assert dear.indexed is None
    for colours, having, indexed in (
        (("red",), [4], 18),  # 90 products of the first kind have five samples, four of the second have four
        (("blue",), [], 19),
        (("blue", "red"), [4], 37),
        (("green",), [], 0),
    ):
        coloured = samples.outlook(
            vector, Scope(category_ids=(1,), price_min=Decimal(1), attributes=(("colour", colours),))
        )
        assert np.flatnonzero(coloured.having).tolist() == having
        assert coloured.indexed == pytest.approx(indexed)  # wherever they are, and whatever they cost


def test_samples_within_a_scope_are_nearer(model: EmbeddingModel, vectors: dict[int, Vector]) -> None:
    samples, vector = samples_of(VectorSpace.of(model)), next(iter(vectors.values()))
    products = Product.objects.in_bulk(samples.product_ids.tolist())
    chosen = products[int(samples.product_ids[0])]
    Product.objects.filter(pk__in=list(products)[::2]).update(brand="Acme")
    # Read with the samples, and none of them.
    elsewhere = Product.objects.create(sku="ELSEWHERE", name="elsewhere", attributes={"odd": "yes"})
    _store({elsewhere.pk: vector})
    samples_module.forget()
    samples = samples_of(VectorSpace.of(model))
    about = samples.about(vector)
    assert not samples._have(Scope(attributes=(("odd", ("yes",)),))).any()
    having = Product.objects.filter(pk__in=products)
    for scope, expected in (
        (Scope(), having),
        (Scope(brands=("Acme", "Bolt")), having.filter(brand="Acme")),
        (Scope(price_max=Decimal(20)), having.filter(price__lte=20)),
        (Scope(category_ids=(chosen.category_id or 0,)), having.filter(category_id=chosen.category_id)),
        (Scope(attributes=(NUMBER,)), having.with_attributes(dict([NUMBER]))),
        (Scope(attributes=(NUMBER, SHAPE)), having.with_attributes(dict([NUMBER, SHAPE]))),
    ):
        seen = samples.nearer(vector, about, -1.0, scope)
        among = samples.nearer(vector, about, -1.0, Scope()).product_ids.tolist()
        ids = expected.filter(pk__in=among).values_list("pk", flat=True)
        assert set(seen.product_ids.tolist()) == set(ids) != set()


def test_few_rows_are_compared_without_a_look_at_samples(
    model: EmbeddingModel, vectors: dict[int, Vector]
) -> None:
    vector = next(iter(vectors.values()))
    sent = plans(lambda: nearest(VectorSpace.of(model), vector, resolve(Filters(categories=("kind-0",))), 5))
    assert not any("Sample Scan" in plan for plan in sent)
    sent = plans(lambda: nearest(VectorSpace.of(model), vector, resolve(Filters(categories=("left",))), 5))
    assert any("Sample Scan" in plan for plan in sent)
    assert sum("embedding_searchable" in plan for plan in sent) >= 1


@pytest.mark.parametrize("best_first", [True, False])
def test_what_seemed_unlikely_is_compared_where_it_can_be_nearer(
    model: EmbeddingModel, vectors: dict[int, Vector], monkeypatch: pytest.MonkeyPatch, best_first: bool
) -> None:
    """Samples may mislead: here to one part for each 60 products that are wanted, the best or the worst first."""

    def misled(self: Outlook, limit: int) -> Any:
        ranks = np.argsort(np.argsort(-self.best if best_first else self.best))
        return (ranks <= limit // PRODUCTS_OF_A_KIND) | np.isinf(self.best)

    monkeypatch.setattr(Outlook, "likely", misled)
    space, vector = VectorSpace.of(model), next(iter(vectors.values()))
    left = resolve(Filters(categories=("left",)))
    dear = replace(left, price_min=Decimal(PRODUCTS_OF_A_KIND - 2))  # three of each kind
    for scope, limit in ((left, 10), (left, 100), (dear, 15)):
        found = nearest(space, vector, scope, limit).product_ids
        assert len(found) == limit
        assert _recall(found, _right(vectors, vector, scope, limit)) >= 0.98  # stored in half precision


def test_what_a_sample_says() -> None:
    seen = Outlook(
        categories=[[1], [2, 3], [9]],
        sizes=np.array([100.0, 200.0, 0.0]),
        kept=np.array([80.0, 200.0, 0.0]),
        best=np.array([0.9, 0.5, np.inf]),
        sampled=np.array([0.8, 0.7, 0.2, 0.4, 0.3, 0.1]),
        weights=np.array([40.0, 40.0, 40.0, 60.0, 60.0, 60.0]),
        having=np.array([True, False, True, True, True, True]),
    )
    assert seen.likely(30).tolist() == [True, False, True]  # the first sample stands for 40
    assert seen.likely(100).tolist() == [True, True, True]  # and the next with the price is at 0.4
    assert seen.likely(1_000).tolist() == [True, True, True]
    assert seen.passed(30) == 40
    assert seen.passed(50) == 140  # with what is nearer and has not what is asked for
    assert seen.passed(1_000) == 300
    assert seen.holding([3, 7]).tolist() == [False, True, False]
    assert seen.rows_in(seen.likely(30)) == 100
    assert seen.within_reach(0.6).tolist() == [True, False, True]
    assert seen.kept_in(seen.likely(30)) == 80
    assert seen.condition(seen.within_reach(0.6), "e").params == ([1, 9],)
    assert seen.condition(seen.within_reach(0.6), "e") != NOTHING


@pytest.mark.parametrize(
    ("indexed", "expected"),
    [
        (None, effort.PRICE_COPY_FACTOR * 60),
        (100.0, effort.INDEX_FACTOR * 100 + effort.INDEXED_FACTOR * 60),
        (1_000_000.0, 600),  # their index would find too many
    ],
)
def test_what_it_takes_to_compare_parts(indexed: float | None, expected: float) -> None:
    seen = Outlook(
        categories=[[1]],
        sizes=np.array([600.0]),
        kept=np.array([60.0]),
        best=np.array([0.9]),
        sampled=np.array([0.8]),
        weights=np.array([600.0]),
        having=np.array([True]),
        indexed=indexed,
    )
    assert effort.effort(seen, seen.likely(1)) == pytest.approx(expected)
    assert effort.effort_of_parting(seen, seen.likely(1)) == pytest.approx(effort.PARTING + expected)


def test_more_is_compared_where_a_price_keeps_other_kinds_of_products(
    model: EmbeddingModel, vectors: dict[int, Vector], monkeypatch: pytest.MonkeyPatch
) -> None:
    Product.objects.filter(category__slug__in=("kind-0", "kind-1")).update(price=5000)
    _store({})
    space, vector, dear = VectorSpace.of(model), next(iter(vectors.values())), Scope(price_min=Decimal(1000))
    monkeypatch.setattr(semantic, "ROWS_OF_ALL_FOR_A_STEP", 0)  # as where many parts can hold the nearest
    for factor, route in ((2, Route.EXACT), (1, Route.INDEX)):
        monkeypatch.setattr(semantic, "UNEVEN_FACTOR", factor)
        with tracing() as trace:
            assert set(nearest(space, vector, dear, 20).product_ids) == set(_right(vectors, vector, dear, 20))
        assert trace.route is route


def test_more_is_taken_where_what_is_kept_lies_far(
    model: EmbeddingModel, vectors: dict[int, Vector], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dear_kinds = Product.objects.filter(category__slug__in=("kind-0", "kind-1"))
    dear_kinds.update(price=5000)
    _store({})
    settings.SEARCH_EXACT_ROWS, settings.SEARCH_FILTERED_ROWS = 0, 20
    monkeypatch.setattr(semantic, "FILTERED_MARGIN", 2)  # of 120 products
    monkeypatch.setattr(semantic, "ROWS_OF_ALL_FOR_A_STEP", 0)
    walk, asked = semantic.walk, []
    monkeypatch.setattr(semantic, "walk", lambda *args: asked.append(args[3]) or walk(*args))
    space, dear = VectorSpace.of(model), Scope(price_min=Decimal(1000))
    near = vectors[dear_kinds[0].pk]
    far = vectors[Product.objects.filter(category__slug="kind-7")[0].pk]
    for vector, believed in ((near, ()), (far, ()), (far, (dear,))):
        nearest_in_each(space, vector, {dear: 5}, believed=believed)
    usual, more, believing = asked
    assert believing == usual
    assert 2 * usual <= more <= 4 * usual


@pytest.mark.parametrize("limit", [5, 20])
def test_a_walk_to_what_lies_far_is_not_cut_short(
    model: EmbeddingModel,
    vectors: dict[int, Vector],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
) -> None:
    """A third of the products is dear, all of other kinds than what is near."""
    Product.objects.filter(category__slug__in=("kind-0", "kind-1", "kind-2", "kind-3")).update(price=5000)
    _store({})
    settings.SEARCH_EXACT_ROWS, settings.SEARCH_EF_SEARCH = 0, 10
    monkeypatch.setattr(Neighbourhood, "passed_by", lambda *_: 0)
    space, dear = VectorSpace.of(model), Scope(price_min=Decimal(1000))
    recalls = []
    for pk in Product.objects.filter(category__slug="kind-7").values_list("pk", flat=True)[::6]:
        with tracing() as trace:
            found = nearest(space, vectors[pk], dear, limit).product_ids
        assert trace.route is Route.INDEX
        recalls.append(_recall(found, _right(vectors, vectors[pk], dear, limit)))
    assert np.mean(recalls) >= 0.9


@pytest.mark.parametrize(
    "scope",
    [
        Scope(),
        Scope(price_max=Decimal(50)),
        Scope(brands=("",)),
        Scope(brands=("",), price_min=Decimal(5)),
        Scope(attributes=(("number", ("0", "1", "2", "3")),)),
    ],
    ids=str,
)
def test_a_walk_to_the_wrong_place_is_noticed(
    model: EmbeddingModel, vectors: dict[int, Vector], monkeypatch: pytest.MonkeyPatch, scope: Scope
) -> None:
    """As where a graph falls apart into islands, or a query lies between two of them."""
    space, (seed, vector) = VectorSpace.of(model), next(iter(vectors.items()))
    elsewhere = list(vectors)[3 * PRODUCTS_OF_A_KIND : 4 * PRODUCTS_OF_A_KIND]
    cosines = np.array([vectors[pk] @ vector for pk in elsewhere])
    far = Neighbours(np.array(elsewhere), cosines, np.zeros(len(elsewhere), dtype=np.int64))
    far = far.at(np.argsort(-cosines))
    monkeypatch.setattr(semantic, "_length_of_walk", lambda *_, **__: (200, 20))
    for found, expected in ((far, [200, 400, 1000]), (NOBODY, [200])):
        walked, strides = PricedNeighbours(found, np.full(len(found), np.nan)).first(20), []
        monkeypatch.setattr(
            semantic,
            "walk",
            lambda *asked, walked=walked, strides=strides: strides.append(asked[4]) or walked,
        )
        with tracing() as trace:
            near = nearest(space, vector, scope, 20, exclude=[seed])
        assert trace.route is Route.FALLBACK
        assert strides == expected
        assert seed not in near.product_ids
        assert (
            _recall(near.product_ids, _right(vectors, vector, scope, 21)[1:]) >= 0.95
        )  # stored in half precision


def test_a_walk_that_missed_nothing_is_believed(model: EmbeddingModel, vectors: dict[int, Vector]) -> None:
    space = VectorSpace.of(model)
    for pk in list(vectors)[::48]:
        with tracing() as trace:
            nearest(space, vectors[pk], Scope(), 20, exclude=_right(vectors, vectors[pk], Scope(), 3))
        assert trace.route is Route.INDEX


def test_of_a_price_only_likely_parts_are_compared(
    model: EmbeddingModel, vectors: dict[int, Vector], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And whatever no sample can have met: new categories, and products without one."""
    space, scope = VectorSpace.of(model), Scope(price_min=Decimal(50), price_max=Decimal(58))
    monkeypatch.setattr(effort, "PARTING", 0)  # as in a bigger catalogue
    for factor in (100, 0):  # the price is looked at in each row, or looked up
        monkeypatch.setattr(effort, "PRICE_COPY_FACTOR", factor)
        for vector in list(vectors.values())[::90]:
            with tracing() as trace:
                found = nearest(space, vector, scope, 9).product_ids
            assert trace.route is Route.EXACT
            assert found.tolist() == _right(vectors, vector, scope, 9)
    new = Category.objects.create(name="new", slug="new")
    products = [
        Product.objects.create(sku=f"NEW {category}", name="new", category=category, price=55)
        for category in (new, None)
    ]
    _store(dict.fromkeys((product.pk for product in products), vector))
    for factor in (100, 0):
        monkeypatch.setattr(effort, "PRICE_COPY_FACTOR", factor)
        assert {product.pk for product in products} <= set(nearest(space, vector, scope, 9).product_ids)


def test_of_attributes_only_likely_parts_are_compared(
    model: EmbeddingModel, vectors: dict[int, Vector], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And whatever no sample can have met: new categories, and products without one."""
    compared: set[int] = set()
    whole = Outlook.condition

    def noted(self: Outlook, parts: Any, alias: str) -> Condition:
        compared.update(pk for part in np.flatnonzero(parts) for pk in self.categories[part])
        return whole(self, parts, alias)

    monkeypatch.setattr(Outlook, "condition", noted)
    monkeypatch.setattr(effort, "PARTING", 0)  # as in a bigger catalogue
    space, scope = VectorSpace.of(model), Scope(attributes=(("number", ("3",)),))
    for pk in list(vectors)[::90]:
        compared.clear()
        with tracing() as trace:
            found = nearest(space, vectors[pk], scope, 5).product_ids
        assert trace.route is Route.EXACT
        assert found.tolist() == _right(vectors, vectors[pk], scope, 5)
        assert 1 <= len(compared) < KINDS
    for factor, index in ((0, "embedding_attributes"), (0.1, "embedding_searchable")):
        monkeypatch.setattr(effort, "INDEX_FACTOR", 10 * factor)
        monkeypatch.setattr(effort, "INDEXED_FACTOR", factor)
        sent = plans(lambda: nearest(space, vectors[pk], scope, 5))
        assert any(
            "attribute_hashes" in plan and "category_id = ANY" in plan and index in plan for plan in sent
        )
    new = Category.objects.create(name="new", slug="new")
    products = [
        Product.objects.create(
            sku=f"NEW {category} {number}", name="new", category=category, attributes={"number": number}
        )
        for category in (new, None)
        for number in (2, 3)
    ]
    _store(dict.fromkeys((product.pk for product in products), vectors[pk]))
    found = nearest(space, vectors[pk], scope, 5).product_ids
    assert {product.pk for product in products} & set(found) == {products[1].pk, products[3].pk}


def test_samples_without_the_attribute_are_not_missed(
    model: EmbeddingModel, vectors: dict[int, Vector]
) -> None:
    (seed, vector) = next(iter(vectors.items()))
    around = Neighbourhood(VectorSpace.of(model), vector)
    shape = Product.objects.get(pk=seed).attributes["shape"]
    assert around.passed_by(Scope(attributes=(("shape", (shape,)),)), NOBODY) > 10
    others = Scope(attributes=(("shape", tuple({"shape 0", "shape 1", "shape 2"} - {shape})),))
    found = nearest(around.space, vector, others, 20)
    assert around.passed_by(others, found) == 0
    assert around.passed_by(Scope(), found) > 10


def test_whether_attributes_tell_kinds_apart(model: EmbeddingModel, vectors: dict[int, Vector]) -> None:
    around = Neighbourhood(VectorSpace.of(model), next(iter(vectors.values())))
    assert around.is_uneven(Scope(attributes=(SHAPE,)))
    assert not around.is_uneven(Scope(attributes=(NUMBER,)))


def test_whether_prices_tell_kinds_apart(model: EmbeddingModel, vectors: dict[int, Vector]) -> None:
    Product.objects.filter(category__slug="kind-3").update(price=5000)
    _store({})
    around = Neighbourhood(VectorSpace.of(model), next(iter(vectors.values())))
    assert around.is_uneven(Scope(price_min=Decimal(1000)))
    assert not around.is_uneven(Scope(price_max=Decimal(20)))


@pytest.mark.usefixtures("pool")
def test_two_sessions_find_what_one_finds(
    model: EmbeddingModel, vectors: dict[int, Vector], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "ROWS_OF_A_SHARE", PRODUCTS_OF_A_KIND)
    helped: list[bool] = []
    begin = side_by_side.SecondSession.begin

    def noted(self: side_by_side.SecondSession, work: Callable[[], None]) -> "Future[None] | None":
        begun = begin(self, work)
        helped.append(begun is not None)
        return begun

    monkeypatch.setattr(side_by_side.SecondSession, "begin", noted)
    space, left = VectorSpace.of(model), resolve(Filters(categories=("left",), price_max=Decimal(40)))
    cheap = left.without("category")
    for scopes in ([left, cheap, left.without("price")], [left], [cheap]):
        if scopes == [cheap]:  # as a price that keeps little, whose products are looked up
            settings.SEARCH_EXACT_ROWS = 10_000
        for vector in list(vectors.values())[::100]:
            with transaction.atomic():
                alone = nearest_in_each(space, vector, dict.fromkeys(scopes, 100))
            assert not helped
            together = nearest_in_each(space, vector, dict.fromkeys(scopes, 100))
            assert any(helped)
            helped.clear()
            for scope in scopes:
                assert together[scope].product_ids.tolist() == alone[scope].product_ids.tolist()
