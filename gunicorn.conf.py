"""How the web server runs; gunicorn reads this file by itself. Its command line goes before.

Python computes in one thread of a process at a time, so there is a process for each core; beyond four, memory (about
300 MB each, most of it the model) is better spent on purpose.
"""

import os
from typing import Any

MOST_BY_ITSELF = 4
_CORES = os.cpu_count() or 1

workers = int(os.environ.get("WEB_CONCURRENCY") or min(_CORES, MOST_BY_ITSELF))
worker_class = "gthread"
threads = 8
# A query may have 512 characters, each of which may take twelve in an address.
limit_request_line = 8190


def post_fork(server: Any, worker: Any) -> None:
    """Share the cores out among the processes' models: of more threads, most would wait for each other."""
    os.environ.setdefault("EMBEDDING_THREADS", str(max(1, _CORES // server.cfg.workers)))
