"""Products like other products."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from catalog.models import Product
from embeddings.models import EmbeddingModel, ProductEmbedding
from search.exceptions import InvalidQueryError, ProductNotFoundError
from search.query import Filters, Mode, Seed, SeedQuery, SimilarQuery
from search.similar import similar_products, similar_to_seeds

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("demo")]


@pytest.fixture
def seed() -> Product:
    return Product.objects.filter(name__icontains="hammer drill").order_by("sku")[0]


def skus(result: object) -> list[str]:
    return [hit.fields["sku"] for hit in result.hits]  # type: ignore[attr-defined]


def test_never_itself_never_an_inactive_one(seed: Product) -> None:
    first = similar_products(SimilarQuery(seed.sku, limit=100))
    assert seed.sku not in skus(first)
    hidden = skus(first)[0]
    Product.objects.filter(sku=hidden).update(is_active=False)
    again = similar_products(SimilarQuery(seed.sku, limit=100))
    assert hidden not in skus(again)
    scores = [hit.score for hit in again.hits]
    assert scores == sorted(scores, reverse=True)


def test_every_filter_holds(seed: Product) -> None:
    assert seed.category is not None
    assert seed.price is not None
    result = similar_products(SimilarQuery(seed.sku, same_category=True, price_tolerance=0.5, limit=50))
    for hit in result.hits:
        assert hit.fields["category"]["path"].startswith(seed.category.path)
        assert abs(Decimal(hit.fields["price"]) - seed.price) <= seed.price / 2 + Decimal("0.01")
    cheap = similar_products(SimilarQuery(seed.sku, filters=Filters(price_max=Decimal(20)), min_score=0.2))
    assert cheap.hits
    assert all(Decimal(hit.fields["price"]) <= 20 and hit.score >= 0.2 for hit in cheap.hits)


def test_diversity_shows_other_things(seed: Product) -> None:
    assert skus(similar_products(SimilarQuery(seed.sku))) != skus(
        similar_products(SimilarQuery(seed.sku, diversity=0.7))
    )


def test_explain_names_what_is_shared(seed: Product) -> None:
    (first, *_) = similar_products(SimilarQuery(seed.sku, explain=True)).hits
    assert first.explanation is not None
    assert "drill" in first.explanation["shared_words"]
    assert isinstance(first.explanation["shared_attributes"], dict)


def test_without_a_vector_words_and_category_answer(seed: Product) -> None:
    ProductEmbedding.objects.filter(product=seed).update(vector=None, stored_digest=None)
    result = similar_products(SimilarQuery(seed.sku, limit=5))
    assert result.mode is Mode.KEYWORD
    assert result.degraded
    assert any("drill" in hit.fields["name"].lower() for hit in result.hits)
    assert seed.sku not in skus(result)
    EmbeddingModel.objects.update(state="retired")
    assert skus(similar_products(SimilarQuery(seed.sku, limit=5))) == skus(result)


def test_several_seeds_lead_between_and_away(seed: Product) -> None:
    pan = Product.objects.filter(name__icontains="pan").order_by("sku")[0]
    both = similar_to_seeds(SeedQuery((Seed(seed.sku), Seed(pan.sku, 0.5)), limit=20))
    assert not {seed.sku, pan.sku} & set(skus(both))
    away = similar_to_seeds(SeedQuery((Seed(seed.sku), Seed(skus(both)[0], -0.8)), limit=20))
    assert skus(both)[0] not in skus(away)


def test_all_seeds_that_are_no_products_are_named_as_far_as_they_can_be_read(
    seed: Product, django_assert_num_queries: Callable[[int], Any]
) -> None:
    seeds = (Seed(seed.sku), *(Seed(f"no-{number}") for number in range(1, 23)))
    with pytest.raises(ProductNotFoundError) as caught, django_assert_num_queries(1):
        similar_to_seeds(SeedQuery(seeds))
    assert caught.value.skus == tuple(f"no-{number}" for number in range(1, 23))
    assert str(caught.value).endswith("“no-19”, “no-20” and 2 more.")


def test_what_cannot_be_answered_is_said(seed: Product) -> None:
    with pytest.raises(ProductNotFoundError):
        similar_products(SimilarQuery("no such product"))
    with pytest.raises(InvalidQueryError):
        similar_to_seeds(SeedQuery((Seed(seed.sku, -1.0),)))
    with pytest.raises(InvalidQueryError) as caught:
        similar_products(SimilarQuery(seed.sku, limit=0, diversity=2.0, price_tolerance=-1.0))
    assert list(caught.value.errors) == ["limit", "diversity", "price_tolerance"]
