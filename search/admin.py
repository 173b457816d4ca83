"""What staff decide about search."""

from django.contrib import admin

from search.lab import admin as lab_admin
from search.lab import list_admin, run_admin
from search.models import Synonym

__all__ = ["SynonymAdmin", "lab_admin", "list_admin", "run_admin"]


@admin.register(Synonym)
class SynonymAdmin(admin.ModelAdmin):
    """Words that mean the same."""

    list_display = ["term", "means", "both_ways"]
    list_filter = ["both_ways"]
    search_fields = ["term", "means"]
    ordering = ["term", "means"]
