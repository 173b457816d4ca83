"""A hint to PostgreSQL's planner."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def through_indexes() -> Iterator[None]:
    """Have the queries of the block use indexes where they can.

    The planner does not know how often two columns are equal, so it takes nearly every row for unsettled and
    would read the whole table, where the queue's index holds the few that are.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        yield
        # The transaction may be someone else's and go on.
        cursor.execute("SET LOCAL enable_seqscan = DEFAULT")
