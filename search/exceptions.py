"""What can be wrong with a query."""

from collections.abc import Sequence

# Of many SKUs that are unknown so many are named.
MOST_NAMED = 20


class SearchError(Exception):
    """Base of all errors of this app; `status` is what HTTP calls it."""

    status = 400


class InvalidQueryError(SearchError):
    """A query that cannot be answered as asked. `errors` maps each bad parameter to what to change."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__("; ".join(f"{name}: {' '.join(texts)}" for name, texts in errors.items()))
        self.errors = errors


class ProductNotFoundError(SearchError):
    """There is no active product with this SKU, or with each of these."""

    status = 404

    def __init__(self, *skus: str) -> None:
        super().__init__(_missing(skus))
        self.skus = skus


def _missing(skus: Sequence[str]) -> str:
    """What to say of SKUs, of which not all are named where there are many."""
    named = [f"“{sku}”" for sku in skus[:MOST_NAMED]]
    if len(skus) > MOST_NAMED:
        named.append(f"{len(skus) - MOST_NAMED:,} more")
    if len(named) == 1:
        return f"There is no product with the SKU {named[0]}."
    return f"There are no products with the SKUs {', '.join(named[:-1])} and {named[-1]}."


class LabError(SearchError):
    """Something that cannot be done in the search lab, and what to do instead; `problems` name single rows."""

    def __init__(self, text: str, problems: list[str] | None = None) -> None:
        super().__init__(text)
        self.problems = problems or []


class RerankUnavailableError(SearchError):
    """The best products cannot be reranked, now; they stay in the order of fusion."""

    status = 503


class EncodingUnavailableError(SearchError):
    """The query has no vector, now; the search answers from keywords."""

    status = 503
