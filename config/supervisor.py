"""Keeps the web server, the worker and the embedded servers running until it is told to stop."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from config import embedded

TICK = 0.2  # seconds
STOP_PATIENCE = 5.0  # seconds that a child may take to stop before it is killed
STABLE_AFTER = 30.0  # seconds after which a child that ends is started again at once
LONGEST_PAUSE = 5.0  # seconds between two starts of a child that keeps ending
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Say = Callable[[str], None]


class Child:
    """A process that is started again whenever it ends, in a session of its own so that Ctrl-C does not reach it."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self.command = [
            sys.executable,
            str(Path(__file__).with_name("tethered.py")),
            str(os.getpid()),
            *command,
        ]
        self.process: subprocess.Popen[bytes] | None = None
        self._pause = 0.0
        self._started = 0.0
        self._start_at = 0.0

    def tick(self, say: Say) -> None:
        """Notices if it ended, and starts it when it is time."""
        if self.process is not None:
            status = self.process.poll()
            if status is None:
                return
            self._bury(self.process)
            lived = time.monotonic() - self._started
            self._pause = 0.5 if lived > STABLE_AFTER else min(max(self._pause * 2, 0.5), LONGEST_PAUSE)
            self._start_at = time.monotonic() + self._pause
            say(f"The {self.name} {_how_it_ended(status)}; it is started again.")
        if time.monotonic() >= self._start_at:
            self._started = time.monotonic()
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, start_new_session=True)

    def ask_to_stop(self) -> None:
        if self.process is not None:
            self.process.terminate()

    def has_stopped(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            self._bury(self.process)
        return self.process is None

    def kill(self) -> None:
        if self.process is not None:
            self._bury(self.process)

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        """Ends what is left of the process and its group; a dead gunicorn's workers would hold on to the port."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.process = None


class Supervisor:
    """Runs children until SIGINT, SIGTERM or SIGHUP; a second signal while they stop kills them."""

    def __init__(self, children: list[Child], say: Say) -> None:
        self.children = children
        self.say = say
        self._signals = 0
        self._has_terminal = _in_foreground()
        self._recover_at = 0.0
        self._complaint = ""  # said last, so that a lasting trouble is told once

    def listen(self) -> None:
        """Takes over the signals. A signal ignored from the start, as nohup does, stays ignored."""
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN or number == signal.SIGINT:
                signal.signal(number, self._on_signal)

    def run(self, on_tick: Callable[[], None]) -> None:
        """Returns when everything has stopped; `on_tick` is called a few times each second until then."""
        try:
            while not self._signals and not self._terminal_is_gone():
                self._recover_servers()
                for child in self.children:
                    child.tick(self.say)
                on_tick()
                time.sleep(TICK)
        finally:
            self._stop_children()

    def _terminal_is_gone(self) -> bool:
        """A closed window tells only the first process in it, which may be a make that does not pass it on."""
        return self._has_terminal and not os.isatty(0)

    def _recover_servers(self) -> None:
        if time.monotonic() < self._recover_at:
            return
        try:
            for trouble in embedded.recover():
                self.say(f"{trouble}; it was started again.")
            self._recover_at = time.monotonic() + 1
            self._complaint = ""
        except embedded.EmbeddedServerError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                self.say(self._complaint)
            self._recover_at = time.monotonic() + LONGEST_PAUSE

    def _stop_children(self) -> None:
        for child in self.children:
            child.ask_to_stop()
        deadline = time.monotonic() + STOP_PATIENCE
        while time.monotonic() < deadline and self._signals < 2:
            if all(child.has_stopped() for child in self.children):
                return
            time.sleep(0.05)
        for child in self.children:
            child.kill()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # No more than a count: locks that a handler takes may be held by the very code that it interrupts.
        self._signals += 1


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False  # standard input is no terminal


def _how_it_ended(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with exit code {status}"
