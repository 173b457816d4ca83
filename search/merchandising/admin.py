"""Where staff decide about search: words that mean the same, and rules that curate results."""

from abc import abstractmethod
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from search.admin_deletion import CountingDeletionAdmin
from search.admin_links import TRY_IT, links, targets_for
from search.exceptions import InvalidQueryError
from search.merchandising import book, preview, words
from search.merchandising.forms import (
    ALONE,
    PREVIEW,
    PREVIEW_QUERY,
    CurationActionForm,
    CurationActionFormSet,
    CurationRuleForm,
    SynonymForm,
)
from search.merchandising.models import CurationAction, CurationRule, RulebookChange, Synonym
from search.merchandising.widgets import KnownSelect
from search.query import MAX_QUERY_LENGTH

MAX_ACTIONS = 50


class PreviewAdmin(admin.ModelAdmin):
    """A form with a button that shows what it would do: saved by nobody, refused to who may not save."""

    change_form_template = "admin/search/change_form.html"

    class Media:
        css = {"all": ("embeddings/badge.css", "search/merchandising.css")}
        js = ("search/preview.js",)

    @abstractmethod
    def comparisons(self, form: Any, formsets: list[Any], text: str) -> list[preview.Comparison]:
        """Searches before and after, from a valid form. Raises InvalidQueryError."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """One after the other where two save at once, so that the second is told what the first has saved."""
        with transaction.atomic():
            if request.method == "POST" and PREVIEW not in request.POST:
                RulebookChange.wait_for_turn()
            return super().changeform_view(request, *args, **kwargs)

    @abstractmethod
    def tried_by(self, saved: Any) -> str:
        """The query without filters that shows what it does; empty where there is none."""

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        """Lead to the lab."""
        self._say_where_to_look(request, obj)
        return super().response_post_save_add(request, obj)

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        """Lead to the lab."""
        self._say_where_to_look(request, obj)
        return super().response_post_save_change(request, obj)

    def _say_where_to_look(self, request: HttpRequest, saved: Any) -> None:
        query = self.tried_by(saved)
        for link in links(targets_for(request.user, [TRY_IT]), query) if query else ():
            said = format_html('<a href="{}">Try it in the search lab</a>: “{}”', link.url, query)
            self.message_user(request, said, messages.INFO)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the preview where it was asked for."""
        asked = request.method == "POST" and PREVIEW in request.POST
        context["preview_asked"] = asked
        context["preview_query"] = text = request.POST.get(PREVIEW_QUERY, "").strip()[:MAX_QUERY_LENGTH]
        if asked and not context["errors"]:
            formsets = [inline.formset for inline in context["inline_admin_formsets"]]
            try:
                context["comparisons"] = self.comparisons(context["adminform"].form, formsets, text)
            except InvalidQueryError as error:
                context["preview_problems"] = [text for texts in error.errors.values() for text in texts]
        if asked and request.POST[PREVIEW] == ALONE:
            return TemplateResponse(request, "admin/search/compared.html", context)
        return super().render_change_form(request, context, *args, **kwargs)


@admin.register(Synonym)
class SynonymAdmin(PreviewAdmin):
    """Words that mean the same."""

    form = SynonymForm
    list_display = ["term", "means", "both_ways", "searches"]
    list_filter = ["both_ways"]
    search_fields = ["term", "means"]
    ordering = ["term", "means"]
    list_per_page = 50
    fieldsets = [
        (
            None,
            {
                "fields": ["term", "means", "both_ways"],
                "description": "Search by words finds the one for the other, also in the middle of a query. Synonyms "
                "of synonyms are not followed. A saved synonym works within about a second.",
            },
        )
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Synonym]:
        """Synonyms with how often they were used."""
        return super().get_queryset(request).select_related("use").annotate(used=Coalesce("use__searches", 0))

    @admin.display(description="used", ordering="used")
    def searches(self, synonym: Any) -> SafeString | str:
        """How many searches met it, and when last."""
        return words.used(synonym)

    def tried_by(self, saved: Synonym) -> str:
        """See PreviewAdmin."""
        return saved.term

    def comparisons(self, form: Any, formsets: list[Any], text: str) -> list[preview.Comparison]:
        """See PreviewAdmin."""
        return preview.of_synonym(form.instance, text)


class StateFilter(admin.SimpleListFilter):
    """Rules by how they stand now."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        """See SimpleListFilter."""
        return [(state.value, str(state.label)) for state in CurationRule.State]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[CurationRule]:
        """See SimpleListFilter."""
        value = self.value()
        return queryset.in_state(value, timezone.now()) if value in CurationRule.State.values else queryset


class CurationActionInline(admin.StackedInline):
    """What the rule does."""

    model = CurationAction
    form = CurationActionForm
    formset = CurationActionFormSet
    template = "admin/search/curation_actions.html"
    fields = ["kind", "position", "factor", "product", "category", "brand"]
    max_num = MAX_ACTIONS

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        """A new rule begins with an empty action."""
        return 0 if obj else 1

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Choosers that search, for there may be a million products; without the admin's links beside each of them."""
        if db_field.name not in ("product", "category"):
            return super().formfield_for_dbfield(db_field, request, **kwargs)
        kwargs["widget"] = KnownSelect(db_field, self.admin_site)
        return self.formfield_for_foreignkey(db_field, request, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[CurationAction]:
        """With what their names need."""
        return _with_targets(super().get_queryset(request))


@admin.register(CurationRule)
class CurationRuleAdmin(CountingDeletionAdmin, PreviewAdmin):
    """Rules that pin, boost, bury and hide products for a query or a category."""

    form = CurationRuleForm
    inlines = [CurationActionInline]
    list_display = ["name", "status", "trigger", "does", "searches"]
    list_filter = [StateFilter, "match", "actions__kind"]
    search_fields = [
        "name",
        "note",
        "query",
        "category__full_name",
        "actions__product__sku",
        "actions__brand",
    ]
    search_help_text = (
        "A name, note, query, category or brand, or the SKU of a product that the rule is about."
    )
    list_per_page = 50
    show_full_result_count = False
    autocomplete_fields = ["category"]
    readonly_fields = ["standing"]
    actions = ["switch_on", "switch_off"]
    fieldsets = [
        (None, {"fields": ["name", "note", "standing"]}),
        (
            "When",
            {
                "fields": [("query", "match"), "category"],
                "description": "A query, a category that customers filter by, or a query within a category.",
            },
        ),
        (
            "How long",
            {
                "fields": [("valid_from", "valid_to"), "is_active", "priority"],
                "description": "A saved change works within about a second.",
            },
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CurationRule]:
        """Rules with all that a row of the list says."""
        targets = Prefetch("actions", _with_targets(CurationAction.objects.all()))
        rules = super().get_queryset(request).select_related("category", "use").prefetch_related(targets)
        return rules.annotate(used=Coalesce("use__searches", 0))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """A rule that is not saved yet has no standing."""
        if obj is not None:
            return super().get_fieldsets(request, obj)
        (title, options), *others = super().get_fieldsets(request, obj)
        return [(title, {**options, "fields": ["name", "note"]}), *others]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A rule that is begun from a query is called by it."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        if query := initial.get("query"):
            initial.setdefault("name", f"“{query}”"[:120])
        return initial

    def tried_by(self, saved: CurationRule) -> str:
        """See PreviewAdmin."""
        return "" if saved.category_id else saved.query

    def comparisons(self, form: Any, formsets: list[Any], text: str) -> list[preview.Comparison]:
        """See PreviewAdmin."""
        actions = [one.instance for formset in formsets for one in formset.kept_forms()]
        return [preview.of_rule(form.instance, actions, text)]

    @admin.display(description="state")
    def status(self, rule: CurationRule) -> SafeString:
        """Badge in the list."""
        return words.badge(rule.get_state())

    @admin.display(description="when", ordering="query")
    def trigger(self, rule: CurationRule) -> str:
        """When it is used."""
        return words.trigger(rule)

    @admin.display(description="does")
    def does(self, rule: CurationRule) -> SafeString:
        """What it does, and why it may do less."""
        said = [*words.actions(rule), *(f"⚠ {text}" for text in words.warnings(list(rule.actions.all())))]
        return format_html_join("", "<div>{}</div>", ((text,) for text in said))

    @admin.display(description="used", ordering="used")
    def searches(self, rule: Any) -> SafeString | str:
        """How many searches it was used for, and when last."""
        return words.used(rule)

    @admin.display(description="Now")
    def standing(self, rule: CurationRule) -> str:
        """How the rule stands and what became of it."""
        context = {
            "badge": words.badge(rule.get_state()),
            "use": getattr(rule, "use", None),
            "warnings": words.warnings(list(rule.actions.all())),
        }
        return render_to_string("admin/search/standing.html", context)

    @admin.action(description="Switch selected rules on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[CurationRule]) -> None:
        """Let searches use the rules."""
        self._switch(request, queryset, True)

    @admin.action(description="Switch selected rules off", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[CurationRule]) -> None:
        """Keep the rules, unused."""
        self._switch(request, queryset, False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[CurationRule], on: bool) -> None:
        word = "on" if on else "off"
        with transaction.atomic():
            ids = list(queryset.filter(is_active=not on).values_list("pk", flat=True))
            changed = CurationRule.objects.filter(pk__in=ids)
            changed.update(is_active=on)
            LogEntry.objects.log_actions(
                str(request.user.pk), changed, CHANGE, change_message=f"Switched {word}."
            )
        book.forget()
        self.message_user(
            request, f"{len(ids)} rule{'s' * (len(ids) != 1)} switched {word}.", messages.SUCCESS
        )


def _with_targets(actions: Any) -> QuerySet[CurationAction]:
    found: QuerySet[CurationAction] = actions.select_related("product", "category").defer(
        "product__search_vector", "product__lexical_weights", "product__description", "product__attributes"
    )
    return found
