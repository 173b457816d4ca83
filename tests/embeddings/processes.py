"""A shop of the fault tests' own: PostgreSQL and Valkey that may be killed, and real worker processes."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from psycopg.conninfo import conninfo_to_dict

from config.local_servers import PostgreSQL, Valkey
from config.server_account import server_account
from tests.config.conftest import PROJECT
from tests.embeddings.faulty_worker import PLACES
from tests.servers import PLACE

SCRIPT = Path(__file__).with_name("faulty_worker.py")
# Short enough to wait for, long enough for a batch on a busy machine.
LEASE_S = 2
MAX_ATTEMPTS = 2
PATIENCE_S = 60.0


def wait_until(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> None:
    """Return once the condition holds; fail with `what` when it does not come true."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience_s:.0f} s in vain until {what}"
        time.sleep(0.02)


class Shop:
    """Servers in a folder of their own."""

    def __init__(self) -> None:
        self.data = Path(tempfile.mkdtemp(prefix="nearshelf-faults-", dir=PLACE))
        account = server_account(self.data)
        self.database = PostgreSQL(self.data, account)
        self.redis = Valkey(self.data, account)

    def open(self) -> None:
        """Start the servers."""
        self.database.ensure()
        self.redis.ensure()

    def close(self) -> None:
        """Stop the servers and remove what they kept."""
        self.redis.stop()
        self.database.stop()
        shutil.rmtree(self.data, ignore_errors=True)

    @contextmanager
    def as_default(self) -> Iterator[None]:
        """Have this process's ORM and bell use these servers."""
        parts = conninfo_to_dict(self.database.url)
        before, redis_url = dict(connection.settings_dict), settings.REDIS_URL
        connection.close()
        connection.settings_dict.update(NAME=parts["dbname"], USER=parts["user"], HOST=parts["host"], PORT="")
        settings.REDIS_URL = self.redis.url
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict.update(before)
            settings.REDIS_URL = redis_url

    def migrate(self) -> None:
        """Make the tables."""
        call_command("migrate", interactive=False, verbosity=0)

    def environment(self) -> dict[str, str]:
        """The environment of a worker of this shop."""
        return {
            **os.environ,
            "NEARSHELF_DATA": str(self.data),
            "DATABASE_URL": self.database.url,
            "REDIS_URL": self.redis.url,
            "DATABASE_POOL": "true",  # as in production
            "MODEL_CACHE_DIR": str(settings.MODEL_CACHE_DIR),
            "EMBEDDING_LEASE": str(LEASE_S),
            "EMBEDDING_MAX_ATTEMPTS": str(MAX_ATTEMPTS),
            "EMBEDDING_RECONCILE": "0.1",
            "EMBEDDING_CLAIM_SIZE": "32",
            "EMBEDDING_THREADS": "1",
        }


class Worker:
    """A process that runs `manage.py embedding_worker`; it begins asleep, which is before its first claim."""

    def __init__(self, shop: Shop, **variables: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="worker-", dir=shop.data))
        self.log_file = self.folder / "log"
        self.hold("claiming")
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(SCRIPT), str(self.folder)],
                cwd=PROJECT,
                env={**shop.environment(), **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def encoded(self) -> list[int]:
        """Ids of the rows that it encoded, one for each time."""
        path = self.folder / "rows"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def hold(self, place: str) -> None:
        """Have it wait when it gets to a place."""
        assert place in PLACES
        (self.folder / place).touch()

    def wait_at(self, place: str) -> None:
        """Return once it waits there."""
        reached = self.folder / f"{place}.reached"
        wait_until(lambda: reached.exists() or not self.alive, f"the worker is {place}")
        assert self.alive, self.log

    def go_on(self, place: str) -> None:
        """Let it go on from a place, whether it got there or not."""
        (self.folder / place).unlink(missing_ok=True)
        reached = self.folder / f"{place}.reached"
        wait_until(lambda: not reached.exists() or not self.alive, f"the worker goes on from {place}")

    def wait_until_dead(self) -> None:
        """Return once it has ended by itself."""
        wait_until(lambda: not self.alive, "the worker has died")

    def wait_until_log(self, text: str) -> None:
        """Return once it has written a text."""
        wait_until(lambda: text in self.log, f"the worker says {text!r}")

    def wake(self, until: str | None = None) -> None:
        """Let it work, up to a place if one is named."""
        if until:
            self.hold(until)
        self.wait_at("claiming")
        self.go_on("claiming")
        if until:
            self.wait_at(until)

    def sleep(self) -> None:
        """Have it wait before its next claim."""
        for place in PLACES[1:]:
            self.go_on(place)
        self.hold("claiming")
        self.wait_at("claiming")
        (self.folder / "rows").unlink(missing_ok=True)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> float:
        """SIGTERM; return after how many seconds it ended, in order."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 0, self.log
        return time.monotonic() - started


class Crew:
    """Workers that are started once and used by test after test; all sleep unless a test wakes them."""

    def __init__(self, shop: Shop, size: int) -> None:
        self.shop, self.size = shop, size
        self._workers: list[Worker] = []
        self.refill()

    def refill(self) -> None:
        """Put everyone to sleep, and start others for those that ended; they come up meanwhile."""
        self._workers = [worker for worker in self._workers if worker.alive]
        while len(self._workers) < self.size:
            self._workers.append(Worker(self.shop))
        for worker in self._workers:
            for place in PLACES[1:]:
                worker.go_on(place)
            worker.hold("claiming")

    def take(self, number: int) -> list[Worker]:
        """So many workers, asleep."""
        self.refill()
        taken = self._workers[:number]
        for worker in taken:
            worker.sleep()
        return taken

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
