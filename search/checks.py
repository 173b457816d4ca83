"""System checks: settings of the API that would fail only when someone asks."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from search.api.throttles import parse_rate

RATES = ("SEARCH_THROTTLE_ANON", "SEARCH_THROTTLE_USER", "SEARCH_THROTTLE_BATCH", "SEARCH_THROTTLE_SUGGEST")


@register()
def check_throttles(**kwargs: Any) -> list[CheckMessage]:
    """Every rate can be read."""
    messages: list[CheckMessage] = []
    for name in RATES:
        try:
            parse_rate(getattr(settings, name))
        except ValueError as error:
            messages.append(
                Error(
                    f"{name}: {error}", hint="Use 300/min, 10/sec, or nothing for no limit.", id="search.E001"
                )
            )
    return messages
