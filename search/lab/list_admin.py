"""Judgment lists and their judgments in the admin, with import and export."""

from typing import Any, BinaryIO, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.text import slugify

from catalog.paginator import EstimatingPaginator
from search.admin_deletion import CountingDeletionAdmin
from search.exceptions import LabError
from search.judgments import write
from search.lab import judging
from search.lab.forms import ImportForm
from search.lab.models import Judgment, JudgmentList
from search.lab.permissions import JUDGE, VIEW, allowed, needs
from search.lab.querysets import JudgmentListQuerySet

# Of a bad file so many lines are listed.
SHOWN_PROBLEMS = 500


@admin.register(JudgmentList)
class JudgmentListAdmin(CountingDeletionAdmin):
    """Lists, with how much is in them."""

    list_display = ("name", "judgment_number", "query_number", "created_at")
    search_fields = ("name", "note")
    fields = ("name", "note")
    ordering = ("name",)
    show_full_result_count = False
    change_form_template = "admin/search/judgment_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[JudgmentList]:
        """Lists with their sizes, where they are shown."""
        found = cast(JudgmentListQuerySet, super().get_queryset(request))
        return cast(QuerySet[JudgmentList], found.with_sizes())

    @admin.display(description="judgments", ordering="size")
    def judgment_number(self, judgments: Any) -> str:
        """How many judgments it has, leading to them."""
        address = reverse("admin:search_judgment_changelist", query={"list__id__exact": judgments.pk})
        return format_html('<a href="{}">{}</a>', address, f"{judgments.size:,}")

    @admin.display(description="queries", ordering="query_number")
    def query_number(self, judgments: Any) -> str:
        """How many queries it has."""
        return f"{judgments.query_number:,}"

    def get_urls(self) -> list[URLPattern]:
        """Beside the usual ones, import and export of a list."""
        own = [
            path(f"<int:pk>/{name}/", self.admin_site.admin_view(view), name=f"search_judgmentlist_{name}")
            for name, view in (("import", self.import_view), ("export", self.export_view))
        ]
        return [*own, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Offer what the user may do with the list."""
        return super().render_change_form(request, {**context, "may": allowed(request)}, *args, **kwargs)

    @needs(VIEW, "GET", "HEAD")
    def export_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The list as `evaluate_search --judgments` reads it."""
        judgments = get_object_or_404(JudgmentList, pk=pk)
        name = slugify(judgments.name) or f"list-{pk}"
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response.headers["Content-Disposition"] = f'attachment; filename="judgments-{name}.csv"'
        write(judging.rows_of(judgments), response)
        return response

    @needs(JUDGE, "GET", "HEAD", "POST")
    def import_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Add a file's judgments to the list."""
        judgments = get_object_or_404(JudgmentList, pk=pk)
        form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
        problem: LabError | None = None
        if request.method == "POST" and form.is_valid():
            file = form.cleaned_data["file"]
            try:
                number, unknown = judging.import_file(
                    judgments,
                    cast(BinaryIO, file),
                    file.size,
                    request.user,  # type: ignore[arg-type]
                )
            except LabError as error:
                problem = error
            else:
                self.log_change(request, judgments, f"Imported {number:,} judgments.")
                self.message_user(request, _imported(number, unknown), messages.SUCCESS)
                return redirect("admin:search_judgmentlist_change", pk)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Import judgments into {judgments}",
            "opts": self.model._meta,
            "judgments": judgments,
            "form": form,
            "problem": problem,
            "lines": problem.problems[:SHOWN_PROBLEMS] if problem else [],
            "more": max(0, len(problem.problems) - SHOWN_PROBLEMS) if problem else 0,
            "max_rows": judging.MAX_ROWS,
        }
        return TemplateResponse(request, "admin/search/judgment_import.html", context)


def _imported(number: int, unknown: int) -> str:
    text = f"{number:,} judgment{'s' * (number != 1)} imported."
    return f"{text} Products that are not in the catalogue now: {unknown:,}." if unknown else text


@admin.register(Judgment)
class JudgmentAdmin(admin.ModelAdmin):
    """Single judgments. New ones are made in the lab."""

    list_display = ("query", "sku", "grade", "list", "by", "at")
    list_filter = ("list", "grade")
    list_select_related = ("list", "by")
    search_fields = ("query__istartswith", "sku__startswith")
    search_help_text = "The beginning of a query or a SKU"
    fields = ("list", "query", "sku", "grade", "by", "at")
    readonly_fields = ("list", "query", "sku", "by", "at")
    show_full_result_count = False
    paginator = EstimatingPaginator
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        """In the lab, where the result is seen."""
        return False

    def save_model(self, request: HttpRequest, obj: Judgment, form: Any, change: bool) -> None:
        """Whoever changes a grade is its author from then on."""
        obj.by = request.user  # type: ignore[assignment]
        super().save_model(request, obj, form, change)
