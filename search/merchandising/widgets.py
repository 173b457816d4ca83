"""Form widgets for rules."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.widgets import AutocompleteSelect


class KnownSelect(AutocompleteSelect):
    """A chooser that is told the object it shows, where Django's own fetches one for every chooser of a page."""

    known: Any = None

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        """See AutocompleteSelect."""
        chosen = [one for one in value if one]
        if chosen and (self.known is None or chosen != [str(self.known.pk)]):
            return super().optgroups(name, value, attr)
        options = [] if self.is_required else [self.create_option(name, "", "", False, 0)]
        if chosen:
            options.append(self.create_option(name, self.known.pk, str(self.known), True, len(options)))
        return [(None, options, 0)]
