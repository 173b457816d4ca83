"""How much filters keep, and what is best compared."""

from decimal import Decimal
from typing import Any

import pytest

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
