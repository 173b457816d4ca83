"""What the product page in the admin shows of its embedding."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from django.conf import settings
from django.utils import timezone

from catalog.models import Category, Product
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
            # A form that was refused may have left something else.
            attributes=product.attributes if isinstance(product.attributes, dict) else {},
        )
    )


def of(product: Product) -> dict[str, Any]:
    """Context of the panel's template; of a product that is not saved yet, only what the model would read."""
    text = text_of(product)
    context = {"text": text, "length": _length(text)}
    if product.pk is None:
        return context
    row = status.rows_by_product([product.pk]).get(product.pk)
    state = row.status if row else Status.PENDING
    neighbours = nearest(row) if row and row.stored_digest is not None else []
    return context | {
        "badge": badge(product.pk, state),
        "look": LOOKS[state],
        "row": row,
        "history": history(row) if row else [],
        "neighbours": neighbours,
        "has_pictures": any(found["product"].image_url for found in neighbours),
    }


def preview(fields: Mapping[str, str]) -> dict[str, Any]:
    """What the encoder would read of a form's fields: {"text", "length", "problem"}. Nothing is saved."""
    attributes, problem = _attributes(fields.get("attributes", ""))
    category = fields.get("category", "")
    known = category.isascii() and category.isdecimal() and len(category) < 19
    text = product_text(
        ProductText(
            name=fields.get("name", ""),
            brand=fields.get("brand", ""),
            category=str(Category.objects.filter(pk=int(category)).first() or "") if known else "",
            short_description=fields.get("short_description", ""),
            description=fields.get("description", "").replace("\r\n", "\n"),
            attributes=attributes,
        )
    )
    return {"text": text, "length": _length(text), "problem": problem}


def _attributes(text: str) -> tuple[dict[str, Any], str]:
    """Attributes as typed, and what is wrong with them."""
    try:
        attributes = json.loads(text or "{}")
    except (ValueError, RecursionError):
        attributes = None
    if isinstance(attributes, dict):
        return attributes, ""
    return {}, "The attributes are left out: they are not valid JSON yet."


def history(row: ProductEmbedding) -> list[dict[str, Any]]:
    """What is known of the row's past and near future, in order: [{"at", "what"}]."""
    most = settings.EMBEDDING_MAX_ATTEMPTS
    ready = row.get_status() == Status.READY
    events = [(row.wanted_at, "The text changed, or embedding it anew was asked for.")]
    if row.embedded_at is not None and row.stored_digest is not None:
        what = "Embedded." if ready else "An earlier text was embedded; its vector is in use meanwhile."
        events.append((row.embedded_at, what))
    failures = _failures(row)
    events += [(at, f"Attempt {attempt} of {most} failed: {error}") for at, attempt, error in failures]
    events.sort()
    story = [{"at": at, "what": what} for at, what in events]
    if row.lease_until is not None and row.lease_until > timezone.now():
        story.append({"at": None, "what": f"A worker is at it, attempt {row.attempts} of {most}."})
    elif row.attempts and not failures:
        story.append({"at": None, "what": f"Failed {row.attempts} of {most} times; the error stands above."})
    if not ready and row.is_active and row.next_attempt_at is not None:
        story.append({"at": row.next_attempt_at, "what": "The next attempt is due."})
    elif not ready and row.is_active:
        story.append({"at": None, "what": "No further attempt by itself."})
    return story


def _failures(row: ProductEmbedding) -> list[tuple[datetime, int, str]]:
    """The row's failed attempts: when, which one, and why."""
    return [(datetime.fromisoformat(one["at"]), one["attempt"], one["error"]) for one in row.failures or []]


def _length(text: str) -> dict[str, Any] | None:
    """Tokens of the text against the model's window; None while this process has not loaded the model."""
    model = EmbeddingModel.objects.filter(state=EmbeddingModel.State.ACTIVE).first()
    if model is None or not loaded(model):
        return None
    encoder = encoder_for(model)
    tokens = encoder.count_tokens(encoder.document_prompt + text)
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
