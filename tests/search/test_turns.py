"""Searches take turns: in order, so many at a time, and nobody waits for ever."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from search import engine, similar
from search.engine import search_batch, search_products
from search.query import SearchQuery, SimilarQuery
from search.similar import similar_products
from search.turns import Turns

LONG_S = 30.0


class Crowd:
    """Threads that want turns, and what they did."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.order: list[int] = []
        self.inside = self.most_inside = 0
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def come(self, number: int, does: Callable[[], object]) -> None:
        """Have one more thread ask for a turn; return when it has one, or waits for it."""
        waiting = len(self.turns._waiting)
        came = threading.Event()

        def work() -> None:
            with suppress(ZeroDivisionError), self.turns.turn():
                with self._lock:
                    self.order.append(number)
                    self.inside += 1
                    self.most_inside = max(self.inside, self.most_inside)
                came.set()
                try:
                    does()
                finally:
                    with self._lock:
                        self.inside -= 1

        thread = threading.Thread(target=work)
        self._threads.append(thread)
        thread.start()
        while not came.wait(0.001) and len(self.turns._waiting) == waiting:
            pass

    def leave(self) -> None:
        """Wait until everybody is done."""
        for thread in self._threads:
            thread.join(LONG_S)
            assert not thread.is_alive()


@pytest.mark.parametrize("at_once", [1, 3])
def test_who_came_first_is_next_and_no_more_than_so_many_at_once(at_once: int) -> None:
    crowd, go_on = Crowd(Turns(at_once, LONG_S)), threading.Event()
    for number in range(12):
        crowd.come(number, lambda: go_on.wait(LONG_S))
    assert crowd.order == list(range(at_once))
    go_on.set()
    crowd.leave()
    assert crowd.most_inside == at_once
    assert sorted(crowd.order) == list(range(12))
    if at_once == 1:
        assert crowd.order == list(range(12))


def test_a_turn_that_fails_is_passed_on() -> None:
    crowd = Crowd(Turns(1, LONG_S))
    for number in range(5):
        crowd.come(number, lambda: 1 / 0)
    crowd.leave()
    assert len(crowd.order) == 5


def test_patience_ends_and_turns_are_not_lost_by_it() -> None:
    turns = Turns(1, patience_s=0.02)
    crowd, go_on = Crowd(turns), threading.Event()
    crowd.come(0, lambda: go_on.wait(LONG_S))
    for number in range(1, 6):
        crowd.come(number, lambda: time.sleep(0.001))
    deadline = time.monotonic() + LONG_S
    while len(crowd.order) < 6 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(crowd.order) == 6  # while the first one still goes on
    go_on.set()
    crowd.leave()
    assert (turns._taken, list(turns._waiting)) == (0, [])


def test_a_turn_that_comes_as_patience_ends_is_passed_on_too() -> None:
    turns = Turns(1, patience_s=0.001)
    crowd = Crowd(turns)
    for number in range(300):
        crowd.come(number, lambda: time.sleep(0.0009))
    crowd.leave()
    assert (len(crowd.order), turns._taken, list(turns._waiting)) == (300, 0, [])


def test_without_a_number_everybody_goes_at_once() -> None:
    crowd, together = Crowd(Turns(0)), threading.Barrier(8)
    for number in range(8):
        crowd.come(number, lambda: together.wait(LONG_S))
    crowd.leave()
    assert crowd.most_inside == 8


@pytest.mark.django_db
def test_searches_and_similar_products_take_turns(make_product: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    product = make_product("Claw hammer")
    turns = Turns(1, patience_s=0.05)
    monkeypatch.setattr(engine, "turns", turns)
    monkeypatch.setattr(similar, "turns", turns)
    for ask in (
        lambda: search_products(SearchQuery("hammer")),
        lambda: search_batch([SearchQuery("hammer")])[0],
        lambda: similar_products(SimilarQuery(sku=product.sku)),
    ):
        with turns.turn():
            assert ask().timings_ms["total"] >= 50
        ask()
        assert turns._taken == 0
