"""Starts a PostgreSQL and a Valkey of the tests' own, before Django reads its settings.

Loaded as a pytest plugin (see pyproject.toml), because pytest-django imports the settings before any conftest.
"""

import atexit
import fcntl
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import psycopg

from config import embedded
from config.local_servers import PostgreSQL, Valkey
from config.server_account import server_account

PREFIX = "nearshelf-tests-"
# Younger folders may belong to a run that has not taken its lock yet.
SETTLED_AFTER_S = 60


def _roomy_memory() -> str | None:
    """/dev/shm if it is large: tests start dozens of servers and empty their tables hundreds of times."""
    try:
        return "/dev/shm" if shutil.disk_usage("/dev/shm").free > 4 << 30 else None
    except OSError:
        return None


def _clear_away(place: Path) -> None:
    """Stop the servers of runs that were killed, and remove their data: nobody holds the lock there any more."""
    for path in place.glob(f"{PREFIX}*/embedded.lock"):
        try:
            if path.parent.lstat().st_uid != os.getuid():
                continue
            with path.open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - path.stat().st_mtime > SETTLED_AFTER_S:
                    for server in (PostgreSQL, Valkey):
                        server(path.parent, server_account(path.parent)).stop()
                    shutil.rmtree(path.parent, ignore_errors=True)
        except OSError:
            pass  # in use


PLACE = _roomy_memory()

# A shell that runs this in the background has it ignore Ctrl-C; and the servers are to be stopped at SIGTERM, too.
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.default_int_handler)

_data = tempfile.mkdtemp(prefix=PREFIX, dir=PLACE)
# Registered before the servers' own exit handlers, hence run after them.
atexit.register(shutil.rmtree, _data, ignore_errors=True)
_clear_away(Path(_data).parent)

# Never the data of `make run`, nor a shop's own servers.
for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DEBUG", "HTTPS", "ALLOWED_HOSTS"):
    os.environ.pop(name, None)
os.environ["NEARSHELF_DATA"] = _data
# Threads and subprocesses of tests open connections of their own; a pool would keep them past the test.
os.environ["DATABASE_POOL"] = "false"
# Tests of the analytics turn it on; others have no thread that writes behind their backs.
os.environ["SEARCH_LOG"] = "false"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

embedded.start()

# What these tables hold is not wanted after a crash, so no write waits for the disk.
with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as _connection:
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        _connection.execute(f"ALTER SYSTEM SET {name} = off")
    _connection.execute("SELECT pg_reload_conf()")
