"""How much filters keep, and what is best compared."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from search import selectivity
from search.scope import NOTHING, Scope
from search.selectivity import exact_rows, rows_kept
from search.terms import catalogue_size, refresh_terms

DEAR = Scope(price_min=Decimal(100))


@pytest.mark.parametrize(
    ("limit", "size", "rows"),
    [(20, 100_000, 4_000), (20, 1_000, 4_000), (400, 100_000, 8_000), (100, 1_600_000, 16_000)],
)
def test_more_rows_are_compared_where_a_walk_is_long(
    monkeypatch: pytest.MonkeyPatch, settings: Any, limit: int, size: int, rows: float
) -> None:
    settings.SEARCH_EXACT_ROWS = 4_000
    monkeypatch.setattr(selectivity, "catalogue_size", lambda: size)
    assert exact_rows(DEAR, limit) == pytest.approx(rows)
    assert exact_rows(Scope(category_ids=(1,)), limit) == 8_000
    assert exact_rows(Scope(attributes=(("colour", ("red",)),)), limit) == pytest.approx(rows)
    assert exact_rows(Scope(category_ids=(1,), attributes=(("colour", ("red",)),)), limit) == 8_000


@pytest.mark.django_db
@pytest.mark.usefixtures("steady")
def test_what_filters_keep_is_looked_up_once_until_the_catalogue_is_counted_anew(
    make_product: Any, django_assert_num_queries: Any
) -> None:
    make_product("Oak table", price="120")
    refresh_terms()
    catalogue_size()
    with django_assert_num_queries(1):
        before = rows_kept(DEAR, NOTHING), rows_kept(DEAR, NOTHING)
    assert before[0] == before[1]
    refresh_terms()
    catalogue_size()
    with django_assert_num_queries(1):
        rows_kept(DEAR, NOTHING)


@pytest.mark.django_db
@pytest.mark.usefixtures("steady")
def test_what_attributes_keep_is_told_by_the_statistics_of_their_hashes(
    make_product: Any, django_assert_num_queries: Any
) -> None:
    """Values of one attribute exclude each other, and different attributes are taken for independent."""
    for number in range(400):
        make_product(
            price=number, attributes={"colour": f"colour {number % 10}", "size": number % 4, "odd": number}
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE catalog_product, embeddings_productembedding")
    refresh_terms()
    catalogue_size()
    colours = ("colour", tuple(f"colour {number}" for number in range(7)))
    for attributes, price_min, expected in (
        ((("colour", ("colour 1",)),), None, 40),
        ((colours,), None, 280),
        ((("colour", (*colours[1], "colour 7", "colour 8", "colour 9")),), None, 400),
        ((colours, ("size", ("1",))), None, 70),
        ((colours,), Decimal(200), 140),
        ((("odd", ("17",)),), None, 1),
        ((("taste", ("sweet",)),), None, 1),
    ):
        scope = Scope(attributes=attributes, price_min=price_min)
        assert rows_kept(scope, NOTHING) == pytest.approx(expected, rel=0.1, abs=2)
        with django_assert_num_queries(0):
            rows_kept(scope, NOTHING)
