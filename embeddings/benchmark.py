"""What `benchmark_embeddings` measures, in a process and a scratch database of its own.

What is compared is measured in turns, and medians are reported: other programs on the machine disturb both alike.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import psutil
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from catalog.models import Product
from embeddings import indexes, model_files, pipeline
from embeddings.documents import ProductText, product_text
from embeddings.encoders import encoder_for
from embeddings.models import EmbeddingModel, ProductEmbedding
from embeddings.overlap import Overlap
from embeddings.scratch import SUFFIX, ScratchError

QUERIES = (
    "drill for concrete",
    "gift for someone who loves cooking",
    "waterproof boots for a long hike",
    "something to hang a heavy picture on a brick wall",
    "quiet toy for a rainy afternoon",
)
QUERY_PASSES = 4
IDLE_S = 0.4
PRICES = 400
SWEEPS = 50


def measure(products: int, rounds: int, saves: int, sweep_rows: int) -> dict[str, Any]:
    """All figures, under the keys of `benchmark_embeddings --json`. Raises ScratchError in any other database."""
    if not str(connection.settings_dict["NAME"]).endswith(SUFFIX):
        raise ScratchError("This fills and alters a database: it runs in the scratch one alone.")
    call_command("migrate", verbosity=0)
    _fill(products)
    _say("products are there")
    texts = _texts()
    found: dict[str, Any] = {"encode": encode(texts, rounds)}
    _say("encode", found["encode"])
    found["pipeline"] = bulk(texts, rounds)
    _say("pipeline", found["pipeline"])
    with _worker() as process:
        found["save_to_searchable_ms"] = save_to_searchable(saves)
        found["worker_rss_mib"] = round(_rss_mib(process.pid))
    _say("save to searchable", found["save_to_searchable_ms"])
    found["price_updates"] = price_updates(rounds)
    _say("price updates", found["price_updates"])
    found["sweep"] = sweep(sweep_rows)
    return found


def _fill(products: int) -> None:
    """The demo's products, and generated ones to make up the number."""
    demo = settings.BASE_DIR / "catalog" / "demo" / "products.jsonl"
    call_command("import_products", str(demo), verbosity=0, stdout=sys.stderr)
    there = Product.objects.count()
    if there < products:
        call_command("generate_catalogue", count=products - there, verbosity=0, stdout=sys.stderr)
    surplus = Product.objects.order_by("-pk").values_list("pk", flat=True)[: max(there - products, 0)]
    Product.objects.filter(pk__in=list(surplus)).delete()


def encode(texts: list[str], rounds: int) -> dict[str, float]:
    """Our encoder against `SentenceTransformer.encode` as it comes, on the same texts."""
    from sentence_transformers import SentenceTransformer

    model = EmbeddingModel.objects.active()
    ours = encoder_for(model)
    theirs = SentenceTransformer(model_files.resolve(model.name), revision=model.revision or None)
    cosines = []
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    query_s: dict[str, list[float]] = {"ours": [], "theirs": []}
    # Every n-th text: the demo's and the generated ones.
    sample = texts[:: max(1, len(texts) // 400)]
    theirs.encode(sample[:32], show_progress_bar=False)
    for _ in range(rounds):
        started = time.perf_counter()
        mine = ours.encode_documents(sample)
        seconds["ours"].append(time.perf_counter() - started)
        started = time.perf_counter()
        plain = theirs.encode(sample, show_progress_bar=False)
        seconds["theirs"].append(time.perf_counter() - started)
        plain = plain / np.linalg.norm(plain, axis=1, keepdims=True)
        cosines.append(float((mine * plain).sum(axis=1).mean()))
        query_s["ours"] += _each_query(ours.encode_queries)
        query_s["theirs"] += _each_query(partial(theirs.encode, show_progress_bar=False))
    return {
        "texts_per_s": round(len(sample) / statistics.median(seconds["ours"]), 1),
        "baseline_texts_per_s": round(len(sample) / statistics.median(seconds["theirs"]), 1),
        "query_ms": round(1000 * statistics.median(query_s["ours"]), 2),
        "baseline_query_ms": round(1000 * statistics.median(query_s["theirs"]), 2),
        "mean_cosine": round(statistics.mean(cosines), 5),
    }


def _each_query(encode: Callable[[list[str]], object]) -> list[float]:
    """Seconds for each of the queries, one at a time.

    One encoder's queries follow each other: the threads of the other go on spinning for milliseconds after a call,
    and would be counted against it. The first pass lets them come to rest and is not counted.
    """
    seconds = []
    for _ in range(1 + QUERY_PASSES):
        for query in QUERIES:
            started = time.perf_counter()
            encode([query])
            seconds.append(time.perf_counter() - started)
    return seconds[len(QUERIES) :]


def bulk(texts: list[str], rounds: int) -> dict[str, float]:
    """From rows that wait to stored vectors, against encoding the same texts and nothing else.

    The HNSW index is away meanwhile and built afterwards, as `backfill_embeddings` does with a large load; that
    time is not counted.
    """

    model = EmbeddingModel.objects.active()
    encoder = encoder_for(model)
    indexes.drop(model)
    rates, ratios = [], []
    before = _seconds(lambda: encoder.encode_documents(texts))
    for _ in range(rounds):
        ProductEmbedding.objects.update(vector=None, stored_digest=None)
        _vacuum()
        taken = _seconds(lambda: list(Overlap(model, pipeline.EVERYTHING, lambda: False).run()))
        after = _seconds(lambda: encoder.encode_documents(texts))
        rates.append(len(texts) / taken)
        ratios.append((before + after) / 2 / taken)
        before = after
    indexes.build(model)
    return {
        "products_per_s": round(statistics.median(rates), 1),
        "ratio": round(statistics.median(ratios), 3),
    }


@contextmanager
def _worker() -> Iterator["subprocess.Popen[bytes]"]:
    """A worker process as a shop runs it, with the model loaded."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "embedding_worker"]
    process = subprocess.Popen(command, stdout=sys.stderr)
    try:
        _save_and_wait("Warm-up", timeout_s=120)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def save_to_searchable(saves: int) -> dict[str, float]:
    """Milliseconds from before one `save()` to a query by meaning that finds the product by its new text."""
    taken = []
    for number in range(saves):
        time.sleep(IDLE_S)
        taken.append(1000 * _save_and_wait(f"Lantern number {number} for the {QUERIES[number % 5]}"))
    taken.sort()
    return {
        "p50": round(statistics.median(taken), 1),
        "p95": round(taken[min(len(taken) - 1, int(0.95 * len(taken)))], 1),
    }


def _save_and_wait(name: str, timeout_s: float = 30) -> float:
    """Give a product a new name; seconds until it is the nearest to that name."""

    model = EmbeddingModel.objects.active()
    product = Product.objects.order_by("?").first()
    if product is None:
        raise RuntimeError("There are no products.")
    product.name, product.brand, product.short_description, product.description = name, "", "", ""
    product.category, product.attributes = None, {}
    vector = encoder_for(model).encode_queries([name])[0]
    rows = ProductEmbedding.objects.filter(model=model.pk, is_active=True)
    started = time.perf_counter()
    product.save()
    while time.perf_counter() - started < timeout_s:
        nearest = rows.nearest_to(vector, model.dimensions).values_list("product", flat=True).first()
        if nearest == product.pk:
            return time.perf_counter() - started
        time.sleep(0.01)
    raise RuntimeError(f"The worker did not embed a product within {timeout_s:g} s.")


def _rss_mib(process: int) -> float:
    """Resident memory of a process."""
    return float(psutil.Process(process).memory_info().rss) / 2**20


def price_updates(rounds: int) -> dict[str, float]:
    """Updates of one price each, with the embedding table and its triggers, and without."""

    ids = list(Product.objects.values_list("pk", flat=True)[:PRICES])

    def per_s(cents: int) -> float:
        started = time.perf_counter()
        for pk in ids:
            Product.objects.filter(pk=pk).update(price=cents / 100)
        return len(ids) / (time.perf_counter() - started)

    rates, ratios = [], []
    per_s(1)
    for number in range(2 * rounds):
        rates.append(per_s(1000 + number))
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE catalog_product DISABLE TRIGGER USER")
            ratios.append(rates[-1] / per_s(2000 + number))
            cursor.execute("ALTER TABLE catalog_product ENABLE TRIGGER USER")
    return {"per_s": round(statistics.median(rates), 1), "ratio": round(statistics.median(ratios), 3)}


def sweep(rows: int) -> dict[str, float]:
    """The reconciler's look for work in a table of so many rows where there is none."""

    model = EmbeddingModel.objects.active()
    indexes.drop(model)  # these vectors are copies of one, and nobody searches them
    there = ProductEmbedding.objects.filter(model=model).count()
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO catalog_product (sku, name, brand, short_description, description, attributes, currency)
            SELECT 'SWEEP-' || n, p.name || ' ' || n, p.brand, '', '', '{}', p.currency
            FROM generate_series(1, %s) AS n
            JOIN (SELECT *, row_number() OVER () - 1 AS number FROM catalog_product) AS p
                ON p.number = n %% %s""",
            [max(rows - there, 0), there],
        )
        cursor.execute(
            """UPDATE embeddings_productembedding SET stored_digest = wanted_digest,
                vector = (SELECT vector FROM embeddings_productembedding WHERE vector IS NOT NULL LIMIT 1)
            WHERE stored_digest IS DISTINCT FROM wanted_digest"""
        )
    _vacuum()
    taken = []
    for _ in range(SWEEPS):
        started = time.perf_counter()
        pipeline.drain()
        taken.append(1000 * (time.perf_counter() - started))
    return {
        "rows": ProductEmbedding.objects.filter(model=model).count(),
        "ms": round(statistics.median(taken), 2),
    }


def _texts() -> list[str]:
    """The texts of all products."""

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.name, p.brand, coalesce(c.full_name, ''), p.short_description, p.description, p.attributes"
            " FROM catalog_product AS p LEFT JOIN catalog_category AS c ON c.id = p.category_id ORDER BY p.id"
        )
        rows = cursor.fetchall()
    return [
        product_text(
            ProductText(name, brand, category, short_description, description, json.loads(attributes))
        )
        for name, brand, category, short_description, description, attributes in rows
    ]


def _seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _vacuum() -> None:
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE embeddings_productembedding")


def _say(what: str, figures: Any = "") -> None:
    sys.stderr.write(f"  {what} {figures}".rstrip() + "\n")
    sys.stderr.flush()
