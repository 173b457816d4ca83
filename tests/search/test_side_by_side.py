"""Parts of a search at the same time: who does them, and what happens where the helper fails."""

import threading
from typing import Any

import pytest
from django.db import DataError, transaction
from psycopg_pool import ConnectionPool

from search import side_by_side, turns
from search.statements import fetch

SHORT_S, LONG_S = 0.2, 30.0


def _who() -> str:
    return threading.current_thread().name


def _session() -> int:
    ((pid,),) = fetch("SELECT pg_backend_pid()")
    return int(pid)


def test_two_parts_are_done_at_the_same_time_in_two_sessions(pool: ConnectionPool[Any]) -> None:
    both_are_here = threading.Barrier(2, timeout=LONG_S)

    def part() -> tuple[str, int]:
        found = _who(), _session()
        both_are_here.wait()
        return found

    (first, ours), (second, other) = side_by_side.side_by_side([part, part])
    assert (first, ours) == (_who(), _session())
    assert second != first
    assert other != ours
    assert pool.get_stats()["pool_available"] == pool.get_stats()["pool_size"] - 1  # it was given back


def _is_helped(wait_s: float) -> bool:
    """Whether somebody else does the second of two parts while the first waits for that."""
    second_has_begun = threading.Event()

    def first() -> str:
        second_has_begun.wait(wait_s)
        return _who()

    def second() -> str:
        second_has_begun.set()
        return _who()

    found = side_by_side.side_by_side([first, second])
    assert found[0] == _who()
    return found[1] != _who()


@pytest.mark.usefixtures("pool")
def test_results_are_in_order_whoever_is_faster() -> None:
    third_is_done = threading.Event()

    def first() -> int:
        assert third_is_done.wait(LONG_S)
        return 1

    def third() -> int:
        third_is_done.set()
        return 3

    assert side_by_side.side_by_side([first, lambda: 2, third]) == [1, 2, 3]


@pytest.mark.usefixtures("pool")
def test_a_helper_that_becomes_free_takes_what_is_left() -> None:
    """As where it walks the graph while the first rows are compared, and then helps to compare the others."""
    compared, last_is_done = threading.Event(), threading.Event()

    def walk() -> list[str]:
        assert compared.wait(LONG_S)
        return [_who()]

    def first() -> str:
        compared.set()
        with side_by_side._this_process()._free:  # once it has walked
            return _who()

    def second() -> str:
        assert last_is_done.wait(LONG_S)
        return _who()

    def last() -> str:
        last_is_done.set()
        return _who()

    found, (walker,) = side_by_side.side_by_side(
        [lambda: side_by_side.side_by_side([first, second, last]), walk]
    )
    assert walker != _who()
    assert found == [_who(), _who(), walker]


@pytest.mark.usefixtures("pool")
def test_an_open_transaction_is_not_left() -> None:
    with transaction.atomic():
        assert not _is_helped(SHORT_S)
    assert _is_helped(LONG_S)


@pytest.mark.usefixtures("pool")
def test_where_others_wait_for_a_turn_nobody_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = turns.Turns(1)
    monkeypatch.setattr(side_by_side, "turns", crowd)

    def have_a_turn() -> None:
        with crowd.turn():
            pass

    with crowd.turn():
        other = threading.Thread(target=have_a_turn)
        other.start()
        while not crowd.are_waited_for:
            pass
        assert not _is_helped(SHORT_S)
    other.join(LONG_S)
    assert _is_helped(LONG_S)


def test_without_a_session_at_hand_nobody_helps(pool: ConnectionPool[Any]) -> None:
    with pool.connection():
        assert not _is_helped(SHORT_S)
    assert _is_helped(LONG_S)


@pytest.mark.usefixtures("pool")
def test_what_the_second_session_fails_at_the_first_does(caplog: pytest.LogCaptureFixture) -> None:
    ours, failed = _who(), threading.Event()

    def first() -> str:
        assert failed.wait(LONG_S)
        return _who()

    def fails_elsewhere() -> str:
        if _who() != ours:
            failed.set()
            fetch("SELECT pg_terminate_backend(pg_backend_pid())")
        return _who()

    assert side_by_side.side_by_side([first, fails_elsewhere]) == [ours] * 2
    assert "second session of a search failed" in caplog.text


@pytest.mark.usefixtures("pool")
@pytest.mark.parametrize("place", [0, 1])
def test_other_errors_reach_who_asked(place: int) -> None:
    def fails() -> str:
        raise ZeroDivisionError

    parts = [_who, _who]
    parts[place] = fails
    with pytest.raises(ZeroDivisionError):
        side_by_side.side_by_side(parts)
    assert _is_helped(LONG_S)  # it is free again


@pytest.mark.usefixtures("pool")
def test_where_both_sessions_fail_the_error_is_that_of_the_first() -> None:
    with pytest.raises(DataError, match="division by zero"):
        side_by_side.side_by_side([_who, lambda: fetch("SELECT 1 / 0")])
