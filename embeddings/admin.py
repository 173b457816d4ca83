"""What staff see of embeddings: a badge and a panel at each product, and the models."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django_rq.admin import QueueAdmin as DashboardAdmin
from django_rq.models import Dashboard as QueueDashboard

from catalog.admin import ProductAdmin as CatalogProductAdmin
from catalog.models import Product
from embeddings import bell, census, dashboard_admin, panel, status  # noqa: F401 - registers the dashboard
from embeddings.admin_base import ReadOnlyAdmin
from embeddings.admin_filters import (
    EmbeddingErrorFilter,
    EmbeddingModelFilter,
    EmbeddingStatusFilter,
    chosen_model,
    known_count,
)
from embeddings.badges import badge
from embeddings.models import EmbeddingModel, EmbeddingRun, ProductEmbedding
from embeddings.querysets import ProductEmbeddingQuerySet, Status

# More than one page of the list shows at most.
MAX_POLLED = 500
NOTED_AT_ONCE = 1_000


admin.site.unregister(Product)


@admin.register(Product)
class ProductAdmin(CatalogProductAdmin):
    """The catalogue's products, with what became of their vectors."""

    # The badge stands beside the name, where the narrowest window still shows it; it also says what is inactive.
    list_display = ("sku", "name", "embedding", "shown_price", "brand", "shown_category", "embedded_at")
    list_filter = (
        EmbeddingStatusFilter,
        EmbeddingModelFilter,
        EmbeddingErrorFilter,
        *CatalogProductAdmin.list_filter,
    )
    readonly_fields = (*CatalogProductAdmin.readonly_fields, "embedding_panel")
    fieldsets = (
        *CatalogProductAdmin.fieldsets,
        ("Search", {"fields": ("embedding_panel",)}),
    )
    actions = ("reembed", "retry_failed", "activate", "deactivate")

    class Media:
        """The badge's look, and the script that keeps it up to date."""

        css = {"all": ("embeddings/badge.css",)}
        js = ("embeddings/badge.js", "embeddings/preview.js")

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses that the badge's and the preview's script ask."""
        own = [
            path(
                f"{prefix}embedding-{name}/",
                self.admin_site.admin_view(view),
                name=f"catalog_product_embedding_{name}",
            )
            for prefix, name, view in (
                ("", "status", self.embedding_status_view),
                ("", "preview", self.embedding_preview_view),
                ("<int:pk>/", "panel", self.embedding_panel_view),
            )
        ]
        return [*own, *super().get_urls()]

    def embedding_status_view(self, request: HttpRequest) -> HttpResponse:
        """Badges of the products in `ids` as {"id": html}."""
        if not self.has_view_permission(request):
            return JsonResponse({"detail": "You may not view products."}, status=403)
        ids = [int(part) for part in request.GET.get("ids", "").split(",") if part.isdecimal()][:MAX_POLLED]
        rows = status.rows_by_product(ids, chosen_model(request))
        return JsonResponse(
            {str(row.product_id): badge(row.product_id, row.status) for row in rows.values()},
            headers={"Cache-Control": "no-store"},
        )

    def embedding_panel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A product's panel, of which the script takes what has changed."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        product = get_object_or_404(self.get_queryset(request), pk=pk)
        return HttpResponse(self.embedding_panel(product), headers={"Cache-Control": "no-store"})

    def embedding_preview_view(self, request: HttpRequest) -> HttpResponse:
        """What would be embedded of the fields as they stand in the form: {"text", "html"}."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_change_permission(request) or self.has_add_permission(request)):
            return JsonResponse({"detail": "You may not edit products."}, status=403)
        context = panel.preview(request.POST)
        html = render_to_string("admin/embeddings/preview.html", context)
        return JsonResponse({"text": context["text"], "html": html}, headers={"Cache-Control": "no-store"})

    def get_paginator(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Do not count products one by one whose number is known."""
        paginator = super().get_paginator(request, *args, **kwargs)
        number = known_count(request)
        if number is not None:
            paginator.count = number
        return paginator

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Fetch the vectors' status of the whole page at once."""
        changelist = super().get_changelist_instance(request)
        products = list(changelist.result_list)
        rows = status.rows_by_product([product.pk for product in products], chosen_model(request))
        for product in products:
            product.embedding_row = rows.get(product.pk)
        changelist.result_list = products
        return changelist

    @admin.display(description="embedding")
    def embedding(self, product: Product) -> SafeString:
        """Badge in the list."""
        row = getattr(product, "embedding_row", None)
        return badge(product.pk, row.status if row else Status.PENDING)

    @admin.display(description="embedded at")
    def embedded_at(self, product: Product) -> SafeString | str:
        """When the stored vector was made, as short as a column wants it."""
        row = getattr(product, "embedding_row", None)
        if row is None or row.embedded_at is None:
            return "–"
        at = localtime(row.embedded_at)
        return format_html(
            '<span title="{}">{}</span>', date_format(at, "DATETIME_FORMAT"), date_format(at, "j M H:i")
        )

    @admin.display(description="Embedding")
    def embedding_panel(self, product: Product) -> SafeString | str:
        """What the encoder reads, what came of it, and which products are near."""
        return render_to_string("admin/embeddings/panel.html", panel.of(product))

    @admin.action(description="Embed selected products again", permissions=["change"])
    def reembed(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        """Have vectors made anew; the old ones stay in use until then."""
        rows = _rows(queryset)
        return self._confirmed(request, queryset, "reembed", "embed again", _products(rows), rows.reembed)

    @admin.action(description="Retry failed embeddings of selected products", permissions=["change"])
    def retry_failed(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        """Give failed products a fresh start."""
        rows = _rows(queryset).failed()
        return self._confirmed(request, queryset, "retry_failed", "retry", _products(rows), rows.retry)

    @admin.action(description="Activate selected products", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        """Show the products to customers."""
        hidden = queryset.filter(is_active=False)
        return self._confirmed(
            request, queryset, "activate", "activate", hidden, lambda: _switch(hidden, True)
        )

    @admin.action(description="Deactivate selected products", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        """Hide the products from customers."""
        shown = queryset.filter(is_active=True)
        return self._confirmed(
            request, queryset, "deactivate", "deactivate", shown, lambda: _switch(shown, False)
        )

    def _confirmed(
        self,
        request: HttpRequest,
        queryset: QuerySet,
        action: str,
        verb: str,
        changing: QuerySet[Product],
        run: Callable[[], int],
    ) -> HttpResponse | None:
        """Ask first; on yes, run in one transaction, note it in the history of each product and ring the bell."""
        if request.POST.get("confirmed") != "yes":
            context = {
                **self.admin_site.each_context(request),
                "title": f"Are you sure that you want to {verb} these products?",
                "verb": verb,
                "action": action,
                "opts": self.model._meta,
                "total": queryset.count(),
                "examples": list(queryset[:20]),
                "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
                "select_across": request.POST.get("select_across", "0"),
                "media": self.media,
            }
            return TemplateResponse(request, "admin/embeddings/confirm_action.html", context)
        with transaction.atomic():
            products = list(changing.order_by().values_list("pk", flat=True))
            run()
            _note(request, products, f"Bulk action: {verb}.")
            bell.ring_on_commit()
        number = len(products)
        self.message_user(
            request, f"{verb.capitalize()}: {number:,} product{'s' * (number != 1)}.", messages.SUCCESS
        )
        return None


def _rows(products: QuerySet) -> ProductEmbeddingQuerySet:
    """The vectors of these products under every live model."""
    return ProductEmbedding.objects.filter(
        product__in=products.order_by().values("pk"), model__in=EmbeddingModel.objects.live()
    )


def _switch(products: QuerySet[Product], on: bool) -> int:
    """Show or hide the products; who has one open in a form is told that it has changed."""
    return products.update(is_active=on, updated_at=Now())


def _products(rows: ProductEmbeddingQuerySet) -> QuerySet[Product]:
    return Product.objects.filter(pk__in=rows.values("product_id"))


def _note(request: HttpRequest, products: list[int], message: str) -> None:
    """Write a change into the history of every product, however many they are."""
    for first in range(0, len(products), NOTED_AT_ONCE):
        some = Product.objects.filter(pk__in=products[first : first + NOTED_AT_ONCE]).only("name")
        LogEntry.objects.log_actions(str(request.user.pk), some, CHANGE, change_message=message)


@admin.register(EmbeddingModel)
class EmbeddingModelAdmin(ReadOnlyAdmin):
    """Models are added on the dashboard or by command; another name in a row would make its vectors lie."""

    change_list_template = "admin/embeddings/change_list.html"
    list_display = ("name", "dimensions", "state", "template_version", "coverage", "created_at")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Count the products of all models at once."""
        changelist = super().get_changelist_instance(request)
        changelist.result_list = list(changelist.result_list)
        found = census.take()
        for model in changelist.result_list:
            model.counts = found.of(model.pk)
        return changelist

    @admin.display(description="ready")
    def coverage(self, model: Any) -> str:
        """Share of active products whose vector is up to date."""
        total = sum(model.counts.values()) - model.counts[Status.INACTIVE]
        if not total:
            return "–"
        return f"{census.coverage(model.counts)} % ({model.counts[Status.READY]:,} of {total:,})"


@admin.register(EmbeddingRun)
class EmbeddingRunAdmin(ReadOnlyAdmin):
    """Backfills, the newest first."""

    change_list_template = "admin/embeddings/change_list.html"
    list_display = ("__str__", "model", "state", "progress", "failed", "by", "started_at", "finished_at")
    list_select_related = ("model", "user")
    list_per_page = 50

    @admin.display(description="state")
    def state(self, run: EmbeddingRun) -> str:
        """What is to be said of it now."""
        return str(run.get_state().label)

    @admin.display(description="done")
    def progress(self, run: EmbeddingRun) -> str:
        """How far it is."""
        return f"{run.done:,} of {run.total:,}"


admin.site.unregister(QueueDashboard)


@admin.register(QueueDashboard)
class QueueAdmin(DashboardAdmin):
    """django-rq's pages show and requeue raw messages: for superusers."""

    def get_urls(self) -> list[Any]:
        """The same addresses, each behind a check."""
        urls = super().get_urls()
        for url in urls:
            url.callback = _superusers_only(url.callback)
        return urls

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """See ModelAdmin."""
        return _superusers_only(super().changelist_view)(request, extra_context)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the admin's index shows it."""
        return _is_superuser(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See ModelAdmin."""
        return _is_superuser(request)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_superuser)


def _superusers_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Refuse everybody else with a 403, strangers included."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not _is_superuser(request):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded
