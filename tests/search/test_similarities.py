"""Cosines of given products, whose rows are found by their places where these are known."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.db import connection

from catalog.models import Product
from search import row_places
from search.encoding import active_model, query_vectors
from search.row_places import RowPlaces, places_of, tid_array
from search.similarities import Similarities, survey
from search.statements import TID, Ids, fetch_together
from search.vectors import Neighbours, Vector, VectorSpace, read_vectors

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("demo", "nothing_known")]


@pytest.fixture
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_places, "_by_model", {})


@pytest.fixture
def space() -> VectorSpace:
    return VectorSpace.of(active_model())


@pytest.fixture
def product_ids() -> Ids:
    return np.array(Product.objects.active().values_list("pk", flat=True)[:50], dtype=np.int64)


@pytest.fixture
def vector() -> Vector:
    return query_vectors(active_model(), ["something to make holes in a wall"])[0]


def similarities(space: VectorSpace, vector: Vector, product_ids: Ids) -> Neighbours:
    asked = Similarities(space, vector, product_ids)
    return asked.found(fetch_together(asked.selects))


def by_id(near: Neighbours) -> dict[int, tuple[float, int]]:
    return {
        pk: (cosine, category)
        for pk, cosine, category in zip(
            near.product_ids.tolist(), near.cosines.tolist(), near.category_ids.tolist(), strict=True
        )
    }


def expected(space: VectorSpace, vector: Vector, product_ids: Ids) -> dict[int, tuple[float, int]]:
    categories = dict(Product.objects.values_list("pk", "category_id"))
    vectors = read_vectors(space, product_ids.tolist())
    return {
        pk: (pytest.approx(float(found @ vector / np.linalg.norm(found)), abs=1e-3), categories[pk])
        for pk, found in vectors.items()
    }


def test_they_are_the_same_by_id_and_by_place(
    space: VectorSpace, vector: Vector, product_ids: Ids, django_assert_num_queries: Any
) -> None:
    right = expected(space, vector, product_ids)
    assert len(right) == 50
    assert by_id(similarities(space, vector, product_ids)) == right  # which learns the places
    assert (places_of(space.model_id).of(product_ids)["offset"] > 0).all()
    with django_assert_num_queries(1):
        assert by_id(similarities(space, vector, product_ids)) == right


def test_rows_are_found_without_an_index_where_their_places_are_known(
    space: VectorSpace, vector: Vector, product_ids: Ids
) -> None:
    survey(space)
    (select,) = Similarities(space, vector, product_ids).selects
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {select.sql}", list(select.params))
        assert "Tid Scan" in cursor.fetchone()[0]


def test_a_survey_sees_all_rows(space: VectorSpace) -> None:
    survey(space)
    everyone = np.array(Product.objects.values_list("pk", flat=True), dtype=np.int64)
    known = everyone[places_of(space.model_id).of(everyone)["offset"] > 0]
    assert set(known.tolist()) == set(read_vectors(space, everyone.tolist()))


def test_a_row_that_was_written_since_then_is_found_again(
    space: VectorSpace, vector: Vector, product_ids: Ids
) -> None:
    survey(space)
    before = places_of(space.model_id).of(product_ids)
    Product.objects.filter(pk__in=product_ids[:20].tolist()).update(price=Decimal("1.23"))
    assert by_id(similarities(space, vector, product_ids)) == expected(space, vector, product_ids)
    after = places_of(space.model_id).of(product_ids)
    assert (after[:20] != before[:20]).all()
    assert (after[20:] == before[20:]).all()


def test_a_place_that_another_row_has_taken_misleads_nobody(
    space: VectorSpace, vector: Vector, product_ids: Ids
) -> None:
    survey(space)
    right = expected(space, vector, product_ids)
    places = places_of(space.model_id)
    places.learn(product_ids, np.roll(places.of(product_ids), 1))
    places.learn(product_ids[:1], np.array([(4_000_000_000, 9)], dtype=TID))  # beyond the end of the table
    assert {
        pk: one for pk, one in by_id(similarities(space, vector, product_ids)).items() if pk in right
    } == right


def test_products_without_a_vector_are_left_out(space: VectorSpace, vector: Vector) -> None:
    new = Product.objects.create(sku="NEW", name="Impact drill")
    for _ in range(2):
        assert len(similarities(space, vector, np.array([new.pk]))) == 0


def test_ids_beyond_the_memory_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_places, "HIGHEST_ID", 100)
    places = RowPlaces()
    ids = np.array([3, 100, 101], dtype=np.int64)
    places.learn(ids, np.array([(1, 1), (2, 2), (3, 3)], dtype=TID))
    assert places.of(ids)["offset"].tolist() == [1, 2, 0]
    assert tid_array(places.of(ids[:2])) == '{"(1,1)","(2,2)"}'
