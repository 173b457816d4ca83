"""What products have to be counted by: category, brand, price, attributes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from search.fusion import places
from search.price_ranges import Prices
from search.scope import Condition
from search.statements import Array, Ids, Kind, Select, fetch_together, id_array

CATEGORY, BRAND, PRICE = "category", "brand", "price"
FILTERABLE = (CATEGORY, BRAND, PRICE)
# Stands for the attributes that are filtered on, and for those that part what is found.
ATTRIBUTES = "attributes"
BUILT_IN = (*FILTERABLE, ATTRIBUTES)
_COLUMNS = {CATEGORY: "p.category_id", BRAND: "nullif(p.brand, '')", PRICE: "p.price::float8"}
KINDS = {CATEGORY: Kind.ID, PRICE: Kind.FLOAT}  # others are texts

# How many products have each value: category ids and texts, or prices.
Counts = Mapping[Any, int] | Prices


def column(name: str) -> Condition:
    """What a facet groups products `p` by."""
    return (
        Condition(_COLUMNS[name])
        if name in _COLUMNS
        else Condition("nullif(p.attributes ->> %s, '')", (name,))
    )


class ProductValues:
    """The values of some facets by product.

    Most of them are read beside the scores of candidates, while the rows are at hand: to look the same thousand rows
    up once more takes a fifth of a search.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.columns = [column(name) for name in names]  # of products `p`
        self.kinds = [KINDS.get(name, Kind.TEXT) for name in names]
        self._names = list(names)
        self._product_ids: Ids = np.empty(0, dtype=np.int64)
        self._values: list[Array] = [kind.read(None) for kind in self.kinds]

    def learn(self, product_ids: Ids, values: Sequence[Array]) -> None:
        """Take note of what `columns` are of some products."""
        if self.columns:
            self._product_ids = np.concatenate([self._product_ids, product_ids])
            self._values = [
                np.concatenate([known, new]) for known, new in zip(self._values, values, strict=True)
            ]

    def look_up(self, product_ids: Ids) -> None:
        """Read the values of those products that none is known of."""
        missing = np.unique(product_ids[places(product_ids, self._product_ids) < 0])
        if len(missing) and self.columns:
            ((found, *values),) = fetch_together([self._select(missing)])
            self.learn(found, values)

    def places(self, product_ids: Ids) -> npt.NDArray[np.intp]:
        """Where those of these products stand that values are known of, for `counts`."""
        at = places(product_ids, self._product_ids)
        return at[at >= 0]

    def counts(self, name: str, at: npt.NDArray[np.intp]) -> Counts:
        """How many of some products have each value of a facet."""
        number = self._names.index(name)
        values = self._values[number][at]
        if self.kinds[number] is Kind.TEXT:
            return {value: count for value, count in Counter(values.tolist()).items() if value is not None}
        if name == PRICE:
            return Prices.of(values)
        different, counted = np.unique(values[values > 0], return_counts=True)
        return dict(zip(different.tolist(), counted.tolist(), strict=True))

    def _select(self, product_ids: Ids) -> Select:
        columns = ", ".join(["p.id", *(one.sql for one in self.columns)])
        return Select(
            (Kind.ID, *self.kinds),
            f"SELECT {columns} FROM catalog_product AS p WHERE p.id = ANY(%s::bigint[])",
            [*(param for one in self.columns for param in one.params), id_array(product_ids)],
        )
