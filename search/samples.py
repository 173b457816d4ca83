"""Samples of the vectors of each part of the catalogue, which tell where the nearest to a vector can be.

The tree of categories is cut into parts: a big category, or small ones that stand next to each other. The cosines of a
vector with a part's sample say how near the nearest of the part can be: of n values that are distributed normally, the
greatest is expected at no more than sqrt(2 ln n) standard deviations above their mean (Boucheron, Lugosi and Massart,
"Concentration Inequalities" (2013), section 2.5). So the nearest of a part is above the nearest of its sample by the
difference of the two, and a margin, for products of a shop are not so well behaved. What is too far is not compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from search.fusion import places
from search.kept import Kept
from search.outlook import Outlook
from search.scope import Scope
from search.statements import Array, Flags, Floats, Ids, Kind, fetch, fetch_columns
from search.vectors import Neighbours, Vector, VectorSpace, as_vectors, has_price, is_in_categories

# Parts are cut so that each holds so many products, and that there are no more of them.
PRODUCTS_OF_A_PART = 250
MOST_PARTS = 64
SAMPLE_OF_A_PART = 256
# In standard deviations. In a real catalogue, more is missed with less; with samples of 128, even with this.
MARGIN = 0.5
# Where none of a part's sample has what is asked for, as many as this may have it in a sample of another draw.
MOST_UNSEEN = 3
# In so many, 99 of a hundred of the nearest 20 samples are among the first 100; to read all of each takes four times
# as long. Cosines of what is near are higher than seen in them alone, 95 of a hundred by less than DIFFERENCE.
DIRECTIONS = 96
DIFFERENCE = 0.15
MOST_NEARER = 100
# Read for the samples: pages of the table, and rows of these. Rows of one page are often much alike.
PAGES_READ = 12_500
ROWS_READ = MOST_PARTS * SAMPLE_OF_A_PART
# Categories change their character slowly, and those that are new are always compared.
SAMPLES_LAST_S = 600.0

_SIZE_SQL = (
    "SELECT greatest(relpages, 1), greatest(reltuples, 1) FROM pg_class"
    " WHERE oid = 'embeddings_productembedding'::regclass"
)
_TREE_SQL = "SELECT id FROM catalog_category ORDER BY string_to_array(path, '/')"


@dataclass(frozen=True)
class Samples:
    """The parts of the tree and samples of them, one part after the other. What is of n samples runs parallel."""

    part_of: dict[int, int]  # by category id
    sizes: Floats  # of the parts
    starts: Ids  # where each part's sample begins, and where the last one ends
    product_ids: Ids  # (n,)
    category_ids: Ids  # (n,)
    vectors: Vector  # (n, d), of unit length
    prices: Floats  # (n,), NaN: none
    brands: Array  # (n,) of texts
    hashes: Ids  # (h,) of attributes, in order
    hashed: Ids  # (h,), which sample each is of
    directions: Vector  # (d, k): those in which the vectors differ most
    short: Vector  # (n, k), the vectors in these

    def outlook(self, vector: Vector, scope: Scope) -> Outlook:
        """What can be expected of the products in a scope's categories that have the price and attributes asked for.

        Where it asks for no category, of all products that have one.
        """
        is_open = scope.category_ids is None
        *known, unseen = self._parted(tuple(self.part_of) if is_open else scope.category_ids or ())
        asked = np.array([bool(ids) for ids in known], dtype=np.bool_)
        best, kept, sampled, weights, having = self._seen(asked, vector, scope)
        return Outlook(
            categories=[ids for ids in known if ids] + [unseen],  # which can hold anything
            sizes=np.append(self.sizes[asked], 0.0),
            kept=np.append(kept, 0.0),
            best=np.append(best, np.inf),
            sampled=sampled,
            weights=weights,
            having=having,
            indexed=self._number_having(scope) if scope.attributes else None,
            known=tuple(self.part_of) if is_open else None,
        )

    def about(self, vector: Vector) -> Floats:
        """How near the samples are to a vector, about, (n,): in the few directions in which they differ most."""
        return np.vecdot(self.short, _unit(vector) @ self.directions)

    def nearer(self, vector: Vector, about: Floats, cosine: float, scope: Scope) -> Neighbours:
        """The samples within a scope that are nearer than this, in no order.

        Where those within any scope are many, of those that are `about` nearest.
        """
        at = np.flatnonzero(about > cosine - DIFFERENCE)
        if len(at) > MOST_NEARER:
            at = at[np.argpartition(-about[at], MOST_NEARER)[:MOST_NEARER]]
        cosines = np.vecdot(self.vectors[at], _unit(vector)).astype(np.float64)
        is_nearer = cosines > cosine
        at = at[is_nearer]
        near = Neighbours(self.product_ids[at], cosines[is_nearer], self.category_ids[at])
        inside = is_in_categories(near, scope) & self._have(scope)[at]
        if scope.brands:
            inside &= np.isin(self.brands[at], scope.brands)
        return near.at(np.flatnonzero(inside))

    def _have(self, scope: Scope) -> Flags:
        """Which samples have the price and the attributes asked for."""
        found = has_price(self.prices, scope)
        for hashes in scope.attribute_hashes:
            found &= self._have_any(hashes)
        return found

    def _number_having(self, scope: Scope) -> float:
        """How many products have the attributes asked for, about."""
        counts = np.diff(self.starts)
        having = self._have(Scope(attributes=scope.attributes))
        return float(np.repeat(self.sizes / counts, counts)[having].sum())

    def _have_any(self, hashes: Sequence[int]) -> Flags:
        """Which samples have an attribute of any of these hashes."""
        found = np.zeros(len(self.product_ids), dtype=np.bool_)
        begins, ends = (np.searchsorted(self.hashes, hashes, side) for side in ("left", "right"))
        for begin, end in zip(begins, ends, strict=True):
            found[self.hashed[begin:end]] = True
        return found

    def is_uneven(self, scope: Scope) -> bool:
        """Whether most of what is asked for lies where at least twice the usual share of products is such."""
        if not len(self.sizes):
            return False
        seen = np.add.reduceat(self._have(scope), self.starts[:-1], dtype=np.int64)
        shares = seen / np.diff(self.starts)
        holding = shares * self.sizes
        is_dense = shares * self.sizes.sum() >= 2 * holding.sum()
        return bool(holding[is_dense].sum() > holding.sum() / 2)

    def _parted(self, category_ids: Sequence[int]) -> list[list[int]]:
        """Categories by part, and last those that no sample has met."""
        parted: list[list[int]] = [[] for _ in range(len(self.sizes) + 1)]
        for pk in category_ids:
            parted[self.part_of.get(pk, -1)].append(pk)
        return parted

    def _seen(
        self, asked: Flags, vector: Vector, scope: Scope
    ) -> tuple[Floats, Floats, Floats, Floats, Flags]:
        """Of each part asked for, the best that is to be expected, and how many products have what is asked for.

        Of their samples, the cosines, how many products each stands for, and which have it.
        """
        parts = np.flatnonzero(asked)
        if not len(parts):
            return np.empty(0), np.empty(0), np.empty(0), np.empty(0), np.empty(0, dtype=np.bool_)
        around = slice(parts[0], parts[-1] + 1)  # those of a category stand next to each other
        rows = slice(self.starts[parts[0]], self.starts[parts[-1] + 1])
        counts = np.diff(self.starts)[around]
        begins = self.starts[:-1][around] - rows.start
        cosines = np.vecdot(self.vectors[rows], _unit(vector)).astype(np.float64)
        means = np.add.reduceat(cosines, begins) / counts
        deviations = np.sqrt(np.maximum(np.add.reduceat(cosines * cosines, begins) / counts - means**2, 0.0))
        having = self._have(scope)[rows]
        weights = self.sizes[around] / counts
        seen = np.add.reduceat(having, begins, dtype=np.int64)
        numbers = np.maximum(MOST_UNSEEN, seen) * weights
        higher = _highest(numbers) - _highest(counts) + MARGIN
        expected = np.maximum.reduceat(cosines, begins) + higher * deviations
        best = np.maximum(expected, np.maximum.reduceat(np.where(having, cosines, -1.0), begins))
        shown = np.repeat(asked[around], counts)
        chosen = asked[around]
        return (
            best[chosen],
            (seen * weights)[chosen],
            cosines[shown],
            np.repeat(weights, counts)[shown],
            having[shown],
        )


def _unit(vector: Vector) -> Vector:
    """For `vecdot`, not for `@`, whose threads fight for the cores with those of other searches."""
    return (vector / max(float(np.linalg.norm(vector)), 1e-12)).astype(np.float32)


def _highest(numbers: Floats) -> Floats:
    """How many standard deviations above their mean the greatest of so many values is expected at most."""
    return np.sqrt(2 * np.log(np.maximum(numbers, 1.0)))


def samples_of(space: VectorSpace) -> Samples:
    """The samples of a model's vectors, some minutes old at most; to take them takes a tenth of a second."""
    return _kept(space).value()


def forget() -> None:
    """Take samples anew on the next question."""
    _kept.cache_clear()


@lru_cache(maxsize=4)
def _kept(space: VectorSpace) -> Kept[Samples]:
    return Kept(lambda: _read(space), SAMPLES_LAST_S)


def _read(space: VectorSpace) -> Samples:
    """Take a sample of all rows, which is the same one each time while they are the same."""
    ((pages, rows),) = fetch(_SIZE_SQL)
    pages_read = min(1.0, PAGES_READ / pages)
    every = max(1, round(pages_read * rows / ROWS_READ))
    product_ids, category_ids, prices, brands, halves, numbers, hashes = fetch_columns(
        (Kind.ID, Kind.ID, Kind.FLOAT, Kind.TEXT, Kind.HALVES, Kind.ID, Kind.IDS),
        f"SELECT e.product_id, e.category_id, e.price::float8, e.brand, e.vector::halfvec({space.dimensions}),"
        " cardinality(e.attribute_hashes), e.attribute_hashes"
        f" FROM embeddings_productembedding AS e TABLESAMPLE SYSTEM ({100 * pages_read:.4f}) REPEATABLE (0)"
        f" WHERE e.model_id = {space.model_id} AND e.vector IS NOT NULL AND e.is_active"
        " AND mod(hashtid(e.ctid), %s) = 0",
        (every,),
    )
    read = _Read(
        product_ids=product_ids,
        category_ids=category_ids,
        prices=prices,
        brands=brands,
        vectors=as_vectors(halves, space.dimensions),
        hashes=hashes,
        hashed=np.repeat(np.arange(len(product_ids)), numbers),
    )
    return _cut(read, every / pages_read)


@dataclass(frozen=True)
class _Read:
    """What was read of n rows, parallel, and of the h attributes that they have together."""

    product_ids: Ids
    category_ids: Ids
    prices: Floats
    brands: Array
    vectors: Vector
    hashes: Ids
    hashed: Ids  # which row each is of


def _cut(read: _Read, stands_for: float) -> Samples:
    """Cut the tree into parts. Each row read stands for so many of the catalogue."""
    tree = np.array([pk for (pk,) in fetch(_TREE_SQL)], dtype=np.int64)
    at = places(read.category_ids, tree)
    rows = np.flatnonzero(at >= 0)
    of_each = np.bincount(at[rows], minlength=len(tree))
    of_a_part = max(PRODUCTS_OF_A_PART, stands_for * len(rows) / MOST_PARTS) / stands_for
    # By where a category's middle comes to lie, so that a big one has a part of its own.
    of_category = ((np.cumsum(of_each) - of_each / 2) // of_a_part).astype(np.int64)
    numbers, of_row = np.unique(of_category[at[rows]], return_inverse=True)
    chosen = [_spread(rows[of_row == part]) for part in range(len(numbers))]
    sample = np.concatenate([np.empty(0, dtype=np.int64), *chosen])
    lengths = np.linalg.norm(read.vectors[sample], axis=1, keepdims=True)
    units = read.vectors[sample] / np.maximum(lengths, 1e-12)
    directions = np.ascontiguousarray(np.linalg.eigh(units.T @ units)[1][:, -DIRECTIONS:])
    hashes, hashed = _hashes_of(read, sample)
    return Samples(
        part_of=dict(zip(read.category_ids[rows].tolist(), of_row.tolist(), strict=True)),
        sizes=stands_for * np.bincount(of_row, minlength=len(numbers)).astype(np.float64),
        starts=np.cumsum([0, *map(len, chosen)]),
        product_ids=read.product_ids[sample],
        category_ids=read.category_ids[sample],
        vectors=units,
        prices=read.prices[sample],
        brands=read.brands[sample],
        hashes=hashes,
        hashed=hashed,
        directions=directions,
        short=units @ directions,
    )


def _hashes_of(read: _Read, sample: Ids) -> tuple[Ids, Ids]:
    """The hashes of the attributes of some rows, in order, and which of these rows each is of."""
    place_of = np.full(len(read.product_ids), -1)
    place_of[sample] = np.arange(len(sample))
    hashed = place_of[read.hashed]
    kept = np.flatnonzero(hashed >= 0)
    in_order = kept[np.argsort(read.hashes[kept])]
    return read.hashes[in_order], hashed[in_order]


def _spread(rows: Ids) -> Ids:
    """As many of some rows as a sample has, from all over them."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE_OF_A_PART)).astype(np.int64)]
