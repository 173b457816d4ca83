"""From request parameters to a query: the only door, for the API and the storefront alike."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

from django import forms
from django.http import QueryDict

from search.api.forms import (
    DEFAULT_SIMILAR,
    DEFAULT_SUGGESTIONS,
    ManyField,
    SearchForm,
    SimilarForm,
    SuggestForm,
)
from search.exceptions import InvalidQueryError, ProductNotFoundError
from search.query import Filters, Fusion, Mode, Ordering, SearchQuery, SimilarQuery

Errors = dict[str, list[str]]

NOT_UTF8 = "This text cannot be read: it is not UTF-8. Enter it again."


class Parameters(Protocol):
    """What request.GET is: several texts under one name."""

    def __iter__(self) -> Iterator[str]: ...

    def getlist(self, key: str) -> list[str]: ...


def parse_search(
    params: Parameters, *, strict: bool = False, known_categories: frozenset[str] | None = None
) -> SearchQuery:
    """Return the query that `params` ask for.

    `strict` refuses names that mean nothing here, as the API does; a page must live with `utm_source`.
    `known_categories` are the slugs that exist; without them unknown ones are left for the engine to refuse.
    Raises InvalidQueryError.
    """
    values = cleaned(SearchForm, params, strict, known_categories=known_categories)
    return SearchQuery(
        text=values["q"],
        mode=Mode(values["mode"] or Mode.HYBRID),
        filters=filters_of(values),
        min_score=values["min_score"],
        facets=values["facets"],
        explain=values["explain"],
        ordering=Ordering(values["ordering"] or Ordering.RELEVANCE),
        page=values["page"],
        page_size=values["page_size"],
        fusion=Fusion(values["fusion"]) if values["fusion"] else None,
    )


def parse_similar(sku: str, params: Parameters, *, strict: bool = False) -> SimilarQuery:
    """Return the query for products like `sku`; see `parse_search`.

    Raises InvalidQueryError, and ProductNotFoundError for a SKU that no product can have.
    """
    if flaw_of(sku):
        raise ProductNotFoundError(sku)
    values = cleaned(SimilarForm, params, strict)
    return SimilarQuery(
        sku=sku,
        filters=filters_of(values),
        limit=values["limit"] or DEFAULT_SIMILAR,
        same_category=values["same_category"],
        price_tolerance=values["price_tolerance"],
        min_score=values["min_score"],
        diversity=values["diversity"] or 0.0,
        explain=values["explain"],
    )


def parse_suggest(params: Parameters) -> tuple[str, int]:
    """Return what was typed so far, and how many completions are wanted. Raises InvalidQueryError."""
    values = cleaned(SuggestForm, params, strict=True)
    return values["q"], values["limit"] or DEFAULT_SUGGESTIONS


def check_names(params: Parameters, known: Iterable[str]) -> Errors:
    """Errors for names that are not `known`, each with the nearest one that is: a typo must not drop a filter."""
    names = sorted(known)
    return {name: [unknown_name(name, names)] for name in params if name not in names}


def check_texts(params: Parameters, repeatable: Iterable[str] = ()) -> Errors:
    """Errors for texts that no database can hold, and for names given twice that stand for one value."""
    errors: Errors = {}
    for name in params:
        texts = params.getlist(name)
        if flaw := next((flaw for text in (name, *texts) if (flaw := flaw_of(text))), None):
            errors[name] = [flaw]
        elif len(texts) > 1 and name not in repeatable:
            errors[name] = ["Give this parameter once."]
    return errors


def check_encoding(query_string: str) -> Errors:
    """Errors for parameters whose bytes are not UTF-8, by name; Django would read them as replacement characters.

    `query_string` is WSGI's, in which a character stands for a byte.
    """
    # As Latin-1 every byte is a character, so nothing is lost before it is looked at.
    if _is_utf8(unquote(query_string, "latin-1")):
        return {}
    pairs = parse_qsl(query_string, keep_blank_values=True, encoding="latin-1")
    bad = [name for name, text in pairs if not (_is_utf8(name) and _is_utf8(text))]
    return {name.encode("latin-1").decode(errors="replace"): [NOT_UTF8] for name in bad}


def _is_utf8(text: str) -> bool:
    try:
        text.encode("latin-1").decode()
    except UnicodeDecodeError:
        return False
    return True


def cleaned(
    form_class: type[forms.Form], params: Parameters, strict: bool, **form_options: Any
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
    form = form_class(data, **form_options)
    errors |= form_errors(form)
    if errors:
        raise InvalidQueryError(errors)
    return form.cleaned_data


def form_errors(form: forms.BaseForm) -> Errors:
    """What a form found wrong, as plain texts by field."""
    return {name: [str(text) for text in texts] for name, texts in form.errors.items()}


def filters_of(values: Mapping[str, Any]) -> Filters:
    """The filters among a form's values."""
    return Filters(
        categories=values["category"],
        brands=values["brand"],
        price_min=values["price_min"],
        price_max=values["price_max"],
        attributes=values["attribute"],
    )


def _only(errors: Errors, names: Iterable[str]) -> Errors:
    return {name: errors[name] for name in names if name in errors}


def flaw_of(text: str) -> str | None:
    """Why PostgreSQL could not take this text, if it could not."""
    if "\x00" in text:
        return "Null characters are not allowed."
    try:
        text.encode()
    except UnicodeEncodeError:
        return "The text is not valid Unicode."
    return None


def unknown_name(name: str, known: list[str]) -> str:
    """What to say of a name that is none of `known`."""
    if not known:
        return "This address takes no parameters; leave it out, or put it into the body where there is one."
    nearest = difflib.get_close_matches(name[:100], known, n=1)
    hint = f"did you mean “{nearest[0]}”?" if nearest else f"use {', '.join(known)}."
    return f"There is no such parameter; {hint}"
