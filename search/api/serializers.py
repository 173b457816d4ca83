"""What answers look like. Products of the list pass through these; hits are rendered from plain values
(search/api/rendering.py), for which these are the description."""

from typing import Any

from rest_framework import serializers

from catalog.models import Category, Product
from embeddings.models import Status
from embeddings.status import status_of
from search.query import Mode


class CategorySerializer(serializers.ModelSerializer[Category]):
    """Where a product stands in the shop."""

    class Meta:
        model = Category
        fields = ("slug", "name", "path")


class ProductSerializer(serializers.ModelSerializer[Product]):
    """A product's public fields."""

    category = CategorySerializer(allow_null=True)
    url = serializers.CharField(source="get_absolute_url", help_text="Path of its page in the storefront.")

    class Meta:
        model = Product
        fields: tuple[str, ...] = (
            "sku",
            "name",
            "brand",
            "short_description",
            "category",
            "price",
            "currency",
            "image_url",
            "url",
        )


class EmbeddingStatusSerializer(serializers.Serializer[Any]):
    """How a product stands with its vector."""

    status = serializers.ChoiceField(choices=Status.values)
    embedded_at = serializers.DateTimeField(allow_null=True)
    attempts = serializers.IntegerField()
    last_error = serializers.CharField(allow_blank=True)


class ProductDetailSerializer(ProductSerializer):
    """One product in full; `embedding` only for staff."""

    attributes = serializers.DictField()
    embedding = serializers.SerializerMethodField()

    class Meta(ProductSerializer.Meta):
        fields = (
            *ProductSerializer.Meta.fields,
            "description",
            "attributes",
            "created_at",
            "updated_at",
            "embedding",
        )

    def get_embedding(self, product: Product) -> dict[str, Any]:
        """The status under the active model."""
        return status_of(product)

    def get_fields(self) -> Any:
        """Strangers do not see the embedding's status."""
        fields = super().get_fields()
        if not self.context.get("staff", True):
            del fields["embedding"]
        return fields


class HitSerializer(serializers.Serializer[Any]):
    """A product found."""

    sku = serializers.CharField()
    name = serializers.CharField()
    brand = serializers.CharField(allow_blank=True)
    short_description = serializers.CharField(allow_blank=True)
    category = CategorySerializer(allow_null=True)
    price = serializers.CharField(allow_null=True, help_text="Exact decimal; null: on request.")
    currency = serializers.CharField()
    image_url = serializers.CharField(allow_blank=True)
    url = serializers.CharField(help_text="Path of its page in the storefront.")
    score = serializers.FloatField(min_value=0, max_value=1)
    explanation = serializers.DictField(
        required=False,
        help_text="With `explain=true`: scores and ranks of each leg, matched terms, what rules did.",
    )


class FacetValueSerializer(serializers.Serializer[Any]):
    """How many products of the result set have a value; the facet's own filter is not counted."""

    value = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    count = serializers.IntegerField()
    selected = serializers.BooleanField()
    depth = serializers.IntegerField(required=False, help_text="Of a category, in its tree.")
    price_from = serializers.CharField(required=False, allow_null=True)
    price_to = serializers.CharField(required=False, allow_null=True)


class UnderstoodSerializer(serializers.Serializer[Any]):
    """Filters that the words of a query asked for."""

    price_min = serializers.CharField(required=False)
    price_max = serializers.CharField(required=False)


class QuerySerializer(serializers.Serializer[Any]):
    """What was searched."""

    text = serializers.CharField(allow_blank=True)
    mode = serializers.ChoiceField(choices=[mode.value for mode in Mode])
    degraded = serializers.BooleanField(
        help_text="The model could not be used; the answer comes from keywords."
    )
    corrected = serializers.CharField(allow_null=True, help_text="The spelling that was searched instead.")
    unmatched = serializers.ListField(
        child=serializers.CharField(), help_text="Words that no product of the shop has."
    )
    understood = UnderstoodSerializer(help_text="Filters that are in force because the words asked for them.")


class TimingsSerializer(serializers.Serializer[Any]):
    """Milliseconds by stage."""

    encode = serializers.FloatField(required=False)
    retrieve = serializers.FloatField(required=False)
    total = serializers.FloatField(required=False)


class SearchSerializer(serializers.Serializer[Any]):
    """One page of a result set; `total`, `facets` and every page describe the same set."""

    search_id = serializers.CharField(
        allow_null=True, help_text="What `/api/events/` wants; null for a search that is not logged."
    )
    query = QuerySerializer()
    total = serializers.IntegerField()
    total_relation = serializers.ChoiceField(choices=["exact", "at_least"])
    page = serializers.IntegerField()
    page_size = serializers.IntegerField()
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = HitSerializer(many=True)
    facets = serializers.DictField(child=FacetValueSerializer(many=True))
    timings_ms = TimingsSerializer()


class BatchSerializer(serializers.Serializer[Any]):
    """The answers to a batch, in the order of its queries."""

    results = SearchSerializer(many=True)


class SeedsAnswerSerializer(serializers.Serializer[Any]):
    """Products like others, nearest first."""

    degraded = serializers.BooleanField(
        help_text="There is no vector yet; these share its category and words."
    )
    total = serializers.IntegerField()
    results = HitSerializer(many=True)
    timings_ms = TimingsSerializer()


class SimilarSerializer(SeedsAnswerSerializer):
    """Products like another one, nearest first."""

    sku = serializers.CharField()


class CompletionSerializer(serializers.Serializer[Any]):
    """One line under a search box."""

    text = serializers.CharField()
    kind = serializers.ChoiceField(choices=["phrase", "category", "brand", "product"])
    target = serializers.CharField(
        allow_null=True, help_text="Slug of the category or SKU of the product; null for words."
    )


class EventAnswerSerializer(serializers.Serializer[Any]):
    """The event is written down within seconds, if its search was."""

    status = serializers.ChoiceField(choices=["accepted"])


class SuggestSerializer(serializers.Serializer[Any]):
    """Completions, best first."""

    query = serializers.CharField(allow_blank=True)
    suggestions = CompletionSerializer(many=True)


class CategoryNodeSerializer(serializers.Serializer[Any]):
    """A category with what is in it and below it."""

    slug = serializers.CharField()
    name = serializers.CharField()
    path = serializers.CharField()
    product_count = serializers.IntegerField(help_text="Active products here and in everything below.")
    children = serializers.ListField(child=serializers.DictField(), help_text="Nodes of the same kind.")


class CategoriesSerializer(serializers.Serializer[Any]):
    """The roots of the tree."""

    results = CategoryNodeSerializer(many=True)


class StatusSerializer(serializers.Serializer[Any]):
    """How far embedding is; what `embedding_status --json` prints."""

    model = serializers.CharField()
    counts = serializers.DictField(child=serializers.IntegerField())
    oldest_pending_s = serializers.FloatField(allow_null=True)
    index = serializers.DictField()
    models = serializers.ListField(child=serializers.DictField())
    failures = serializers.ListField(child=serializers.DictField())


class ProblemFieldSerializer(serializers.Serializer[Any]):
    """One bad field."""

    field = serializers.CharField(help_text="Its name; in a batch like `queries[3].mode`.")
    detail = serializers.CharField(help_text="What to change.")


class ProblemSerializer(serializers.Serializer[Any]):
    """An error (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField(required=False)
    errors = ProblemFieldSerializer(many=True, required=False)  # type: ignore[assignment]


class CheckSerializer(serializers.Serializer[Any]):
    """One thing that readiness looks at; further members are its figures."""

    status = serializers.ChoiceField(choices=["ok", "degraded", "failed"])
    detail = serializers.CharField(required=False)


class ReadinessSerializer(serializers.Serializer[Any]):
    """Whether this process should be sent requests."""

    status = serializers.ChoiceField(choices=["ok", "degraded", "failed"])
    checks = serializers.DictField(child=CheckSerializer())
