"""What the storefront's templates can say beyond Django's own tags."""

from typing import Any

from django import template
from django.conf import settings

from search.storefront import formats
from search.storefront.placeholders import Placeholder, placeholder

register = template.Library()
register.filter(formats.money)
register.filter(formats.percent)
register.filter(formats.attribute_name)
register.filter(formats.attribute_value)
register.filter(formats.rule_action)


@register.simple_tag
def shop_name() -> str:
    """Name of the shop; a tag, because error pages are rendered without a context."""
    return settings.SHOP_NAME


@register.inclusion_tag("storefront/_picture.html")
def picture(fields: dict[str, Any], eager: bool = False) -> dict[str, Any]:
    """Show a product's picture above its placeholder, which shows where there is none or it does not load."""
    path = (fields.get("category") or {}).get("path", "")
    return {
        "stand_in": placeholder(fields["sku"], fields["name"], path),
        "address": formats.picture_address(fields.get("image_url")),
        "loading": "eager" if eager else "lazy",
    }


@register.simple_tag
def category_placeholder(name: str, path: str) -> Placeholder:
    """The stand-in for a category, in the colour that its products have."""
    return placeholder(path, name, path)
