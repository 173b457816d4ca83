"""How the storefront writes prices, scores and attributes for people."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.utils.formats import number_format

SYMBOLS = {
    "AUD": "A$",
    "BRL": "R$",
    "CAD": "CA$",
    "CNY": "CN¥",
    "EUR": "€",
    "GBP": "£",
    "ILS": "₪",
    "INR": "₹",
    "JPY": "¥",
    "KRW": "₩",
    "MXN": "MX$",
    "NZD": "NZ$",
    "PHP": "₱",
    "TRY": "₺",
    "UAH": "₴",
    "USD": "$",
    "VND": "₫",
}
WITHOUT_MINOR_UNIT = frozenset({"CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF"})
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"


def money(price: Decimal | str | float | None, currency: str, *, short: bool = False) -> str:
    """Write an amount of money, such as `€1,299.00`; a product without a price is sold on request.

    Where `short`, a whole amount is written without its decimals.
    """
    if price is None or price == "":
        return "Price on request"
    value = Decimal(str(price))
    places = 0 if currency in WITHOUT_MINOR_UNIT or (short and value == value.to_integral_value()) else 2
    amount = number_format(value, decimal_pos=places, use_l10n=True, force_grouping=True)
    symbol = SYMBOLS.get(currency)
    return f"{symbol}{amount}" if symbol else f"{currency}{NO_BREAK_SPACE}{amount}"


def price_range(lowest: Decimal | str | None, highest: Decimal | str | None, currency: str) -> str:
    """Write a range of prices, either end of which may be open; "" where both are."""
    if lowest is not None and highest is not None:
        return f"{money(lowest, currency, short=True)} – {money(highest, currency, short=True)}"
    if lowest is not None:
        return f"{money(lowest, currency, short=True)} and more"
    return f"Up to {money(highest, currency, short=True)}" if highest is not None else ""


def percent(score: float | None) -> int:
    """Turn a score of 0..1 into whole percent."""
    return round(100 * min(max(score or 0.0, 0.0), 1.0))


def attribute_name(name: str) -> str:
    """Write the name of an attribute for people: `max_speed` -> `Max speed`."""
    words = " ".join(str(name).replace("_", " ").split())
    return words[:1].upper() + words[1:]


def attribute_value(value: str | float | bool | None) -> str:
    """Write the value of an attribute for people: yes and no, and no needless decimals."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def attribute_text(text: str) -> str:
    """Write the text of an attribute's value for people: yes and no."""
    return {"true": "Yes", "false": "No"}.get(text, text)


def rule_action(rule: Mapping[str, Any]) -> str:
    """Say what a rule of the shop did to a hit, from its explanation: `pinned to 1`, `boosted × 2`."""
    if rule["action"] == "pin":
        return f"pinned to {rule['position']}"
    return f"{'boosted' if rule['action'] == 'boost' else 'buried'} × {rule['factor']:g}"


def picture_address(url: str | None) -> str:
    """Return the address of a picture if a browser may load it, else nothing: only http and https are shown."""
    try:
        parts = urlsplit(url or "")
    except ValueError:  # a broken IPv6 host
        return ""
    return url if url and parts.scheme in {"http", "https"} and parts.netloc else ""
