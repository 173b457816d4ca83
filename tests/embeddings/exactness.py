"""The promise that everything ends in: each row is ready for its product's text of now, or says why not."""

import hashlib
import json

import numpy as np

from catalog.attributes import attribute_hash
from catalog.models import Product
from embeddings.documents import ProductText, attribute_text, product_text
from embeddings.encoders import Encoder, Vectors
from embeddings.models import EmbeddingModel, ProductEmbedding


def digest(product: Product, model: EmbeddingModel) -> str:
    """The digest of a product's text; spelt out here, not taken from the triggers: they are what is tested."""
    parts = [
        model.name,
        model.revision,
        model.document_prompt,
        str(model.template_version),
        product.name,
        product.brand,
        product.category.full_name if product.category else "",
        product.short_description,
        product.description,
        attribute_text(product.attributes),
    ]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def hashes(product: Product) -> set[int]:
    """The hashes of a product's attributes."""
    return {
        attribute_hash(name, value if isinstance(value, str) else json.dumps(value))
        for name, value in product.attributes.items()
    }


def texts() -> dict[int, str]:
    """The text of every product as it is now, by the product's id."""
    return {
        product.pk: product_text(
            ProductText(
                product.name,
                product.brand,
                product.category.full_name if product.category else "",
                product.short_description,
                product.description,
                product.attributes,
            )
        )
        for product in Product.objects.select_related("category")
    }


def vectors(encoder: Encoder) -> dict[int, Vectors]:
    """The vector that each product should have, by the encoder itself."""
    current = texts()
    made = encoder.encode_documents(list(current.values())) if current else []
    return dict(zip(current, made, strict=True))


def assert_digests_and_copies() -> None:
    """Every product has its row, whose wanted digest and copies are those of the product; nothing else has one."""
    wanted = {
        (product.pk, model.pk): digest(product, model)
        for product in Product.objects.select_related("category")
        for model in EmbeddingModel.objects.exclude(state="retired")
    }
    rows = ProductEmbedding.objects.exclude(model__state="retired").select_related("product")
    found = {(row.product_id, row.model_id): row.wanted_digest for row in rows}
    assert found == wanted
    for row in rows:
        product = row.product
        copies = (row.category_id, row.price, row.is_active, row.brand)
        assert copies == (product.category_id, product.price, product.is_active, product.brand)
        assert set(row.attribute_hashes) == hashes(product)


def assert_exact(encoder: Encoder) -> None:
    """Every active product is ready for its text of now or failed with a reason; no vector belongs to another text."""
    assert_digests_and_copies()
    wanted = vectors(encoder)
    for row in ProductEmbedding.objects.with_status().filter(model__state="active"):
        assert row.status in ("ready", "failed", "inactive"), (row.product_id, row.status, row.attempts)
        if row.status == "failed":
            assert row.last_error
        if row.stored_digest == row.wanted_digest:
            stored = np.asarray(row.vector, dtype=np.float32)
            cosine = float(np.dot(stored, wanted[row.product_id]))
            assert cosine > 0.999, (row.product_id, cosine)
