"""How far the embedding is, shown as it goes: a bar in a terminal, elsewhere a line every two seconds at most."""

import time
from collections.abc import Callable
from typing import TextIO

from django.db import Error as DatabaseError
from django.db import connection
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from embeddings import status
from embeddings.models import EmbeddingModel

INTERVAL = 1.0  # seconds between two looks at the database
LINE_INTERVAL = 2.0  # seconds between two lines where there is no terminal
WAITING = ("pending", "stale", "processing")


class EmbeddingProgress:
    """Shows progress until no product waits for its vector."""

    def __init__(self, output: TextIO, say: Callable[[str], None]) -> None:
        self._say = say
        self._bar = _bar(output) if output.isatty() else None
        self._next_look = 0.0
        self._next_line = 0.0
        self._shown = -1
        self.done = False

    def tick(self) -> None:
        """Looks at the database once a second, and shows what has changed."""
        if self.done or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + INTERVAL
        try:
            counts = status.counts()
        except (DatabaseError, EmbeddingModel.DoesNotExist):
            connection.close()  # the database may be starting again
            return
        waiting = sum(counts[key] for key in WAITING)
        total = sum(counts.values()) - counts["inactive"]
        self.done = waiting == 0
        self._show(total - waiting, total)
        if self.done:
            self.close()
            failed = (
                f" {counts['failed']} failed: see manage.py embedding_status." if counts["failed"] else ""
            )
            self._say(f"{counts['ready']} products are embedded.{failed}")

    def close(self) -> None:
        """Leaves the terminal and the database as if it had never been."""
        if self._bar is not None:
            self._bar.stop()
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]

    def _show(self, embedded: int, total: int) -> None:
        if self._bar is not None:
            self._bar.start()
            self._bar.update(self._bar.task_ids[0], completed=embedded, total=total)
        elif not self.done and embedded != self._shown and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_INTERVAL
            self._shown = embedded
            self._say(f"Embedded {embedded} of {total} products.")


def _bar(output: TextIO) -> Progress:
    columns = (TextColumn("Embedding products"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(file=output), transient=True, refresh_per_second=2)
    bar.add_task("embedding", total=None)
    return bar
