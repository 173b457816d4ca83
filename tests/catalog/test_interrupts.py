"""An interrupt waits for what must not be left half done."""

import signal
import threading
from collections.abc import Iterator

import pytest

from catalog.interrupts import held_back


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def interrupted(times: int) -> list[int]:
    """What a block has done that is interrupted so often."""
    done = []
    try:
        with held_back():
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
            done.append(1)
    except KeyboardInterrupt:
        return done
    raise AssertionError("There was no interrupt.")


def test_the_block_is_done_before_the_interrupt() -> None:
    assert interrupted(1) == [1]


def test_the_second_interrupt_does_not_wait() -> None:
    assert interrupted(2) == []


def test_an_error_comes_out_as_it_is() -> None:
    with pytest.raises(ValueError, match="bad"), held_back():
        raise ValueError("bad")


def test_other_threads_are_left_alone() -> None:
    done = []

    def work() -> None:
        with held_back():
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]


def test_without_a_handler_nothing_is_held_back() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with held_back():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    signal.signal(signal.SIGINT, signal.default_int_handler)
