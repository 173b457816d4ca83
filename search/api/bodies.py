"""From JSON bodies to plain values: several searches at once, products like several others, an event."""

from typing import Any

from django.utils.datastructures import MultiValueDict

from search.analytics import ids
from search.analytics.events import Event
from search.api.forms import DEFAULT_SIMILAR, SeedForm, existing_categories
from search.api.parameters import Errors, cleaned, filters_of, flaw_of, parse_search, unknown_name
from search.exceptions import InvalidQueryError
from search.models import SearchEvent
from search.query import MAX_BATCH, MAX_DEPTH, SearchQuery, Seed, SeedQuery

MAX_SEEDS = 20
MAX_WEIGHT = 100
MAX_EVENT_BYTES = 4_096
EVENT_FIELDS = ("search_id", "kind", "sku", "position")
_SEED_HINT = (
    f'Give a SKU, or {{"sku": "A-1", "weight": 0.5}} with a weight from -{MAX_WEIGHT} to {MAX_WEIGHT}.'
)


def parse_batch(body: Any) -> list[SearchQuery]:
    """Return the queries of a batch: `{"queries": ["text", {"q": "text", "mode": "keyword"}]}`.

    Raises InvalidQueryError, whose fields read like `queries[3].mode`.
    """
    given = _batch_items(body)
    errors: Errors = {}
    params: dict[int, MultiValueDict[str, str]] = {}
    for index, item in enumerate(given):
        try:
            params[index] = _params_of(item)
        except InvalidQueryError as error:
            errors |= _under(f"queries[{index}]", error.errors)
    slugs = {slug for one in params.values() for slug in one.getlist("category") if flaw_of(slug) is None}
    known = existing_categories(slugs)
    queries = []
    for index, one in params.items():
        try:
            queries.append(parse_search(one, strict=True, known_categories=known))
        except InvalidQueryError as error:
            errors |= _under(f"queries[{index}]", error.errors)
    if errors:
        raise InvalidQueryError(errors)
    return queries


def parse_seeds(body: Any) -> SeedQuery:
    """Return the query of `{"seeds": ["A-1", {"sku": "B-2", "weight": -0.5}], "limit": 5, ...}`.

    Raises InvalidQueryError.
    """
    if not isinstance(body, dict):
        raise InvalidQueryError({"": ['Send an object such as {"seeds": ["A-1", "B-2"]}.']})
    errors: Errors = {}
    try:
        values = cleaned(SeedForm, _params_of({k: v for k, v in body.items() if k != "seeds"}), strict=True)
    except InvalidQueryError as error:
        errors |= error.errors
    try:
        seeds = _seeds(body.get("seeds"))
    except InvalidQueryError as error:
        errors |= error.errors
    if errors:
        raise InvalidQueryError(errors)
    return SeedQuery(
        seeds=seeds,
        filters=filters_of(values),
        limit=values["limit"] or DEFAULT_SIMILAR,
        min_score=values["min_score"],
        diversity=values["diversity"] or 0.0,
    )


def parse_event(body: Any) -> Event:
    """Return the event of `{"search_id": "...", "kind": "click", "sku": "A-1", "position": 3}`.

    Raises InvalidQueryError, also for an id that was not handed out with a search, or too long ago.
    """
    if not isinstance(body, dict):
        hint = 'Send an object such as {"search_id": "...", "kind": "click", "sku": "A-1"}.'
        raise InvalidQueryError({"": [hint]})
    errors: Errors = {
        name: [unknown_name(name, sorted(EVENT_FIELDS))] for name in body if name not in EVENT_FIELDS
    }
    kind, sku, position = body.get("kind"), body.get("sku"), body.get("position")
    if kind not in SearchEvent.Kind.values:
        errors["kind"] = [f"Use {', '.join(SearchEvent.Kind.values)}."]
    if not isinstance(sku, str) or not sku:
        errors["sku"] = ["Give the SKU of a product."]
    elif flaw := flaw_of(sku):
        errors["sku"] = [flaw]
    if position is not None and (type(position) is not int or not 1 <= position <= MAX_DEPTH):
        errors["position"] = [f"Give a whole number from 1 to {MAX_DEPTH}, or leave it out."]
    try:
        search_id = ids.unsign(str(body.get("search_id")))
    except ValueError:
        errors["search_id"] = ["Give the search_id of an answer as it is; after some days it expires."]
    if errors:
        raise InvalidQueryError(errors)
    return Event(search_id, str(kind), str(sku), position)


def _seeds(given: Any) -> tuple[Seed, ...]:
    """The seeds of a body. Raises InvalidQueryError."""
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_SEEDS:
        raise InvalidQueryError({"seeds": [f"Give a list of 1 to {MAX_SEEDS} products."]})
    errors: Errors = {}
    seeds: dict[str, Seed] = {}
    for index, item in enumerate(given):
        seed = _seed(item)
        if seed is None:
            errors[f"seeds[{index}]"] = [_SEED_HINT]
        elif flaw := flaw_of(seed.sku):
            errors[f"seeds[{index}].sku"] = [flaw]
        elif seed.sku in seeds:
            errors[f"seeds[{index}].sku"] = ["This product is a seed already."]
        else:
            seeds[seed.sku] = seed
    if not errors and all(seed.weight <= 0 for seed in seeds.values()):
        errors["seeds"] = ["At least one product must have a weight above 0."]
    if errors:
        raise InvalidQueryError(errors)
    return tuple(seeds.values())


def _seed(item: Any) -> Seed | None:
    """One seed of a body, or None where it is none."""
    match {"sku": item} if isinstance(item, str) else item:
        case {"sku": str(sku), **others} if others.keys() <= {"weight"}:
            weight: Any = others.get("weight", 1)
            if isinstance(weight, int | float) and weight is not True and abs(weight) <= MAX_WEIGHT:
                return Seed(sku, float(weight))
    return None


def _batch_items(body: Any) -> list[Any]:
    """The items of a batch's body. Raises InvalidQueryError."""
    if not isinstance(body, dict):
        raise InvalidQueryError({"": ['Send an object such as {"queries": ["drill", "saw"]}.']})
    if others := [name for name in body if name != "queries"]:
        raise InvalidQueryError({name: [unknown_name(name, ["queries"])] for name in others})
    queries = body.get("queries")
    if not isinstance(queries, list):
        raise InvalidQueryError({"queries": ["Give a list of queries."]})
    if not 1 <= len(queries) <= MAX_BATCH:
        raise InvalidQueryError({"queries": [f"Give 1 to {MAX_BATCH} queries, not {len(queries)}."]})
    return queries


def _params_of(item: Any) -> "MultiValueDict[str, str]":
    """One item of a batch as the parameters of a search. Raises InvalidQueryError."""
    if isinstance(item, str):
        return MultiValueDict({"q": [item]})
    if not isinstance(item, dict):
        raise InvalidQueryError({"": ["Give a text, or an object with the parameters of a search."]})
    params: MultiValueDict[str, str] = MultiValueDict()
    errors: Errors = {}
    for name, value in item.items():
        values = value if isinstance(value, list) else [value]
        if all(isinstance(one, str | int | float) for one in values):
            params.setlist(name, [_text(one) for one in values])
        elif value is not None:
            errors[name] = ["Give a text, a number, true, false, or a list of texts."]
    if errors:
        raise InvalidQueryError(errors)
    return params


def _text(value: str | int | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _under(prefix: str, errors: Errors) -> Errors:
    return {f"{prefix}.{name}" if name else prefix: texts for name, texts in errors.items()}
