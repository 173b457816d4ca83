"""The dashboard in the admin: one page of figures, and what staff can do about them."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from catalog.models import Category
from embeddings import additions, bell, coverage, dashboard, model_registry, runs
from embeddings.admin_base import PageAdmin
from embeddings.admin_filters import chosen_model
from embeddings.exceptions import EmbeddingError
from embeddings.forms import ModelAdditionForm
from embeddings.models import Dashboard, EmbeddingModel, EmbeddingRun, ModelAddition, ProductEmbedding
from embeddings.pipeline import Scope

VIEW = "embeddings.view_productembedding"
RETRY = "embeddings.change_productembedding"
BACKFILL = "embeddings.add_embeddingrun"
CANCEL = "embeddings.change_embeddingrun"
MODELS = "embeddings.change_embeddingmodel"

# So many products are tried again without a second question.
RETRY_UNASKED = 100

View = Callable[..., HttpResponse]


def _change(permission: str) -> Callable[[View], View]:
    """Only by POST, and only for who has the permission."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(self: "DashboardAdmin", request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            if not request.user.has_perm(permission):
                raise PermissionDenied
            return view(self, request, *args, **kwargs)

        return guarded

    return decorate


@admin.register(Dashboard)
class DashboardAdmin(PageAdmin):
    """Figures, for staff who may see what became of the products' vectors, and what can be done about them."""

    view_permission = VIEW

    def get_urls(self) -> list[URLPattern]:
        """The page, its live figures, and one address for each thing to do."""
        return [
            path(address, self.admin_site.admin_view(view), name=f"embeddings_dashboard_{name}")
            for address, view, name in (
                ("", self.changelist_view, "changelist"),
                ("figures/", self.figures_view, "figures"),
                ("retry/", self.retry_view, "retry"),
                ("backfill/", self.backfill_view, "backfill"),
                ("reconcile/", self.reconcile_view, "reconcile"),
                ("runs/<int:pk>/cancel/", self.cancel_view, "cancel"),
                ("models/add/", self.add_model_view, "add_model"),
                ("models/dismiss/<int:pk>/", self.dismiss_view, "dismiss"),
                ("models/<int:pk>/remove/", self.remove_view, "remove"),
                ("models/<int:pk>/activate/", self.activate_view, "activate"),
                ("models/<int:pk>/retire/", self.retire_view, "retire"),
                ("models/<int:pk>/revive/", self.revive_view, "revive"),
                ("models/<int:pk>/rebuild-index/", self.rebuild_index_view, "rebuild_index"),
            )
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The page."""
        context = {
            **self.admin_site.each_context(request),
            **self._figures(request),
            "title": "Embeddings dashboard",
            "opts": self.model._meta,
            "categories_to_choose": Category.objects.only("slug", "full_name"),
        }
        return TemplateResponse(request, "admin/embeddings/dashboard.html", context)

    def figures_view(self, request: HttpRequest) -> HttpResponse:
        """The part of the page that the script fetches anew."""
        return TemplateResponse(request, "admin/embeddings/figures.html", self._figures(request))

    def _figures(self, request: HttpRequest) -> dict[str, Any]:
        if not self.has_view_permission(request):
            raise PermissionDenied
        span = dashboard.SPANS.get(request.GET.get("span", ""), dashboard.DEFAULT_SPAN)
        may = {
            name: request.user.has_perm(permission)
            for name, permission in (
                ("retry", RETRY),
                ("backfill", BACKFILL),
                ("cancel", CANCEL),
                ("models", MODELS),
                ("see_products", "catalog.view_product"),
                ("see_models", "embeddings.view_embeddingmodel"),
            )
        }
        return {**dashboard.figures(span, chosen_model(request)), "may": may}

    @_change(RETRY)
    def retry_view(self, request: HttpRequest) -> HttpResponse:
        """Give failed products of a model a fresh start: those with one message, or all."""
        number, _, message = request.POST.get("failure", "").partition(":")
        model = _model(number)
        # Browsers send every line break as two characters.
        message = message.replace("\r\n", "\n")
        rows = ProductEmbedding.objects.filter(model=model)
        if message:
            rows = rows.filter(last_error=message)
        failed = rows.failed().count()
        if failed > RETRY_UNASKED and not _confirmed(request):
            return self._confirm(
                request,
                f"Try {failed:,} products again?",
                [
                    f"The workers embed {failed:,} products of {model} again, with a fresh count of attempts.",
                    "Do this when the reason is mended: otherwise they fail again, some minutes later.",
                ],
                "Yes, try them again",
                {"failure": f"{model.pk}:{message}"},
            )
        retried = rows.retry()
        which = f"that failed with: {message}" if message else "that had failed"
        self.log_change(request, model, f"Retried {retried:,} products {which}")
        bell.ring_on_commit()
        return self._done(request, f"{_products(retried)} will be tried again.")

    @_change(BACKFILL)
    def backfill_view(self, request: HttpRequest) -> HttpResponse:
        """Have the workers embed whatever is missing, changed or failed."""
        model = _model(request.POST.get("model", ""))
        if not model.is_live:
            return self._refused(request, f"{model} is retired. Build it again first.")
        slug = request.POST.get("category", "")
        category = get_object_or_404(Category, slug=slug) if slug else None
        scope = Scope(
            category_path=category.path if category else "",
            only_failed=request.POST.get("only_failed") == "on",
        )
        going = set(EmbeddingRun.objects.open().values_list("pk", flat=True))
        run = runs.start_run(model, scope, user=request.user, via_queue=True)  # type: ignore[arg-type]
        if run.pk in going:
            return self._done(request, f"{run} does the same and is going on already.", messages.INFO)
        if run.finished_at is not None:
            run.delete()
            return self._done(request, f"Every product is embedded with {model}. Nothing to do.")
        where = f" in {category}" if category else ""
        self.log_addition(request, run, f"Started a backfill of {run.total:,} products{where}.")
        return self._done(request, f"{run}: the workers embed {_products(run.total)}{where}.")

    @_change(CANCEL)
    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Stop a run."""
        run = get_object_or_404(EmbeddingRun, pk=pk)
        if run.finished_at is not None:
            return self._refused(request, f"{run} has ended already.")
        if not _confirmed(request):
            return self._confirm(
                request,
                f"Cancel {run}?",
                [
                    "What is being embedded at this moment is still stored; nothing that is done is lost.",
                    "The other products of the run are marked as failed, so that nobody goes on with them.",
                    "A new backfill, “Try again”, or a new text makes them due again.",
                ],
                "Yes, cancel it",
            )
        runs.cancel_run(run)
        self.log_change(request, run, "Cancelled.")
        return self._done(request, f"{run} was cancelled.")

    @_change(RETRY)
    def reconcile_view(self, request: HttpRequest) -> HttpResponse:
        """Have the workers compare every product with its vectors, now."""
        models = coverage.check_again()
        for model in EmbeddingModel.objects.live():
            self.log_change(request, model, "Asked the workers to compare every product with its vectors.")
        bell.listen()
        told = bell.ring()
        how = (
            "The workers compare"
            if told
            else "Redis cannot be reached; as soon as they look, workers compare"
        )
        return self._done(
            request, f"{how} every product with its vectors under {models} model{'s' * (models != 1)}."
        )

    def add_model_view(self, request: HttpRequest) -> HttpResponse:
        """A form for a model to add; a worker adds it."""
        if not request.user.has_perm(MODELS):
            raise PermissionDenied
        form = ModelAdditionForm(request.POST or None, user=request.user)
        if request.method == "POST" and form.is_valid():
            try:
                additions.ask(form.instance)
            except IntegrityError:  # someone asked for the same at the same moment
                return self._refused(request, additions.already(form.instance.name))
            self.log_addition(request, form.instance, "Asked for this model.")
            return self._done(request, f"A worker loads {form.instance}, and adds it when it works.")
        context = {**self.admin_site.each_context(request), "title": "Add a model", "form": form}
        return TemplateResponse(request, "admin/embeddings/add_model.html", context)

    @_change(MODELS)
    def dismiss_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Forget a model that could not be added, or that no worker has begun to load."""
        idle = ModelAddition.objects.idle().filter(pk=pk)
        addition = get_object_or_404(idle)
        self.log_deletions(request, idle)
        idle.delete()
        return self._done(request, f"{addition} is not added.")

    @_change(MODELS)
    def remove_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Have a worker delete a retired model."""
        model = get_object_or_404(EmbeddingModel, pk=pk)
        vectors = ProductEmbedding.objects.filter(model=model, stored_digest__isnull=False).count()
        if model.is_live:
            return self._refused(request, f"{model} is {model.state}. Only a retired model can be removed.")
        if not _confirmed(request):
            return self._confirm(
                request,
                f"Remove {model}?",
                [
                    f"A worker deletes {model} with its index, its backfills and {_count(vectors, 'vector')}.",
                    "This cannot be undone: to use it once more, add it and have every product embedded anew.",
                ],
                "Yes, remove it",
            )
        try:
            model_registry.want_removal(model)
        except EmbeddingError as error:
            return self._refused(request, str(error))
        self.log_deletions(request, EmbeddingModel.objects.filter(pk=model.pk))
        return self._done(request, f"A worker removes {model} with {_count(vectors, 'vector')}.")

    @_change(MODELS)
    def activate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make a model the one that search uses."""
        model = get_object_or_404(EmbeddingModel, pk=pk)
        if not _confirmed(request):
            obstacles = model_registry.obstacles(model)
            consequences = [
                f"From the next search on, customers find products by {model}, in one step.",
                "The model that is active now is kept up to date until you retire it: you can go back the same way.",
            ]
            if obstacles:
                consequences = [f"{model} cannot be activated yet.", *obstacles]
            return self._confirm(
                request,
                f"Activate {model}?",
                consequences,
                "" if obstacles else "Yes, activate it",
            )
        try:
            former = model_registry.activate_model(model)
        except EmbeddingError as error:
            return self._refused(request, str(error))
        self.log_change(request, model, f"Activated, after {former}." if former else "Activated.")
        return self._done(request, f"Search uses {model} now.")

    @_change(MODELS)
    def retire_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Stop keeping a model's vectors up to date."""
        model = get_object_or_404(EmbeddingModel, pk=pk)
        if not _confirmed(request):
            return self._confirm(
                request,
                f"Retire {model}?",
                [
                    "Its vectors are no longer kept up to date, which saves the workers that work.",
                    "Vectors and index stay: “Build again” brings it back, and embeds only what has changed since.",
                ],
                "Yes, retire it",
            )
        try:
            model_registry.retire_model(model)
        except EmbeddingError as error:
            return self._refused(request, str(error))
        self.log_change(request, model, "Retired.")
        return self._done(request, f"{model} is retired.")

    @_change(MODELS)
    def revive_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Have the workers bring a retired model's vectors up to date again."""
        model = get_object_or_404(EmbeddingModel, pk=pk)
        try:
            model_registry.revive_model(model)
        except EmbeddingError as error:
            return self._refused(request, str(error))
        self.log_change(request, model, "Brought back from retirement.")
        bell.ring_on_commit()
        return self._done(request, f"The workers bring {model} up to date. Then it can be activated.")

    @_change(MODELS)
    def rebuild_index_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Have a worker build a model's index anew."""
        model = get_object_or_404(EmbeddingModel, pk=pk)
        if not model.is_live:
            return self._refused(request, f"{model} is retired; nobody searches its index.")
        EmbeddingModel.objects.filter(pk=model.pk).update(index_rebuild_wanted_at=timezone.now())
        self.log_change(request, model, "Asked for a new index.")
        return self._done(
            request, f"A worker builds the index of {model} anew. Search uses the present one until then."
        )

    def _confirm(
        self,
        request: HttpRequest,
        title: str,
        consequences: Sequence[str],
        label: str,
        fields: dict[str, str] | None = None,
    ) -> HttpResponse:
        """A page that says what happens, with a button that does it; without one where there is no `label`."""
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "consequences": consequences,
            "label": label,
            "fields": fields or {},
        }
        return TemplateResponse(request, "admin/embeddings/confirm.html", context)

    def _done(self, request: HttpRequest, text: str, level: int = messages.SUCCESS) -> HttpResponse:
        self.message_user(request, text, level)
        return redirect("admin:embeddings_dashboard_changelist")

    def _refused(self, request: HttpRequest, text: str) -> HttpResponse:
        return self._done(request, text, messages.ERROR)


def _model(number: str) -> EmbeddingModel:
    """The model of this number. Raises Http404."""
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise Http404
    return get_object_or_404(EmbeddingModel, pk=int(number))


def _confirmed(request: HttpRequest) -> bool:
    return request.POST.get("confirmed") == "yes"


def _products(number: int) -> str:
    return _count(number, "product")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
