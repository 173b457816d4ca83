"""Where among categories the nearest to a vector can be, as a sample of their vectors tells (`search/samples.py`)."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from search.scope import Condition
from search.statements import Flags, Floats, id_array


@dataclass(frozen=True)
class Outlook:
    """What can be expected of some parts. The arrays run parallel, but for the samples."""

    categories: list[list[int]]  # of each part, those that are asked for
    sizes: Floats  # how many products each part has in all, about
    kept: Floats  # and how many of them have the price and the attributes asked for
    best: Floats  # a cosine that hardly anything in a part is above
    sampled: Floats  # cosines of all samples,
    weights: Floats  # how many products each of them stands for,
    having: Flags  # and which have what is asked for
    indexed: float | None = None  # how many rows the index of attributes finds, if any are asked for
    known: tuple[int, ...] | None = None  # where all categories are asked for, those that samples have met

    def likely(self, limit: int) -> Flags:
        """The parts that seem to hold the nearest `limit` products."""
        return self.within_reach(self._reach(limit))

    def passed(self, limit: int) -> float:
        """How many products are as near as the nearest `limit` that have what is asked for, about.

        So far a walk goes until it has come by these.
        """
        return float(self.weights[self.sampled >= self._reach(limit)].sum())

    def _reach(self, limit: int) -> float:
        """The cosine of the last of the nearest `limit` products; below all where there seem to be fewer."""
        cosines, numbers = self._ranked
        enough = np.searchsorted(numbers, limit)
        return -np.inf if enough == len(cosines) else float(cosines[enough])

    @cached_property
    def _ranked(self) -> tuple[Floats, Floats]:
        """The cosines of what is asked for, nearest first, and how many products are that near."""
        cosines, weights = self.sampled[self.having], self.weights[self.having]
        nearest_first = np.argsort(-cosines)
        return cosines[nearest_first], np.cumsum(weights[nearest_first])

    def holding(self, category_ids: Iterable[int]) -> Flags:
        """The parts that some categories are in."""
        wanted = set(category_ids)
        return np.array([not wanted.isdisjoint(ids) for ids in self.categories], dtype=np.bool_)

    def within_reach(self, cosine: float) -> Flags:
        """The parts that can hold something that is as near as this."""
        return self.best >= cosine

    def rows_in(self, parts: Flags) -> float:
        """How many rows some parts have, about."""
        return float(self.sizes[parts].sum())

    def kept_in(self, parts: Flags) -> float:
        """How many of these have what is asked for, about."""
        return float(self.kept[parts].sum())

    def shares(self, parts: Flags, number: int) -> list[Flags]:
        """Some parts dealt out in their order, so that each share has about as many rows."""
        rows = np.cumsum(np.where(parts, self.sizes, 0.0))
        share_of = (
            ((rows - self.sizes / 2) / max(rows[-1], 1.0) * number).clip(0, number - 1).astype(np.int64)
        )
        shares = [parts & (share_of == share) for share in range(number)]
        return [share for share in shares if share.any()]

    def condition(self, parts: Flags, alias: str) -> Condition:
        """What is in some parts, on a table with categories. The last part is what no sample has met."""
        chosen = [pk for part in np.flatnonzero(parts) for pk in self.categories[part]]
        if self.known is None or not parts[-1]:
            return Condition(f"{alias}.category_id = ANY(%s::bigint[])", (chosen,))
        return Condition(
            f"{alias}.category_id = ANY(%s::bigint[] || ARRAY("
            "SELECT c.id FROM catalog_category AS c WHERE c.id <> ALL(%s::bigint[])))",
            (chosen, id_array(self.known)),
        )
