"""Form widgets for rules."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.widgets import AutocompleteSelect
from django.forms.renderers import BaseRenderer, get_default_renderer
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


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


class PlainRenderer(BaseRenderer):
    """Writes inputs and selects as Django's templates do, without templates: a rule has hundreds of them."""

    INPUTS = frozenset(
        f"django/forms/widgets/{kind}.html" for kind in ("checkbox", "hidden", "number", "text")
    )
    SELECT = "django/forms/widgets/select.html"

    def render(self, template_name: str, context: dict[str, Any], request: Any = None) -> str:
        """See BaseRenderer."""
        if template_name in self.INPUTS:
            return _input(context["widget"])
        if template_name == self.SELECT:
            return _select(context["widget"])
        return get_default_renderer().render(template_name, context, request)


def _input(widget: dict[str, Any]) -> SafeString:
    attributes = {} if widget["value"] is None else {"value": widget["value"]}
    attributes |= widget["attrs"]
    return format_html('<input type="{}" name="{}"{}>', widget["type"], widget["name"], flatatt(attributes))


def _select(widget: dict[str, Any]) -> SafeString:
    options = [option for _, options, _ in widget["optgroups"] for option in options]
    written = format_html_join(
        "",
        '<option value="{}"{}>{}</option>',
        ((option["value"], flatatt(option["attrs"]), option["label"]) for option in options),
    )
    return format_html('<select name="{}"{}>{}</select>', widget["name"], flatatt(widget["attrs"]), written)
