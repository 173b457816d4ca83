"""What staff decide about search."""

from django.contrib import admin

from search.analytics import admin as analytics_admin  # noqa: F401 - registers the analytics
from search.models import Synonym


@admin.register(Synonym)
class SynonymAdmin(admin.ModelAdmin):
    """Words that mean the same."""

    list_display = ["term", "means", "both_ways"]
    list_filter = ["both_ways"]
    search_fields = ["term", "means"]
    ordering = ["term", "means"]
