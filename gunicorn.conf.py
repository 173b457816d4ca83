"""How the web server runs; gunicorn reads this file by itself. Its command line goes before.

Python computes in one thread of a process at a time, so there is a process for each core; beyond four, memory (about
350 MB each, most of it the model) is better spent on purpose.
"""

import fcntl
import os
import select
import shutil
import tempfile
import time
from contextlib import suppress
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

MOST_BY_ITSELF = 4
# So long a busier process leaves a new connection to another one, which it looks out for so often.
COURTESY_S = 0.02
GLANCE_S = 0.001
# So long a thread waits for the next request of the visitor whom it has just answered.
ATTENTION_MS = 100
MOST_PROCESSES = 256
# More connections than any process has: one that is not there, or not ready, is nobody's better choice.
ABSENT = 1 << 30
_PREFIX, _LOCK = "nearshelf-figures-", "lock"
_CORES = os.cpu_count() or 1

workers = int(os.environ.get("WEB_CONCURRENCY") or min(_CORES, MOST_BY_ITSELF))
threads = 8
# A query may have 512 characters, each of which may take twelve in an address.
limit_request_line = 8190


def _folder_of_figures() -> Path:
    """A new folder, locked while any process of this server lives; folders of servers that were killed are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # in use, or removed by somebody else just now
            if (
                left.lstat().st_uid == os.geteuid()
            ):  # others could leave us something that is no folder of figures
                with (left / _LOCK).open() as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    new = folder / "new"
    fcntl.flock(os.open(new, os.O_CREAT | os.O_WRONLY), fcntl.LOCK_EX)
    new.rename(folder / _LOCK)  # locked before anybody sees it
    return folder


# Each process counts for itself; from the files here any of them tells the figures of all (see prometheus_client).
_figures = _folder_of_figures()
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_figures)


class BalancedWorker(ThreadWorker):
    """Takes a connection only if no other process has fewer, and keeps none that another one should have.

    All processes wait for connections at once, and Linux wakes the same one first again and again: of eight visitors
    that keep their connections, one process has all eight and the others none. A process that starts later would have
    none of those either.
    """

    # Of each process; it is there before the fork, so that all of them share it.
    connections = RawArray("i", [ABSENT] * (MOST_PROCESSES + 1))
    place = MOST_PROCESSES  # nobody's, until one is given
    _most_kept = 0

    def run(self) -> None:
        """See ThreadWorker; from here on others may leave connections to this process."""
        self.nr_conns = 0
        super().run()

    @property
    def nr_conns(self) -> int:
        """How many connections this process has; gunicorn counts here."""
        return self.connections[self.place]

    @nr_conns.setter
    def nr_conns(self, number: int) -> None:
        self.connections[self.place] = number

    @property
    def max_keepalived(self) -> int:
        """How many idle connections are kept; gunicorn closes one with its answer where there are as many.

        Who is let go comes back, to the process that has fewer.
        """
        return -1 if self.nr_conns > self._fewest + 1 else self._most_kept

    @max_keepalived.setter
    def max_keepalived(self, number: int) -> None:
        self._most_kept = number

    @property
    def _fewest(self) -> int:
        """How many connections the process has that has the fewest."""
        return min(self.connections[:MOST_PROCESSES])

    def accept(self, listener: Any) -> None:
        """See ThreadWorker; a connection that another process has taken meanwhile is none."""
        until = time.monotonic() + COURTESY_S
        while self.nr_conns > self._fewest and time.monotonic() < until:
            time.sleep(GLANCE_S)
        super().accept(listener)

    def handle(self, conn: Any) -> Any:
        """Answer a request, and the next one of the same visitor in the same thread where it comes soon.

        To hand a connection to the main thread and back for each request takes a tenth of a search's time in Python.
        """
        kept = super().handle(conn)
        while kept is True and self._can_attend_to(conn):
            kept = super().handle(conn)
        return kept

    def _can_attend_to(self, conn: Any) -> bool:
        """Whether the next request is here before long. Nobody may wait for a thread meanwhile."""
        if not self.alive or self.nr_conns > self.cfg.threads or conn.parser.unreader.buf.getvalue():
            return False
        readable = select.poll()
        readable.register(conn.sock, select.POLLIN)
        return bool(readable.poll(ATTENTION_MS))


worker_class = BalancedWorker


def pre_fork(server: Any, worker: BalancedWorker) -> None:
    """Give a process the place of the one that it stands in for."""
    taken = {other.place for other in server.WORKERS.values()}
    worker.place = min(set(range(MOST_PROCESSES)) - taken, default=MOST_PROCESSES)
    worker.nr_conns = ABSENT


def post_fork(server: Any, worker: BalancedWorker) -> None:
    """Share the cores out among the processes: of more threads and searches, most would wait for each other."""
    share = str(max(1, _CORES // server.cfg.workers))
    os.environ.setdefault("EMBEDDING_THREADS", share)
    os.environ.setdefault("SEARCHES_AT_ONCE", share)


def child_exit(server: Any, worker: BalancedWorker) -> None:
    """What a process counted stays; what it only showed as it was goes with it, and its connections."""
    worker.nr_conns = ABSENT
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def on_exit(server: Any) -> None:
    """Clear away the figures."""
    shutil.rmtree(_figures, ignore_errors=True)
