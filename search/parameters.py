"""From request parameters to a query: the only door, for the API and the storefront alike."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from django import forms
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from search.exceptions import InvalidQueryError, ProductNotFoundError
from search.forms import DEFAULT_SIMILAR, FilterForm, ManyField, SearchForm, SimilarForm, existing_categories
from search.query import MAX_BATCH, Filters, Fusion, Mode, SearchQuery, SimilarQuery

Errors = dict[str, list[str]]


class Parameters(Protocol):
    """What request.GET is: several texts under one name."""

    def __iter__(self) -> Iterator[str]: ...

    def getlist(self, key: str) -> list[str]: ...


def parse_search(
    params: Parameters, *, strict: bool = False, known_categories: frozenset[str] | None = None
) -> SearchQuery:
    """Return the query that `params` ask for.

    `strict` refuses names that mean nothing here, as the API does; a page must live with `utm_source`.
    `known_categories` are slugs already known to exist; without them the database is asked.
    Raises InvalidQueryError.
    """
    values = _cleaned(SearchForm, params, strict, known_categories)
    return SearchQuery(
        text=values["q"],
        mode=Mode(values["mode"] or Mode.HYBRID),
        filters=_filters(values),
        min_score=values["min_score"],
        facets=values["facets"],
        explain=values["explain"],
        page=values["page"],
        page_size=values["page_size"],
        fusion=Fusion(values["fusion"]) if values["fusion"] else None,
    )


def parse_similar(sku: str, params: Parameters, *, strict: bool = False) -> SimilarQuery:
    """Return the query for products like `sku`; see `parse_search`.

    Raises InvalidQueryError, and ProductNotFoundError for a SKU that no product can have.
    """
    if _flaw(sku):
        raise ProductNotFoundError(sku)
    values = _cleaned(SimilarForm, params, strict, None)
    return SimilarQuery(
        sku=sku,
        filters=_filters(values),
        limit=values["limit"] or DEFAULT_SIMILAR,
        same_category=values["same_category"],
        price_tolerance=values["price_tolerance"],
        min_score=values["min_score"],
        diversity=values["diversity"] or 0.0,
        explain=values["explain"],
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
    slugs = {slug for one in params.values() for slug in one.getlist("category") if _flaw(slug) is None}
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


def check_names(params: Parameters, known: Iterable[str]) -> Errors:
    """Errors for names that are not `known`, each with the nearest one that is: a typo must not drop a filter."""
    names = sorted(known)
    return {name: [_unknown(name, names)] for name in params if name not in names}


def check_texts(params: Parameters, repeatable: Iterable[str] = ()) -> Errors:
    """Errors for texts that no database can hold, and for names given twice that stand for one value."""
    errors: Errors = {}
    for name in params:
        texts = params.getlist(name)
        if flaw := next((flaw for text in (name, *texts) if (flaw := _flaw(text))), None):
            errors[name] = [flaw]
        elif len(texts) > 1 and name not in repeatable:
            errors[name] = ["Give this parameter once."]
    return errors


def _cleaned(
    form_class: type[FilterForm], params: Parameters, strict: bool, known_categories: frozenset[str] | None
) -> dict[str, Any]:
    """The form's values for these parameters. Raises InvalidQueryError with everything that is wrong."""
    fields = form_class.base_fields
    repeatable = {name for name, field in fields.items() if isinstance(field, ManyField)}
    errors = check_names(params, fields) if strict else {}
    errors |= check_texts(params, repeatable) if strict else _only(check_texts(params, repeatable), fields)
    data = QueryDict(mutable=True)
    for name in fields:
        if name not in errors and (texts := params.getlist(name)):
            data.setlist(name, texts)
    form = form_class(data, known_categories=known_categories)
    errors |= form_errors(form)
    if errors:
        raise InvalidQueryError(errors)
    return form.cleaned_data


def form_errors(form: forms.BaseForm) -> Errors:
    """What a form found wrong, as plain texts by field."""
    return {name: [str(text) for text in texts] for name, texts in form.errors.items()}


def _filters(values: Mapping[str, Any]) -> Filters:
    return Filters(
        categories=values["category"],
        brands=values["brand"],
        price_min=values["price_min"],
        price_max=values["price_max"],
    )


def _only(errors: Errors, names: Iterable[str]) -> Errors:
    return {name: errors[name] for name in names if name in errors}


def _flaw(text: str) -> str | None:
    """Why PostgreSQL could not take this text, if it could not."""
    if "\x00" in text:
        return "Null characters are not allowed."
    try:
        text.encode()
    except UnicodeEncodeError:
        return "The text is not valid Unicode."
    return None


def _unknown(name: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(name[:100], known, n=1)
    hint = f"did you mean “{nearest[0]}”?" if nearest else f"use {', '.join(known)}."
    return f"There is no such parameter; {hint}"


def _batch_items(body: Any) -> list[Any]:
    """The items of a batch's body. Raises InvalidQueryError."""
    if not isinstance(body, dict):
        raise InvalidQueryError({"": ['Send an object such as {"queries": ["drill", "saw"]}.']})
    if others := [str(name) for name in body if name != "queries"]:
        raise InvalidQueryError({name: [_unknown(name, ["queries"])] for name in others})
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
