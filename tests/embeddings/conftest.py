"""Fixtures for tests of the embeddings."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper


@pytest.fixture
def session(transactional_db: None) -> Iterator[BaseDatabaseWrapper]:
    """A second session with the database: another process of the shop."""
    other = connection.copy()
    yield other
    other.close()
