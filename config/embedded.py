"""Local PostgreSQL and Valkey for whoever has set no DATABASE_URL or REDIS_URL.

`start()` comes before Django is set up. Every process that called it holds a shared lock on the data folder;
the last one to exit stops the servers. One that was killed leaves them running, and the next one finds them.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.exceptions import EmbeddedServerError
from config.local_server import LocalServer
from config.local_servers import PostgreSQL, Valkey
from config.server_account import server_account

__all__ = ["EmbeddedServerError", "data_directory", "recover", "start", "stop"]

SERVERS: dict[str, type[LocalServer]] = {"DATABASE_URL": PostgreSQL, "REDIS_URL": Valkey}


def data_directory() -> Path:
    """The absolute path of the folder that Nearshelf keeps its data in: NEARSHELF_DATA, or `var/`."""
    given = os.environ.get("NEARSHELF_DATA")
    return Path(given).expanduser().absolute() if given else Path(__file__).resolve().parent.parent / "var"


def start() -> None:
    """Runs the servers whose URL is not in the environment, and puts it there. Raises EmbeddedServerError."""
    wanted = [variable for variable in SERVERS if not os.environ.get(variable)]
    if not wanted:
        return
    data = data_directory()
    use = _Use(data)
    try:
        use.begin(wanted)
    except BaseException:
        use.end()
        raise
    atexit.register(use.end)
    _uses.append(use)
    os.environ["NEARSHELF_DATA"] = str(data)
    for variable in wanted:
        os.environ[variable] = use.servers[variable].url


def recover() -> list[str]:
    """Starts again what this process uses and cannot be used any more; returns what was wrong with it.

    Raises EmbeddedServerError.
    """
    return [trouble for use in _uses for trouble in use.recover()]


def stop() -> None:
    """Ends this process's use of the servers, as its exit does; the last user stops them."""
    while _uses:
        _uses.pop().end()


class _Use:
    """The use that one process makes of the servers of one data folder."""

    def __init__(self, data: Path) -> None:
        self.pid = os.getpid()
        self.data = data
        self.wanted: list[str] = []
        try:
            data.mkdir(parents=True, exist_ok=True)
            # Opened without inheritance across exec: a server must not hold the lock of those who use it.
            self.lock = os.open(data / "embedded.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise EmbeddedServerError(
                f"The data folder {data} cannot be used ({exc.strerror}). Set NEARSHELF_DATA to a folder"
                " that you can write to."
            ) from exc
        data = data.resolve()
        account = server_account(data)
        self.servers = {variable: server(data, account) for variable, server in SERVERS.items()}

    def begin(self, wanted: list[str]) -> None:
        # Waits while the last user before us is stopping the servers.
        fcntl.flock(self.lock, fcntl.LOCK_SH)
        self.wanted = wanted
        with self._alone():
            for variable in wanted:
                self.servers[variable].ensure()

    def recover(self) -> Iterator[str]:
        for variable in self.wanted:
            server = self.servers[variable]
            server.check_data()
            if server.trouble():
                with self._alone():
                    # Asked again: another process may just have seen to it.
                    trouble = server.trouble()
                    if trouble:
                        server.stop()
                        server.ensure()
                if trouble:
                    yield f"{server.name} {trouble}"

    def end(self) -> None:
        """Gives the lock back, and stops the servers if nobody else holds it."""
        if self.lock < 0 or os.getpid() != self.pid:
            return  # done before, or a forked child that inherited the exit handler
        with _without_interrupt():
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                for server in reversed(self.servers.values()):
                    server.stop()
            finally:
                os.close(self.lock)
                self.lock = -1

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time starts servers in this data folder."""
        with (self.data / "embedded-start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


_uses: list[_Use] = []


@contextmanager
def _without_interrupt() -> Iterator[None]:
    """Ctrl-C while the servers stop changes nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
