"""What pages of the admin have in common whose rows nobody edits there."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that staff look at; what can be done about them stands elsewhere."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never here."""
        return False


class PageAdmin(ReadOnlyAdmin):
    """Stands in the admin's index as a list would, and shows a page instead. Subclasses name who may see it."""

    view_permission: str

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the admin's index shows it."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Staff with the permission."""
        return bool(request.user.is_staff and request.user.has_perm(self.view_permission))
