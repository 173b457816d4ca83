"""What staff decide about search."""

from search.merchandising import admin

__all__ = ["admin"]
