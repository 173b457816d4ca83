"""Real servers in data folders of their own, and programs that use them."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from config.local_server import LocalServer
from config.local_servers import PostgreSQL, Valkey
from config.server_account import server_account
from tests.servers import PLACE

PROJECT = Path(__file__).resolve().parents[2]

USER = """
import os, sys
from config import embedded
embedded.start()
print(os.environ["DATABASE_URL"], os.environ["REDIS_URL"], flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


def environment(data: Path, **variables: str) -> dict[str, str]:
    """The environment of a program that has nothing but what is in `data`: no servers, no converted model."""
    others = ("DATABASE_URL", "REDIS_URL", "MODEL_CACHE_DIR")
    ours = {key: value for key, value in os.environ.items() if key not in others}
    return {**ours, "NEARSHELF_DATA": str(data), **variables}


class User:
    """A program that uses the embedded servers until it leaves; `urls` are what it was given."""

    def __init__(self, data: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER],
            cwd=PROJECT,
            env=environment(data),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin
        assert self.process.stdout
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.urls = self.stdout.readline().split()
        assert len(self.urls) == 2, "the servers did not start"

    def does(self, line: str) -> None:
        """Has the program run a line of Python, and waits until it is done."""
        self.stdin.write(line + "\n")
        self.stdin.flush()
        assert self.stdout.readline() == "done\n"

    def leaves(self) -> None:
        self.stdin.close()
        assert self.process.wait(timeout=20) == 0
        self.stdout.close()

    def is_killed(self) -> None:
        self.process.kill()
        self.process.wait()
        self.stdin.close()
        self.stdout.close()


def servers_of(data: Path) -> list[LocalServer]:
    account = server_account(data)
    return [PostgreSQL(data, account), Valkey(data, account)]


def running_pids(data: Path) -> list[int]:
    """The pids of the servers that run in a data folder."""
    return [process.pid for server in servers_of(data) if (process := server.running())]


def processes_of(data: Path) -> list[psutil.Process]:
    """Every process of the servers of a data folder, backends and helpers included."""
    tag = f"nearshelf-{servers_of(data)[0].tag}"
    everything = psutil.process_iter(["cmdline", "status"])
    return [
        process
        for process in everything
        if process.info["status"] != psutil.STATUS_ZOMBIE and tag in " ".join(process.info["cmdline"] or [])
    ]


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder with a short path; servers in it or below are stopped at the end."""
    path = Path(tempfile.mkdtemp(prefix="nearshelf-test-", dir=PLACE))
    yield path
    for lock in path.rglob("embedded.lock"):
        for server in servers_of(lock.parent):
            server.stop()
            if server.sockets.parent != server.data:
                shutil.rmtree(server.sockets, ignore_errors=True)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def used_data() -> Iterator[Path]:
    """A data folder whose servers ran once and were stopped."""
    path = Path(tempfile.mkdtemp(prefix="nearshelf-test-", dir=PLACE))
    User(path).leaves()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def data(folder: Path, used_data: Path) -> Path:
    """A data folder of this test alone, which saves the time to make one."""
    return copied(used_data, folder / "var")


def copied(source: Path, target: Path) -> Path:
    """Copies a data folder, owners included; shutil.copytree would not keep those."""
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
    return target
