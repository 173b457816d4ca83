"""A price within the words of a query: “headphones under 50”.

English, German, French, Spanish, Italian and Dutch. What is not sure to be a price stays what it is, a word.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from django.conf import settings

from search.query import SearchQuery

# Without a currency, a smaller number is more likely an age, a size or a count: toys for kids under 10.
LEAST_WITHOUT_CURRENCY = 20

# How each currency is written, beside its code. “Pounds” are weighed, too.
_NAMES = {
    "AUD": ("a$", "$", "dollars", "dollar"),
    "BRL": ("r$", "reais"),
    "CAD": ("ca$", "c$", "$", "dollars", "dollar"),
    "CHF": ("sfr", "fr", "franken", "francs"),
    "CZK": ("kč", "kc"),
    "DKK": ("kr", "kroner"),
    "EUR": ("€", "euros", "euro"),
    "GBP": ("£", "quid"),
    "INR": ("₹", "rs", "rupees"),
    "JPY": ("¥", "yen"),
    "NOK": ("kr", "kroner"),
    "NZD": ("nz$", "$", "dollars", "dollar"),
    "PLN": ("zł", "zl"),
    "SEK": ("kr", "kronor"),
    "TRY": ("₺", "tl", "lira"),
    "USD": ("us$", "$", "dollars", "dollar", "bucks"),
}

# Words before a price that say what it is; the first ones say it of a number without a currency too.
_CHEAPER = (
    "under", "below", "less than", "cheaper than", "unter", "weniger als", "billiger als", "günstiger als",
    "moins de", "moins cher que", "menos de", "meno di", "onder", "minder dan", "goedkoper dan",
)  # fmt: skip
_AT_MOST = (
    "up to", "at most", "no more than", "max", "maximum", "bis", "bis zu", "höchstens", "maximal", "max.",
    "jusqu'à", "au maximum", "hasta", "como máximo", "fino a", "al massimo", "tot", "hoogstens",
)  # fmt: skip
_AT_LEAST = (
    "over", "above", "more than", "at least", "from", "über", "ab", "mindestens", "mehr als", "plus de",
    "à partir de", "au moins", "más de", "desde", "al menos", "più di", "almeno", "oltre", "meer dan", "vanaf",
    "minstens",
)  # fmt: skip
_BETWEEN = ("between", "from", "zwischen", "von", "entre", "tra", "da", "tussen", "van")
_AND = ("and", "to", "und", "bis", "et", "à", "y", "a", "e", "en", "tot", "-", "–")
# What leads to the words above, and says nothing without them: a gift for under 30.
_LEADING = ("for", "für", "pour", "por", "per", "voor", "costs", "costing", "priced")
_GROUPED = r"\d{1,3}(?:[.,']\d{3})+"  # thousands
_AMOUNT = rf"(?:{_GROUPED}|\d{{1,9}})(?:[.,]\d{{1,2}})?"


@dataclass(frozen=True)
class PricedText:
    """A text without its price, and the price: both ends included, None where there is no end."""

    text: str
    price_min: Decimal | None = None
    price_max: Decimal | None = None


def with_price(query: SearchQuery) -> SearchQuery:
    """The query with the price that its words ask for as a filter; one that is set already goes before."""
    found = priced(query.text, settings.DEFAULT_CURRENCY) if settings.SEARCH_PRICE_WORDS else None
    if found is None:
        return query
    filters = query.filters
    if filters.price_min is None and filters.price_max is None:
        filters = replace(filters, price_min=found.price_min, price_max=found.price_max)
    return replace(query, text=found.text, filters=filters)


def priced(text: str, currency: str) -> PricedText | None:
    """The price that a text asks for, in a shop of this currency (ISO 4217); None where it asks for none.

    >>> priced("headphones under €50", "EUR")
    PricedText(text='headphones', price_min=None, price_max=Decimal('50'))
    """
    if '"' in text or not any(map(str.isdigit, text)):
        return None
    between, single = _patterns(currency)
    if (match := between.search(text)) and _has_currency(match):
        lowest, highest = sorted((_amount(match["number"]), _amount(match["other"])))
        return PricedText(_without(text, match), lowest, highest)
    if (match := single.search(text)) and (_has_currency(match) or _is_sure(text, match)):
        amount, rest = _amount(match["number"]), _without(text, match)
        return PricedText(rest, amount, None) if match["at_least"] else PricedText(rest, None, amount)
    return None


@lru_cache(maxsize=8)
def _patterns(currency: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What finds a price with two ends, and one with one end."""
    names = _any_of((currency, *_NAMES.get(currency, ())))
    leading, ends = rf"(?<!\S)(?:(?:{_any_of(_LEADING)})\s+)?", r"(?=[.,;!?]*(?:\s|$))"

    def amount(name: str, number: int) -> str:
        return rf"(?P<before{number}>{names})?\s?(?P<{name}>{_AMOUNT})\s?(?P<after{number}>{names})?"

    between = (
        rf"(?:(?:{_any_of(_BETWEEN)})\s+)?{amount('number', 1)}\s*(?:{_any_of(_AND)})\s*{amount('other', 2)}"
    )
    what = "|".join(
        f"(?P<{name}>{_any_of(words)})"
        for name, words in (("cheaper", _CHEAPER), ("at_most", _AT_MOST), ("at_least", _AT_LEAST))
    )
    single = rf"(?:{what})\s+{amount('number', 1)}"
    return (
        re.compile(leading + between + ends, re.IGNORECASE),
        re.compile(leading + single + ends, re.IGNORECASE),
    )


def _any_of(words: Iterable[str]) -> str:
    return "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in sorted(words, key=len, reverse=True))


def _has_currency(match: re.Match[str]) -> bool:
    return any(text for name, text in match.groupdict().items() if name.startswith(("before", "after")))


def _is_sure(text: str, match: re.Match[str]) -> bool:
    """Whether a number without a currency is a price: nothing follows that it could be of."""
    is_last = not text[match.end() :].strip(" .,;!?")
    is_price = bool(match["cheaper"]) and _amount(match["number"]) >= LEAST_WITHOUT_CURRENCY
    return is_last and is_price and bool(_without(text, match))


def _without(text: str, match: re.Match[str]) -> str:
    return " ".join([*text[: match.start()].split(), *text[match.end() :].lstrip(".,;!?").split()])


def _amount(number: str) -> Decimal:
    if grouped := re.match(_GROUPED, number):
        whole = re.sub(r"\D", "", grouped[0])
        return Decimal(whole + number[grouped.end() :].replace(",", "."))
    return Decimal(number.replace(",", "."))
