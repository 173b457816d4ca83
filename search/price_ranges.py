"""Ranges between round prices, from the prices of products."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from search.query import PENNY, Filters
from search.results import FacetValue
from search.statements import Floats, Ids

PRICE_BUCKETS = 5
MOST_DIGITS = 13  # of a price: ten before the point and two behind it
_STEPS = tuple(map(Decimal, ("1", "1.5", "2", "2.5", "3", "4", "5", "6", "8", "10")))


@dataclass(frozen=True)
class Prices:
    """Different prices in ascending order, and how many products have each. The arrays run parallel."""

    values: Floats
    numbers: Ids

    @classmethod
    def of(cls, prices: Floats) -> "Prices":
        """The prices of products; NaN is none."""
        return cls(*np.unique(prices[~np.isnan(prices)], return_counts=True))


def price_ranges(prices: Prices, filters: Filters) -> list[FacetValue]:
    """Ranges that hold about as many products each, between round prices; empty ones are left out."""
    edges = _edges(prices)
    if not edges:
        return []
    # A price of two decimal places and the float next to it stand in the same order among others.
    limits = np.array([float(edge) for edge in edges])
    places = np.searchsorted(limits, prices.values, side="right")
    totals = np.bincount(places, weights=prices.numbers, minlength=len(edges) + 1).astype(int).tolist()
    bounds = zip((Decimal(0), *edges), (*edges, None), totals, strict=True)
    return [_price_range(low, high, number, filters) for low, high, number in bounds if number]


def _price_range(low: Decimal, high: Decimal | None, number: int, filters: Filters) -> FacetValue:
    first, last = f"{low:f}", "" if high is None else f"{high:f}"
    label = f"{first} – {last}" if last else f"{first} +"
    highest = {high, None if high is None else high - PENNY}  # a filter's price_max is still within it
    selected = (filters.price_min or Decimal(0)) == low and filters.price_max in highest and bool(low or high)
    return FacetValue(
        f"{first}-{last}", label, number, selected=selected, price_from=first, price_to=last or None
    )


def _edges(prices: Prices) -> list[Decimal]:
    """Round prices near the quantiles, as round as they can be and still part the products."""
    if len(prices.values) < 2:
        return []
    passed = np.cumsum(prices.numbers)
    quantiles = np.arange(1, PRICE_BUCKETS) * passed[-1]
    at = np.searchsorted(passed * PRICE_BUCKETS, quantiles)
    near = [Decimal(str(price)) for price in prices.values[at].tolist()]
    lowest, highest = float(prices.values[0]), float(prices.values[-1])
    rounded = [round_price(price) for price in near]
    for digits in range(2, MOST_DIGITS):
        if edges := sorted({edge for edge in rounded if lowest < float(edge) <= highest}):
            return edges
        rounded = [_plain(round(price, digits - 1 - price.adjusted())) for price in near]
    return [Decimal(str(highest))]


def _plain(price: Decimal) -> Decimal:
    """Without a fraction where there is none."""
    return price.to_integral_value() if price == price.to_integral_value() else price


def round_price(price: Decimal) -> Decimal:
    """The nearest of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 times a power of ten."""
    if price <= 0:
        return Decimal(0)
    power = Decimal(10) ** price.adjusted()
    nearest = min((step * power for step in _STEPS), key=lambda step: abs(step - price))
    return _plain(nearest)
