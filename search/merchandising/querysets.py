"""Rules by what staff and search ask of them."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from search.merchandising.models import CurationRule  # noqa: F401 - named in strings below


class CurationRuleQuerySet(models.QuerySet["CurationRule"]):
    """Rules by how they stand at a time."""

    def in_state(self, state: str, now: datetime) -> "CurationRuleQuerySet":
        """Rules in a state; the same rule as `CurationRule.get_state`."""
        if state == "off":
            return self.filter(is_active=False)
        over = Q(valid_to__isnull=False, valid_to__lte=now)
        if state == "expired":
            return self.filter(over, is_active=True)
        coming = Q(valid_from__isnull=False, valid_from__gt=now)
        if state == "scheduled":
            return self.filter(~over, coming, is_active=True)
        return self.filter(~over, ~coming, is_active=True)

    def not_over(self, now: datetime) -> "CurationRuleQuerySet":
        """Rules that are switched on and valid now or later."""
        return self.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=now), is_active=True)
