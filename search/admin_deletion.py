"""What deleting rows takes along, counted. Django's own page fetches and lists every single row of it."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import CASCADE, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

# So many rows that were chosen are named.
NAMED = 100


class CountingDeletionAdmin(admin.ModelAdmin):
    """Names the rows that are to be deleted and counts what goes with them, in a constant number of queries."""

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """See ModelAdmin: (names, counts by the model's name, permissions that are missing, what forbids it)."""
        chosen = self.model._base_manager.filter(pk__in=[one.pk for one in objs])
        found = [(rows.model, rows.count()) for rows in (chosen, *taken_along(chosen))]
        counts = {str(model._meta.verbose_name_plural): number for model, number in found if number}
        missing = {
            str(model._meta.verbose_name)
            for model, number in found
            if number and not self._may_delete(request, model)
        }
        return [self._named(one) for one in objs[:NAMED]], counts, missing, []

    def _may_delete(self, request: HttpRequest, model: Any) -> bool:
        """As Django asks it: rows of a model that the admin does not know go with their owner."""
        if not self.admin_site.is_registered(model):
            return True
        return self.admin_site.get_model_admin(model).has_delete_permission(request)

    def _named(self, one: Any) -> Any:
        view = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_change"
        return format_html('<a href="{}">{}</a>', reverse(view, args=[quote(one.pk)]), one)


def taken_along(rows: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
    """The rows that are deleted with these, by model, those below them included."""
    for relation in _cascades(rows.model):
        below = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": rows})
        yield below
        yield from taken_along(below)


def _cascades(model: Any) -> Sequence[Any]:
    return [one for one in model._meta.related_objects if one.on_delete is CASCADE]
