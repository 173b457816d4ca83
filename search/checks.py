"""System checks: settings of the API that would fail only when someone asks."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from embeddings import model_files
from embeddings.exceptions import ModelUnavailableError
from search.api.throttles import parse_rate

RATES = (
    "SEARCH_THROTTLE_ANON",
    "SEARCH_THROTTLE_USER",
    "SEARCH_THROTTLE_BATCH",
    "SEARCH_THROTTLE_SUGGEST",
    "SEARCH_THROTTLE_EVENTS",
)


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


@register()
def check_rerank_model(**kwargs: Any) -> list[CheckMessage]:
    """A rerank model that is named by its folder is there."""
    try:
        model_files.resolve(settings.SEARCH_RERANK_MODEL)
    except ModelUnavailableError as error:
        hint = "Name a folder or a model of the hub in SEARCH_RERANK_MODEL, or nothing."
        return [Error(f"SEARCH_RERANK_MODEL: {error}", hint=hint, id="search.E002")]
    return []


@register()
def check_search_log(**kwargs: Any) -> list[CheckMessage]:
    """The share of searches that is logged is one, and they are kept for a while."""
    messages: list[CheckMessage] = []
    if not 0 <= settings.SEARCH_LOG_SAMPLE <= 1:
        text = f"SEARCH_LOG_SAMPLE: {settings.SEARCH_LOG_SAMPLE} is no share."
        messages.append(Error(text, hint="Use a number from 0 to 1, such as 0.1.", id="search.E003"))
    if settings.SEARCH_LOG_RETENTION_DAYS < 1:
        text = f"SEARCH_LOG_RETENTION_DAYS: {settings.SEARCH_LOG_RETENTION_DAYS} days are too few."
        hint = "Use a whole number of days from 1 on; SEARCH_LOG=false keeps no search at all."
        messages.append(Error(text, hint=hint, id="search.E004"))
    return messages
