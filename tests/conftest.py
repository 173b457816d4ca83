"""What every test may use."""

import fcntl
import gc
import tempfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import django_rq
import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection

from catalog.models import Category, Product
from embeddings import bell, jobs, pipeline
from embeddings.models import DEFAULT_MODEL_ID
from search import encoding
from tests import emptying


def pytest_configure() -> None:
    # One round is a password's hash as well; the half million of a shop take a third of a second.
    PBKDF2PasswordHasher.iterations = 1
    # Static files are looked for when one is asked for: each test has a client, which would look through all of them.
    settings.WHITENOISE_AUTOREFRESH = True
    emptying.install()


def pytest_collection_finish() -> None:
    # What was imported stays: to look through all of it again and again for garbage took a tenth of the time.
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _empty_queue() -> None:
    """Each test starts with no messages waiting and a bell that rings."""
    django_rq.get_queue(bell.QUEUE).connection.flushdb()
    bell.listen()
    jobs.stopping.clear()


@pytest.fixture(autouse=True)
def _look_the_model_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests make another model active from one line to the next."""
    monkeypatch.setattr(encoding, "ACTIVE_MODEL_LASTS_S", -1.0)


@pytest.fixture(autouse=True)
def _share_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test's queries put into Redis is there when it ends, and nothing comes when Redis is gone."""
    monkeypatch.setattr(encoding, "SHARE_EVERY_S", 0.0)


@pytest.fixture
def make_category(db: None) -> Callable[..., Category]:
    """Make a category from a path of names, with whatever of it is missing."""

    def make(*names: str) -> Category:
        parent = None
        for name in names:
            slug = "-".join(name.lower().split())
            parent, _ = Category.objects.get_or_create(slug=slug, defaults={"name": name, "parent": parent})
        assert parent is not None
        parent.refresh_from_db()
        return parent

    return make


@pytest.fixture
def make_product(db: None) -> Callable[..., Product]:
    """Make a product; what is not given is made up."""
    number = 0

    def make(name: str = "Claw hammer", **fields: Any) -> Product:
        nonlocal number
        number += 1
        fields.setdefault("sku", f"T-{number}")
        fields.setdefault("price", Decimal("9.90"))
        return Product.objects.create(name=name, **fields)

    return make


@pytest.fixture
def embed() -> Callable[[], pipeline.Outcome]:
    """Do what a worker does, in this process: embed everything that is due, with the real model."""
    return pipeline.drain


@pytest.fixture(scope="session")
def tiny_path() -> str:
    """Folder of a second, tiny model. It lies with the converted ones: who shares those, shares it and its own."""
    cache = Path(settings.MODEL_CACHE_DIR)
    folder = cache / "tiny"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "tiny.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            # Imported here, because it brings torch, which most runs of a few tests do without.
            from tests.embeddings.tiny_model import make_tiny_model

            with tempfile.TemporaryDirectory(dir=cache) as unfinished:
                make_tiny_model(Path(unfinished) / "tiny").rename(folder)
    return str(folder)


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
