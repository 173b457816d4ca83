"""Evaluations in the admin: how far they are, what came out, and a way to stop them."""

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.http import urlencode

from embeddings.models import EmbeddingModel
from search.admin_deletion import CountingDeletionAdmin
from search.lab import reports, runs
from search.lab.forms import params_of
from search.lab.models import EvaluationRun
from search.lab.permissions import CANCEL, allowed, needs
from search.lab.querysets import EvaluationRunQuerySet
from search.lab.variants import Variant

VIEW = "search.view_evaluationrun"
DELETE_LIST = "search.delete_judgmentlist"


@admin.register(EvaluationRun)
class EvaluationRunAdmin(CountingDeletionAdmin):
    """Evaluations, the newest first. They are started in the lab."""

    list_display = ("__str__", "list", "state", "progress", "by", "started_at", "finished_at")
    list_filter = ("list",)
    list_select_related = ("list", "user")
    list_per_page = 50
    show_full_result_count = False

    def get_urls(self) -> list[URLPattern]:
        """Beside the usual ones, the figures that the script fetches, and what stops a run."""
        own = [
            path(f"<int:pk>/{name}/", self.admin_site.admin_view(view), name=f"search_evaluationrun_{name}")
            for name, view in (("figures", self.figures_view), ("cancel", self.cancel_view))
        ]
        return [*own, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[EvaluationRun]:
        """Runs with their progress, without their reports."""
        found = cast(EvaluationRunQuerySet, super().get_queryset(request).defer("report"))
        return cast(QuerySet[EvaluationRun], found.with_progress())

    def has_add_permission(self, request: HttpRequest) -> bool:
        """In the lab."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may delete a list may delete what was measured of it, or no list could be that was evaluated."""
        return super().has_delete_permission(request, obj) or request.user.has_perm(DELETE_LIST)

    @admin.display(description="state")
    def state(self, run: EvaluationRun) -> str:
        """What is to be said of it now."""
        return str(run.get_state().label)

    @admin.display(description="queries")
    def progress(self, run: Any) -> str:
        """How far it is."""
        return f"{run.done:,} of {run.total:,}"

    @admin.display(description="by")
    def by(self, run: EvaluationRun) -> str:
        """Who started it."""
        return str(run.user or "–")

    @needs(VIEW, "GET", "HEAD")
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """What came out so far."""
        figures = self._figures(request, int(object_id) if object_id.isdecimal() else 0)
        context = {
            **self.admin_site.each_context(request),
            **figures,
            "title": f"{figures['run']} of {figures['run'].list}",
            "opts": self.model._meta,
        }
        return TemplateResponse(request, "admin/search/evaluation.html", context)

    @needs(VIEW, "GET", "HEAD")
    def figures_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The part of the page that the script fetches anew."""
        return TemplateResponse(request, "admin/search/evaluation_figures.html", self._figures(request, pk))

    def _figures(self, request: HttpRequest, pk: int) -> dict[str, Any]:
        found = EvaluationRun.objects.with_progress().select_related("list", "user")
        run = get_object_or_404(found, pk=pk)
        return {"run": run, "may": allowed(request), **described(run)}

    @needs(CANCEL, "POST")
    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Stop a run."""
        run = get_object_or_404(EvaluationRun, pk=pk)
        if runs.cancel_run(run):
            self.log_change(request, run, "Cancelled.")
            self.message_user(request, f"{run} was cancelled.", messages.SUCCESS)
        else:
            self.message_user(request, f"{run} has ended already.", messages.ERROR)
        return redirect("admin:search_evaluationrun_change", pk)


def described(run: Any) -> dict[str, Any]:
    """A run, with its progress, for people. Figures have intervals once it is finished."""
    variants = [Variant.from_json(stored) for stored in run.variants]
    models = list(EmbeddingModel.objects.only("name", "dimensions", "state"))
    labels = {model.pk: str(model) for model in models}
    active = next((model.pk for model in models if model.state == EmbeddingModel.State.ACTIVE), None)
    current = Variant.current().changed(model_id=active)
    shown = [
        {"name": name, "differences": variant.differences(_same_model(current, variant), labels)}
        for name, variant in zip(reports.NAMES, variants, strict=False)
    ]
    asked = {"list": str(run.list_id)}
    for prefix, variant in zip("ab", variants, strict=False):
        asked |= params_of(variant, current, prefix)
    if len(variants) > 1:
        asked["compare"] = "on"
    report = run.report
    if not report:
        done = reports.evaluated(run, run.queries.done())
        report = {"figures": [reports.figures(name, one) for name, one in done.items()] if run.done else []}
    return {
        "variants": shown,
        "asked": urlencode(asked),
        "report": report,
        "state": run.get_state(),
        "percent": 100 * run.done // run.total if run.total else 100,
    }


def _same_model(current: Variant, variant: Variant) -> Variant:
    """The current variant, but of no model where the other one needs none: that is no difference."""
    return current.changed(model_id=None) if variant.configuration.model_id is None else current
