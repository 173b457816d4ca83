"""Form widgets for rules."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.widgets import AutocompleteSelect


class KnownSelect(AutocompleteSelect):
    """A chooser that is told the object it shows, where Django's own fetches one for every chooser of a page."""

    known: Any = None

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        """See AutocompleteSelect."""
        if self.known is None or list(value) != [str(self.known.pk)]:
            return super().optgroups(name, value, attr)
        groups = super().optgroups(name, [], attr)
        groups[0][1].append(self.create_option(name, self.known.pk, str(self.known), True, len(groups[0][1])))
        return groups
