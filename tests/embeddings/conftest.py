"""Fixtures for tests of the embeddings."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from embeddings.models import DEFAULT_MODEL_ID
from tests.embeddings.tiny_model import make_tiny_model


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a second, tiny model."""
    return str(make_tiny_model(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture
def session(transactional_db: None) -> Iterator[BaseDatabaseWrapper]:
    """A second session with the database: another process of the shop."""
    other = connection.copy()
    yield other
    other.close()


@pytest.fixture
def own_indexes(transactional_db: None) -> Iterator[None]:
    """Drop the indexes of models that a test added: emptying the tables leaves them."""
    yield
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE indexname ~ '^embedding_hnsw_' AND indexname <> %s",
            [f"embedding_hnsw_{DEFAULT_MODEL_ID}"],
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f'DROP INDEX "{name}"')
