"""What staff decide about search, and what they see of it."""

from search.analytics import admin as analytics
from search.lab import admin as lab
from search.lab import list_admin, run_admin
from search.merchandising import admin as merchandising

__all__ = ["analytics", "lab", "list_admin", "merchandising", "run_admin"]
