"""Connections to PostgreSQL that can tell by themselves whether they are still alive."""

import select
from typing import Any

import psycopg


class WatchedConnection(psycopg.Connection[Any]):
    """Asks the server whether it is there only where something has come from it since the last answer.

    A pool checks each connection that it hands out with an empty statement, which every request waits for. A server
    that has closed a connection, or was restarted, has said so by then: the socket can be read. One that is gone
    without a word would not answer the empty statement either.
    """

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> psycopg.Cursor[Any]:
        """See psycopg; an empty statement goes out only where there is reason to doubt."""
        if query == "" and not self._has_something_to_read():
            return self.cursor()
        return super().execute(query, *args, **kwargs)

    def _has_something_to_read(self) -> bool:
        """Whether the server said something unasked; also where the connection is known to be closed."""
        if self.closed:
            return True
        watch = select.poll()
        watch.register(self.fileno(), select.POLLIN)
        return bool(watch.poll(0))
