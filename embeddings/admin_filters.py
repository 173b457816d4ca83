"""Filters for the list of products: which status, under which model, with which error."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from catalog.models import Product
from embeddings import census
from embeddings.models import EmbeddingModel, ProductEmbedding, Status
from embeddings.planning import through_indexes
from embeddings.querysets import status_condition

MODEL_PARAMETER = "embedding_model"


# Of so many products a list is looked up by their ids; more are found soon by walking through the products.
FEW = 2_000


def chosen_model(request: HttpRequest) -> int | None:
    """Id of the model that the list is about: the active one unless another is chosen; None where there is none."""
    value = request.GET.get(MODEL_PARAMETER, "")
    if value.isascii() and value.isdecimal() and len(value) < 19:
        return int(value)
    active = EmbeddingModel.objects.filter(state=EmbeddingModel.State.ACTIVE)
    return active.values_list("pk", flat=True).first()


def known_count(request: HttpRequest) -> int | None:
    """How many products the list has, where nothing but a status narrows it: counted in indexes."""
    status = request.GET.get(EmbeddingStatusFilter.parameter_name, "")
    harmless = {EmbeddingStatusFilter.parameter_name, MODEL_PARAMETER, "p", "o", "e", "all"}
    if status not in Status.values or set(request.GET) - harmless:
        return None
    model = chosen_model(request)
    return None if model is None else census.take().of(model)[status]


class EmbeddingStatusFilter(admin.SimpleListFilter):
    """Products by the status of their vector under the chosen model."""

    title = "embedding status"
    parameter_name = "embedding"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        """See SimpleListFilter."""
        return [(choice.value, str(choice.label)) for choice in Status]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """See SimpleListFilter."""
        value = self.value()
        if value not in Status.values:
            return queryset
        rows = ProductEmbedding.objects.filter(model=chosen_model(request))
        return _with_rows(queryset, rows.filter(status_condition(Status(value))))


def _with_rows(queryset: QuerySet[Product], wanted: QuerySet[ProductEmbedding]) -> QuerySet[Product]:
    """Products whose row is a wanted one. A join of the two tables would sort them all before it shows a page."""
    with through_indexes():
        ids = list(wanted.values_list("product_id", flat=True)[: FEW + 1])
    if len(ids) <= FEW:
        return queryset.filter(pk__in=ids)
    return queryset.filter(pk=Subquery(wanted.filter(product=OuterRef("pk")).values("product_id")[:1]))


class EmbeddingModelFilter(admin.SimpleListFilter):
    """Says which model's status badge and filter show; the active model's unless one is chosen."""

    title = "embedding model"
    parameter_name = MODEL_PARAMETER

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        """Models whose vectors are kept up to date; nothing to choose where there is but one."""
        live = EmbeddingModel.objects.live()
        return [(str(model.pk), f"{model.name} ({model.get_state_display().lower()})") for model in live]

    def has_output(self) -> bool:
        """Whether there is a choice."""
        return len(self.lookup_choices) > 1

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """See SimpleListFilter."""
        for choice in super().choices(changelist):
            yield {**choice, "display": "Active model"} if choice["display"] == "All" else choice

    def queryset(self, request: HttpRequest, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """Every product: the choice is what the other filters and the badges are about."""
        return queryset


class EmbeddingErrorFilter(admin.SimpleListFilter):
    """Products with one error; the dashboard leads here."""

    title = "embedding error"
    parameter_name = "embedding_error"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        """The chosen error, and no other to choose."""
        value = request.GET.get(self.parameter_name)
        return [(value, value[:80])] if value else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Product]) -> QuerySet[Product]:
        """See SimpleListFilter."""
        if not self.value():
            return queryset
        rows = ProductEmbedding.objects.filter(model=chosen_model(request))
        return _with_rows(queryset, rows.failed().filter(last_error=self.value()))
