"""What the product page in the admin shows of its embedding."""

from typing import Any

import numpy as np
from django.conf import settings

from catalog.models import Product
from embeddings import status
from embeddings.badges import LOOKS, badge
from embeddings.documents import ProductText, product_text
from embeddings.encoders import encoder_for, loaded
from embeddings.models import EmbeddingModel, ProductEmbedding
from embeddings.querysets import Status

NEIGHBOURS = 6


def text_of(product: Product) -> str:
    """The text that the encoder reads of a product."""
    return product_text(
        ProductText(
            name=product.name,
            brand=product.brand,
            category=product.category.full_name if product.category else "",
            short_description=product.short_description,
            description=product.description,
            attributes=product.attributes,
        )
    )


def of(product: Product) -> dict[str, Any]:
    """Context of the panel's template."""
    row = status.rows_by_product([product.pk]).get(product.pk)
    state = row.status if row else Status.PENDING
    text = text_of(product)
    return {
        "badge": badge(product.pk, state),
        "look": LOOKS[state],
        "row": row,
        "max_attempts": settings.EMBEDDING_MAX_ATTEMPTS,
        "text": text,
        "length": _length(text),
        "neighbours": nearest(row) if row and row.stored_digest is not None else [],
    }


def _length(text: str) -> dict[str, Any] | None:
    """Tokens of the text against the model's window; None while this process has not loaded the model."""
    model = EmbeddingModel.objects.filter(state=EmbeddingModel.State.ACTIVE).first()
    if model is None or not loaded(model):
        return None
    encoder = encoder_for(model)
    tokens = encoder.count_tokens(text)
    return {"tokens": tokens, "window": encoder.window, "too_long": tokens > encoder.window}


def nearest(row: ProductEmbedding) -> list[dict[str, Any]]:
    """The products whose vectors are nearest to this row's: [{"product", "score"}], score = cosine in 0..1."""
    vector = ProductEmbedding.objects.values_list("vector", flat=True).get(pk=row.pk)
    found = (
        ProductEmbedding.objects.filter(model_id=row.model_id, is_active=True)
        .exclude(product_id=row.product_id)
        .nearest_to(np.asarray(vector, dtype=np.float32), row.model.dimensions)
        .select_related("product")
        .defer("vector", "product__search_vector", "product__lexical_weights")[:NEIGHBOURS]
    )
    return [{"product": other.product, "score": max(0.0, 1.0 - other.distance)} for other in found]
