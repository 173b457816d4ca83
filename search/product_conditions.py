"""What is asked of products beside filters: words, and that it is not one of some.

Where an index of the catalogue finds what has it, that can be looked up and compared; else it is looked at row by row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from search.neighbourhood import Neighbourhood
from search.scope import NOTHING, Condition, Scope, any_of
from search.similarities import Similarities
from search.statements import GIN_SETTINGS, Kind, fetch_columns, fetch_together
from search.vectors import Neighbours


@dataclass(frozen=True)
class ProductConditions:
    """What is asked of products `x` beside filters."""

    constraint: Condition
    required: Condition  # an index answers it
    exclude: Sequence[int]

    @property
    def of_products(self) -> Condition:
        """All of it but the exclusions."""
        return self.constraint & self.required

    @property
    def narrowing(self) -> Condition:
        """What the planner can estimate.

        How many products have a phrase it cannot know, for it takes words for independent of each other. Where that
        matters, they are many.
        """
        return NOTHING if self.required.sql else self.constraint

    @property
    def of_rows(self) -> Condition:
        """All of it, asked of rows `e` of vectors."""
        other = NOTHING
        if self.exclude:
            other &= Condition("e.product_id <> ALL(%s::bigint[])", (list(self.exclude),))
        if constraint := self.of_products.sql:
            other &= Condition(
                f"(SELECT {constraint} FROM catalog_product AS x WHERE x.id = e.product_id)",
                self.of_products.params,
            )
        return other


def nearest_having(
    around: Neighbourhood, asked: ProductConditions, limits: Mapping[Scope, int], at_most: int | None = None
) -> dict[Scope, Neighbours] | None:
    """The nearest within each scope of the products that have what is asked for; None where more than `at_most` do."""
    within = [scope.condition("x") for scope in limits]
    where = any_of(list(limits), "x") & asked.of_products
    product_ids, *inside = fetch_columns(
        (Kind.ID, *(Kind.FLAG for _ in within)),
        f"SELECT x.id{''.join(f', {one.sql}' for one in within)} FROM catalog_product AS x"
        f" WHERE {where.sql} LIMIT %s",
        (
            *(param for one in within for param in one.params),
            *where.params,
            None if at_most is None else at_most + 1,
        ),
        GIN_SETTINGS,
    )
    if at_most is not None and len(product_ids) > at_most:
        return None
    similarities = Similarities(around.space, around.vector, product_ids)
    near = similarities.found(fetch_together(similarities.selects))
    near = near.at(np.lexsort((-near.product_ids, -near.cosines)))
    stays = ~np.isin(product_ids, asked.exclude)
    return {
        scope: near.at(np.flatnonzero(np.isin(near.product_ids, product_ids[is_inside & stays]))).first(limit)
        for (scope, limit), is_inside in zip(limits.items(), inside, strict=True)
    }
