"""The products of a result set in another order than that of relevance."""

from dataclasses import replace

import numpy as np

from search.fusion import aligned
from search.query import Ordering
from search.ranking import Ranking
from search.scope import NOTHING, Condition
from search.statements import Floats, Ids, Kind, fetch_columns, id_array

_PRICES_SQL = "SELECT id, price::float8 FROM catalog_product WHERE id = ANY(%s::bigint[])"


def in_order(ranking: Ranking, ordering: Ordering) -> Ranking:
    """The same products in an order; of equals the better one first."""
    if ordering is Ordering.RELEVANCE or not ranking.product_ids:
        return ranking
    ids = np.array(ranking.product_ids, dtype=np.int64)
    keys = -ids if ordering is Ordering.NEWEST else _prices(ids) * (-1 if ordering is Ordering.DEAREST else 1)
    places = np.argsort(keys, kind="stable")  # NaN, which is no price, comes last
    return replace(
        ranking,
        product_ids=ids[places].tolist(),
        scores=ranking.scores[places],
        semantic=ranking.semantic[places],
        keyword=ranking.keyword[places],
    )


def sql_of(ordering: Ordering) -> Condition:
    """What products `p` are ordered by before the newest come first; nothing for these."""
    if ordering in (Ordering.CHEAPEST, Ordering.DEAREST):
        return Condition(f"p.price {'DESC' if ordering is Ordering.DEAREST else 'ASC'} NULLS LAST")
    return NOTHING


def _prices(product_ids: Ids) -> Floats:
    """The prices of products, in their order; NaN: none."""
    found, prices = fetch_columns((Kind.ID, Kind.FLOAT), _PRICES_SQL, (id_array(product_ids),))
    return aligned(product_ids, found, prices, np.nan)
