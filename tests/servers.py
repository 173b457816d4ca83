"""Starts a PostgreSQL and a Valkey of the tests' own, before Django reads its settings.

Loaded as a pytest plugin (see pyproject.toml), because pytest-django imports the settings before any conftest.
"""

import atexit
import os
import shutil
import tempfile

import psycopg

from config import embedded


def _roomy_memory() -> str | None:
    """/dev/shm if it is large: tests start dozens of servers and empty their tables hundreds of times."""
    try:
        return "/dev/shm" if shutil.disk_usage("/dev/shm").free > 4 << 30 else None
    except OSError:
        return None


PLACE = _roomy_memory()

_data = tempfile.mkdtemp(prefix="nearshelf-tests-", dir=PLACE)
# Registered before the servers' own exit handlers, hence run after them.
atexit.register(shutil.rmtree, _data, ignore_errors=True)

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
