"""Whether every product has a row under a model, with the digest of its text.

Triggers keep that true for a live model. When a model comes to life, rows are added for the products that are
there, and digests are set right that moved on while it was retired. Both go in small batches beside a busy shop:
they skip what others have locked and come back to it, so they neither deadlock nor hold up a writer for long.
"""

import time
from collections.abc import Callable

from django.db import connection, transaction
from django.db.models import Count

from catalog.models import Product
from embeddings import locks
from embeddings.models import EmbeddingModel, ProductEmbedding
from embeddings.querysets import ProductEmbeddingQuerySet
from embeddings.triggers import digest_sql

BATCH = 2_000
# A live edit is every model's to do, and done within a second or two: so long it is no gap of one model.
LATE_EDIT_S = 10.0
_RETRY_S = 0.2
_GAPS = ("missing", "pending", "stale", "processing", "failed")

# A shared lock on product and category: a writer of the text waits for the row and then finds it, or, where he
# was first, is skipped here. `{category}` is a join or nothing, for PostgreSQL cannot lock the far side of a
# LEFT JOIN.
_INSERT_SQL = """
WITH wanting AS (
    SELECT p.id, {digest} AS digest, p.category_id, p.price, p.is_active, p.brand,
        public.catalog_attribute_hashes(p.attributes) AS attribute_hashes
    FROM catalog_product AS p {category}
    JOIN embeddings_embeddingmodel AS m ON m.id = %s
    WHERE p.id > %s AND p.id <= %s AND {condition} AND NOT EXISTS (
        SELECT FROM embeddings_productembedding AS e WHERE e.product_id = p.id AND e.model_id = m.id
    )
    FOR SHARE OF {locked} SKIP LOCKED
)
INSERT INTO embeddings_productembedding
    (product_id, model_id, wanted_digest, category_id, price, is_active, brand, attribute_hashes, priority)
SELECT id, %s, digest, category_id, price, is_active, brand, attribute_hashes, 1 FROM wanting
ON CONFLICT DO NOTHING
"""

_WRONG_SQL = """
    (e.wanted_digest <> {digest} OR e.is_active <> p.is_active OR e.brand <> p.brand
        OR e.category_id IS DISTINCT FROM p.category_id OR e.price IS DISTINCT FROM p.price
        OR e.attribute_hashes <> public.catalog_attribute_hashes(p.attributes))
"""

_MEND_SQL = """
WITH wrong AS (
    SELECT e.id, {digest} AS digest, p.category_id, p.price, p.is_active, p.brand,
        public.catalog_attribute_hashes(p.attributes) AS attribute_hashes
    FROM embeddings_productembedding AS e
    JOIN catalog_product AS p ON p.id = e.product_id {category}
    JOIN embeddings_embeddingmodel AS m ON m.id = e.model_id
    WHERE m.id = %s AND p.id > %s AND p.id <= %s AND {condition} AND {wrong}
    FOR UPDATE OF e SKIP LOCKED FOR SHARE OF {locked} SKIP LOCKED
)
UPDATE embeddings_productembedding AS e
SET wanted_digest = w.digest, category_id = w.category_id, price = w.price, is_active = w.is_active,
    brand = w.brand, attribute_hashes = w.attribute_hashes, attempts = 0, last_error = '', lease_until = NULL,
    priority = 1, next_attempt_at = statement_timestamp(), wanted_at = statement_timestamp()
FROM wrong AS w WHERE w.id = e.id
"""

_WITH_CATEGORY = {
    "digest": digest_sql("m", "p", "c.full_name"),
    "category": "JOIN catalog_category AS c ON c.id = p.category_id",
    "condition": "true",
    "locked": "p, c",
}
_WITHOUT_CATEGORY = {
    "digest": digest_sql("m", "p", "NULL"),
    "category": "",
    "condition": "p.category_id IS NULL",
    "locked": "p",
}
_VARIANTS = (_WITH_CATEGORY, _WITHOUT_CATEGORY)

_ANY_WRONG_SQL = f"""
SELECT EXISTS (
    SELECT FROM embeddings_productembedding AS e
    JOIN catalog_product AS p ON p.id = e.product_id
    JOIN embeddings_embeddingmodel AS m ON m.id = e.model_id
    LEFT JOIN catalog_category AS c ON c.id = p.category_id
    WHERE m.id = %s AND {_WRONG_SQL.format(**_WITH_CATEGORY)}
)
"""


def missing(model: EmbeddingModel) -> int:
    """How many products have no row under this model yet."""
    return Product.objects.exclude(embeddings__model=model).count()


def gaps(model: EmbeddingModel) -> dict[str, int]:
    """Active products that search would miss, or know by an older text, under this model; by reason."""
    return _by_reason(model, ProductEmbedding.objects.filter(model=model).unsettled())


def lasting_gaps(model: EmbeddingModel) -> dict[str, int]:
    """`gaps` but for live edits of the last LATE_EDIT_S seconds, which the active model has to do as well."""
    rows = ProductEmbedding.objects.filter(model=model).unsettled()
    return _by_reason(model, rows.without_late_edits(LATE_EDIT_S))


def _by_reason(model: EmbeddingModel, rows: ProductEmbeddingQuerySet) -> dict[str, int]:
    statuses = rows.with_status().values("status").annotate(number=Count("id"))
    counts = dict(statuses.values_list("status", "number"))
    counts["missing"] = missing(model)
    return {name: counts[name] for name in _GAPS if counts.get(name)}


def ensure_rows(model: EmbeddingModel, patience_s: float = 30.0) -> int:
    """Add the rows of products that have none under this model; return how many.

    Products that someone is writing all that time are left out; see `complete`.
    """

    def add(first: int, last: int) -> int:
        with connection.cursor() as cursor:
            added = 0
            for variant in _VARIANTS:
                cursor.execute(_INSERT_SQL.format(**variant), [model.pk, first, last, model.pk])
                added += cursor.rowcount
            return added

    return _until_done(add, lambda: missing(model) == 0, patience_s)


def mend_digests(model: EmbeddingModel, patience_s: float = 30.0) -> int:
    """Set wanted digests and filter copies right that differ from their products; return how many."""

    def mend(first: int, last: int) -> int:
        with connection.cursor() as cursor:
            mended = 0
            for variant in _VARIANTS:
                sql = _MEND_SQL.format(wrong=_WRONG_SQL.format(**variant), **variant)
                cursor.execute(sql, [model.pk, first, last])
                mended += cursor.rowcount
            return mended

    return _until_done(mend, lambda: not _any_wrong(model), patience_s)


def complete(model: EmbeddingModel, patience_s: float = 5.0) -> bool:
    """Make sure, once, that every product has its row with the right digest; return whether that is certain.

    It is not yet where a transaction stays open that began before the model came to life: what it writes is
    unseen here, and the model is unknown to it. Calling again later continues.
    """
    # xmin changes when the row does: a model that is retired and revived meanwhile is checked anew.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rows_checked_at IS NOT NULL, xmin::text FROM embeddings_embeddingmodel"
            " WHERE id = %s AND state <> 'retired'",
            [model.pk],
        )
        found = cursor.fetchone()
    if found is None:
        return False
    checked, version = found
    if checked:
        return True
    if not locks.wait_for_older_writers(patience_s):
        ensure_rows(model, patience_s=0)
        return False
    added = ensure_rows(model, patience_s)
    if added and not locks.wait_for_older_writers(patience_s):
        return False
    mend_digests(model, patience_s)
    if missing(model) or _any_wrong(model):
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE embeddings_embeddingmodel SET rows_checked_at = statement_timestamp()"
            " WHERE id = %s AND xmin::text = %s",
            [model.pk, version],
        )
        return bool(cursor.rowcount == 1)


def check_again() -> int:
    """Have the workers make sure once more that every product has its rows; return for how many models."""
    return EmbeddingModel.objects.live().order_by().update(rows_checked_at=None)


def _any_wrong(model: EmbeddingModel) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_ANY_WRONG_SQL, [model.pk])
        return bool(cursor.fetchone()[0])


def _until_done(work: Callable[[int, int], int], done: Callable[[], bool], patience_s: float) -> int:
    """Call `work` on ranges of product ids, each in its own transaction, until `done` or out of patience."""
    deadline = time.monotonic() + patience_s
    total = 0
    while not done():
        first = 0
        while (last := _range_end(first)) is not None:
            with transaction.atomic():
                total += work(first, last)
            first = last
        if time.monotonic() >= deadline:
            break
        if not done():
            time.sleep(_RETRY_S)
    return total


def _range_end(first: int) -> int | None:
    """The last id of the next BATCH products after `first`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(id) FROM (SELECT id FROM catalog_product WHERE id > %s ORDER BY id LIMIT %s) AS p",
            [first, BATCH],
        )
        return cursor.fetchone()[0]
