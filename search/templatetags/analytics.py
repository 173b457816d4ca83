"""How the analytics write figures."""

from django import template

register = template.Library()

NONE = "–"


@register.filter
def share(value: float | None) -> str:
    """A share as a percentage: 0.125 is "12.5 %"; small ones are not rounded away."""
    if value is None:
        return NONE
    percent = 100 * value
    return f"{percent:.1f} %" if 0 < percent < 10 or 99 < percent < 100 else f"{percent:.0f} %"


@register.filter
def milliseconds(value: float | None) -> str:
    """A duration: "7.4 ms", "1,250 ms"."""
    if value is None:
        return NONE
    return f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"
