"""The lab's page in the admin, and what it can be told."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from embeddings.admin_base import PageAdmin
from search.admin_links import CHANGES, links, targets_for
from search.exceptions import LabError
from search.lab import judging, runs
from search.lab.forms import ListForm
from search.lab.models import Judgment, JudgmentList, Lab
from search.lab.page import LabPage
from search.lab.permissions import EVALUATE, JUDGE, NEW_LIST, VIEW, allowed, needs

# Addresses are as long as browsers and proxies let through.
MAX_ADDRESS = 4_000


@admin.register(Lab)
class LabAdmin(PageAdmin):
    """The lab, for staff who may see judgments."""

    view_permission = VIEW

    def get_urls(self) -> list[URLPattern]:
        """The page under two names, the second for the admin's index, and one address for each thing to do."""
        return [
            path(address, self.admin_site.admin_view(view), name=f"search_lab{name}")
            for address, view, name in (
                ("", self.changelist_view, ""),
                ("", self.changelist_view, "_changelist"),
                ("judge/", self.judge_view, "_judge"),
                ("lists/", self.list_view, "_list"),
                ("evaluate/", self.evaluate_view, "_evaluate"),
            )
        ]

    @needs(VIEW, "GET", "HEAD")
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The page."""
        page = LabPage(request.GET)
        if page.is_valid and page.query:
            page.answer()
        context = {
            **self.admin_site.each_context(request),
            "title": "Search lab",
            "opts": self.model._meta,
            "page": page,
            "may": allowed(request),
            "address": request.GET.urlencode(),
            "grades": [(grade.value, grade.label) for grade in Judgment.Grade],
            "links": links(targets_for(request.user, CHANGES), page.query),
        }
        return TemplateResponse(request, "admin/search/lab.html", context)

    @needs(JUDGE, "POST")
    def judge_view(self, request: HttpRequest) -> HttpResponse:
        """Store or take back one judgment, `GRADE:SKU`; answers scripts with JSON and forms with the page."""
        grade, _, sku = request.POST.get("judgment", "").partition(":")
        try:
            judgments = _list(request)
            if grade and not (grade.isascii() and grade.isdecimal() and len(grade) == 1):
                raise LabError("A grade is a digit.")
            number = int(grade) if grade else None
            query = request.POST.get("query", "")
            changed = judging.judge(judgments, query, sku, number, request.user)  # type: ignore[arg-type]
        except LabError as error:
            return self._answer(request, {"error": str(error)}, 400)
        if changed:
            self.log_change(request, judgments, changed)
        return self._answer(request, {"sku": sku, "grade": number}, 200)

    def _answer(self, request: HttpRequest, body: dict[str, Any], status: int) -> HttpResponse:
        if request.headers.get("Accept") == "application/json":
            return JsonResponse(body, status=status)
        if "error" in body:
            self.message_user(request, body["error"], messages.ERROR)
        return _back(request)

    @needs(NEW_LIST, "POST")
    def list_view(self, request: HttpRequest) -> HttpResponse:
        """Begin a list and go on with it."""
        form = ListForm(request.POST)
        if not form.is_valid():
            reasons = " ".join(str(error) for errors in form.errors.values() for error in errors)
            self.message_user(request, f"No list was made: {reasons}", messages.ERROR)
            return _back(request)
        made = form.save()
        self.log_addition(request, made, [{"added": {}}])
        return _back(request, list=made.pk)

    @needs(EVALUATE, "POST")
    def evaluate_view(self, request: HttpRequest) -> HttpResponse:
        """Have a worker measure the list under the variants of the page."""
        page = LabPage(_params(request))
        try:
            judgments = _list(request)
            if not page.is_valid:
                raise LabError("Correct what is marked in the form first.")
            run = runs.start_run(judgments, page.variants(), request.user)  # type: ignore[arg-type]
        except LabError as error:
            self.message_user(request, str(error), messages.ERROR)
            return _back(request)
        self.log_addition(request, run, f"Started for {judgments}.")
        return redirect("admin:search_evaluationrun_change", run.pk)


def _list(request: HttpRequest) -> JudgmentList:
    """The list that a form names. Raises LabError where there is none yet, and Http404."""
    number = request.POST.get("list", "")
    if not number:
        raise LabError("Choose or begin a judgment list first.")
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise LabError("There is no such judgment list.")
    return get_object_or_404(JudgmentList, pk=int(number))


def _params(request: HttpRequest) -> QueryDict:
    """The page that a form was sent from."""
    return QueryDict(request.POST.get("next", "")[:MAX_ADDRESS], mutable=True)


def _back(request: HttpRequest, **changes: Any) -> HttpResponseRedirect:
    """To the page that the form was sent from, and nowhere else."""
    params = _params(request)
    for name, value in changes.items():
        params[name] = str(value)
    return HttpResponseRedirect(f"{reverse('admin:search_lab')}?{params.urlencode()}")
