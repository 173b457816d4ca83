"""What a process keeps of the whole catalogue for some seconds."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from search import facets, kept
from search.kept import Kept


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """1, 2, 3 for one reading after the other."""
    return iter(range(1, 100))


def test_it_is_read_again_after_a_while_or_when_it_is_forgotten(
    readings: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = Kept(lambda: next(readings))
    assert [number.value(), number.value()] == [1, 1]
    number.forget()
    assert number.value() == 2
    number = Kept(lambda: next(readings))
    monkeypatch.setattr(kept, "KEPT_FOR_S", 0.0)
    assert [number.value(), number.value()] == [3, 4]


def test_who_asks_while_it_is_read_anew_gets_the_last_one(
    readings: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def read() -> int:
        number = next(readings)
        if number > 1:
            began.set()
            go_on.wait(10)
        return number

    monkeypatch.setattr(kept, "KEPT_FOR_S", 0.0)
    number = Kept(read)
    assert number.value() == 1
    answers: list[int] = []
    reader = threading.Thread(target=lambda: answers.append(number.value()))
    reader.start()
    assert began.wait(10)
    assert number.value() == 1
    go_on.set()
    reader.join(10)
    assert answers == [2]


def test_a_failure_is_not_kept(readings: Iterator[int]) -> None:
    number = Kept(lambda: 6 // (next(readings) - 1))
    with pytest.raises(ZeroDivisionError):
        number.value()
    assert number.value() == 6


@pytest.mark.django_db
def test_facets_of_the_whole_catalogue_are_kept_and_those_of_a_part_are_not(
    make_product: Any, make_category: Any, client: Client
) -> None:
    product = make_product("Claw hammer", brand="Voltarr", category=make_category("Tools"))

    def counts(**params: str) -> dict[str, int]:
        answer = client.get("/api/search/", {"q": "", "facets": "category,brand", **params}).json()
        assert answer["total"] == len(answer["results"])
        return {value["value"]: value["count"] for values in answer["facets"].values() for value in values}

    slug = product.category.slug
    first = {slug: 1, "Voltarr": 1}
    assert counts() == counts(category=slug) == first
    make_product("Sledge hammer", brand="Voltarr", category=product.category)
    assert counts() == first
    assert counts(category=slug) == {slug: 1, "Voltarr": 2}  # of categories, the others are beside it
    facets.forget()
    assert counts() == counts(category=slug) == {slug: 2, "Voltarr": 2}


@pytest.mark.django_db
def test_a_new_category_is_among_the_facets_at_once(
    make_product: Any, make_category: Any, client: Client
) -> None:
    def categories(**params: str) -> dict[str, int]:
        answer = client.get("/api/search/", {"facets": "category", **params}).json()
        return {value["value"]: value["count"] for value in answer["facets"]["category"]}

    make_product("Claw hammer", category=make_category("Tools"))
    assert categories(q="hammer") == categories(q="") == {"tools": 1}
    make_category("Empty")
    assert categories(q="", category="empty") == {"tools": 1, "empty": 0}
    make_product("Sledge hammer", category=make_category("Tools", "Heavy"))
    assert categories(q="hammer") == {"tools": 2, "heavy": 1}
