"""Which attributes part the products found, so that to choose a value leads on: those to count where none is named."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

import numpy as np

from search.product_values import BUILT_IN
from search.statements import Ids, Kind, fetch_columns, id_array

# Looked at are so many of the best products; reading them takes 2 ms.
SAMPLE = 100
MOST = 4
SEEN_AT_ONCE = 6  # values, by a visitor
# So many of them must have an attribute, and values are what a visitor can take in at a glance.
LEAST_SHARE = 0.3
LONGEST_VALUE = 40

_VALUES_SQL = """
SELECT a.key, a.value, count(*) FROM catalog_product AS p, jsonb_each_text(
    CASE jsonb_typeof(p.attributes) WHEN 'object' THEN p.attributes ELSE '{}' END
) AS a WHERE p.id = ANY(%s::bigint[]) AND a.value <> '' GROUP BY 1, 2
"""


def telling_attributes(product_ids: Sequence[int] | Ids, others: Collection[str] = ()) -> list[str]:
    """The attributes that part some products best, at most four, without `others`, which are counted anyway.

    An attribute with the name of a built-in facet cannot be asked for by it.
    """
    sample = np.array(product_ids[:SAMPLE], dtype=np.int64)
    columns = fetch_columns(
        (Kind.TEXT, Kind.TEXT, Kind.ID), _VALUES_SQL, (id_array(sample),), is_prepared=True
    )
    numbers: dict[str, Counter[str]] = defaultdict(Counter)
    for name, value, number in zip(*(column.tolist() for column in columns), strict=True):
        numbers[name][value] = number
    worth = {
        name: _worth(values, len(sample))
        for name, values in numbers.items()
        if name not in others and name not in BUILT_IN
    }
    telling = [name for name in sorted(worth, key=lambda name: (-worth[name], name)) if worth[name] > 0]
    return telling[:MOST]


def _worth(values: Counter[str], products: int) -> float:
    """How well an attribute parts so many products, 0..1; 0: not at all.

    The share of products that have one of its most frequent values together with another product (where each has its
    own, none is narrowed down to), and how often two that have the attribute differ: the index of Gini and Simpson.
    """
    having = values.total()
    if having < LEAST_SHARE * products or max(map(len, values)) > LONGEST_VALUE:
        return 0.0
    sharing = sum(number for _, number in values.most_common(SEEN_AT_ONCE) if number > 1)
    differing = 1.0 - sum((number / having) ** 2 for number in values.values())
    return sharing / products * differing
