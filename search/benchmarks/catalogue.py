"""A made-up catalogue with vectors: real ones of real texts, and perturbed copies beyond.

Encoding 100,000 texts takes the better part of an hour on two cores. A copy of the vector of a product of the same
kind, turned by about 17 degrees, lies where the product's own would: the index and the filters see the same crowd.
"""

from collections import defaultdict
from collections.abc import Callable
from io import StringIO
from random import Random

import numpy as np
import numpy.typing as npt
from django.core.management import call_command
from django.db import connection
from pgvector import HalfVector

from catalog.disk_order import order_by_category
from catalog.models import Product
from embeddings import indexes
from embeddings.documents import ProductText, product_text
from embeddings.encoders import encoder_for
from embeddings.models import EmbeddingModel
from search.terms import refresh_terms

Vectors = npt.NDArray[np.float32]
Say = Callable[[str], None]

BATCH = 1_000
NOISE = 0.3  # length of what is added to a unit vector
SEED = 20


def prepare(count: int, encoded: int, say: Say) -> EmbeddingModel:
    """Fill the current database with `count` products, of which at most `encoded` get vectors of their texts.

    What an earlier benchmark left is used again. Returns the model.
    """
    model = EmbeddingModel.objects.active()
    if Product.objects.count() == count and not model.embeddings.filter(vector=None).exists():
        say(f"Using the {count:,} products that are there.")
        return model
    say(f"Making {count:,} products.")
    Product.objects.filter(pk__in=Product.objects.order_by("pk")[count:].values("pk")).delete()
    call_command("generate_catalogue", count=count, stdout=StringIO())
    order_by_category()  # as after a shop's first import
    _fill_vectors(model, min(count, encoded), say)
    say("Building the index.")
    indexes.build(model)
    say("Counting terms.")
    refresh_terms()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    return model


def _fill_vectors(model: EmbeddingModel, encoded: int, say: Say) -> None:
    """Give every product a vector, without the index, whose upkeep would take minutes."""
    indexes.drop(model)
    products = list(
        Product.objects.order_by("pk").select_related("category").defer("search_vector", "lexical_weights")
    )
    encoder = encoder_for(model)
    kinds: dict[str, list[int]] = defaultdict(list)
    vectors = np.empty((len(products), model.dimensions), dtype=np.float32)
    for start in range(0, encoded, BATCH):
        batch = products[start : min(start + BATCH, encoded)]
        vectors[start : start + len(batch)] = encoder.encode_documents([_text(one) for one in batch])
        say(f"Encoded {start + len(batch):,} of {encoded:,} texts.")
    for place, product in enumerate(products[:encoded]):
        for kind in _kinds(product):
            kinds[kind].append(place)
    _perturb(products, vectors, encoded, kinds)
    places = sorted(range(len(products)), key=lambda place: products[place].category_id or 0)
    _store(model, [products[place].pk for place in places], vectors[places])


def _kinds(product: Product) -> tuple[str, str, str]:
    """What makes products alike, closest likeness first."""
    return product.short_description, str(product.category_id), ""


def _perturb(products: list[Product], vectors: Vectors, encoded: int, kinds: dict[str, list[int]]) -> None:
    """Fill `vectors` from place `encoded` on with turned copies of those of products of the same kind."""
    pick = Random(SEED).choice  # noqa: S311 - no secret
    noise = np.random.default_rng(SEED)
    for place in range(encoded, len(products)):
        alike = next(kinds[kind] for kind in _kinds(products[place]) if kind in kinds)
        step = _unit(np.asarray(noise.standard_normal(vectors.shape[1]), dtype=np.float64))
        vectors[place] = _unit(np.add(vectors[pick(alike)], NOISE * step))


def _unit(vector: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return np.asarray(vector / np.linalg.norm(vector))


def _text(product: Product) -> str:
    return product_text(
        ProductText(
            product.name,
            product.brand,
            product.category.full_name if product.category else "",
            product.short_description,
            product.description,
            product.attributes,
        )
    )


def _store(model: EmbeddingModel, product_ids: list[int], vectors: Vectors) -> None:
    """Write vectors in this order, which is the order on disk; a backfill goes category by category."""
    with connection.cursor() as cursor:
        for start in range(0, len(product_ids), BATCH):
            ids = product_ids[start : start + BATCH]
            texts = [HalfVector(vector).to_text() for vector in vectors[start : start + len(ids)]]
            cursor.execute(
                """
                UPDATE embeddings_productembedding AS e
                SET vector = v.vector::halfvec, stored_digest = e.wanted_digest, embedded_at = statement_timestamp()
                FROM unnest(%s::bigint[], %s::text[]) AS v(product_id, vector)
                WHERE e.product_id = v.product_id AND e.model_id = %s
                """,
                (ids, texts, model.pk),
            )
