"""How much filters keep, and what is best compared."""

from decimal import Decimal
from typing import Any

import pytest

from search import selectivity
from search.scope import Scope
from search.selectivity import exact_rows

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
