"""What staff decide about search, and what they see of it."""

from search.analytics import admin as analytics
from search.merchandising import admin as merchandising

__all__ = ["analytics", "merchandising"]
