"""Rules and their actions in words, for staff."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils.html import format_html
from django.utils.safestring import SafeString

from search.merchandising.models import CurationAction, CurationRule

SHOWN_ACTIONS = 3


@dataclass(frozen=True)
class Look:
    """How a state looks: an icon, a style and what it means; never colour alone."""

    icon: str
    style: str
    meaning: str


LOOKS = {
    CurationRule.State.ACTIVE: Look("✓", "ready", "Searches use it now."),
    CurationRule.State.SCHEDULED: Look("…", "pending", "Its time is still to come."),
    CurationRule.State.EXPIRED: Look("✕", "stale", "Its time is over."),
    CurationRule.State.OFF: Look("–", "inactive", "It is switched off."),
}


def badge(state: CurationRule.State) -> SafeString:
    """HTML of a state."""
    look = LOOKS[state]
    return format_html(
        '<span class="embedding-badge embedding-badge--{}" title="{}"><span aria-hidden="true">{}</span> {}</span>',
        look.style,
        look.meaning,
        look.icon,
        state.label,
    )


def used(one: Any) -> SafeString | str:
    """In how many searches a rule or a synonym was used, and when last."""
    use = getattr(one, "use", None)
    if use is None:
        return "none yet"
    return format_html("{}<br>{}", f"{use.searches:,}", naturaltime(use.last_used_at))


def trigger(rule: CurationRule) -> str:
    """When a rule is used."""
    category = f"“{rule.category}”" if rule.category else ""
    exact = rule.match == CurationRule.Match.EXACT
    if not rule.query:
        return f"Browsing {category}" if exact else f"Browsing {category} and every search in it"
    query = f"Query {'is' if exact else 'contains'} “{rule.query}”"
    return f"{query}, within {category}" if category else query


def action(one: CurationAction) -> str:
    """What an action does."""
    if one.product is not None:
        target = f"“{one.product}”"
    else:
        target = f"category “{one.category}”" if one.category else f"brand “{one.brand}”"
    if one.kind == CurationAction.Kind.PIN:
        return f"Pin {target} to {one.position}"
    if one.kind == CurationAction.Kind.HIDE:
        return f"Hide {target}"
    return f"{one.kind.capitalize()} {target} × {one.factor:g}"


def actions(rule: CurationRule) -> list[str]:
    """What a rule does, shortened where it is much."""
    found = list(rule.actions.all())
    said = [action(one) for one in found[:SHOWN_ACTIONS]]
    if len(found) > SHOWN_ACTIONS:
        said.append(f"and {len(found) - SHOWN_ACTIONS} more")
    return said


def warnings(found: Sequence[CurationAction]) -> list[str]:
    """Why a rule does less than it says."""
    if not found:
        return ["It does nothing: no action is left."]
    idle = [
        one.product
        for one in found
        if one.kind == CurationAction.Kind.PIN and one.product is not None and not one.product.is_active
    ]
    return [f"“{product}” is not active, so it is not shown." for product in idle]
