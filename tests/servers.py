"""Starts a PostgreSQL and a Valkey of the tests' own, before Django reads its settings.

Loaded as a pytest plugin (see pyproject.toml), because pytest-django imports the settings before any conftest.
"""

import atexit
import os
import shutil
import tempfile

from config import embedded

_data = tempfile.mkdtemp(prefix="nearshelf-tests-")
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
