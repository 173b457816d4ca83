"""What gunicorn.conf.py gives to each web process."""

import os
import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

CONFIGURATION = str(Path(__file__).parents[2] / "gunicorn.conf.py")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A process's environment, in which nobody has decided anything."""
    environment: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", environment)
    return environment


def process(cores: int, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a web process begin."""
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    configuration: dict[str, Any] = runpy.run_path(CONFIGURATION)
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    configuration["post_fork"](SimpleNamespace(cfg=SimpleNamespace(workers=workers)), None)


@pytest.mark.parametrize(("cores", "workers", "share"), [(2, 2, "1"), (16, 4, "4"), (1, 3, "1")])
def test_processes_share_the_cores(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, cores: int, workers: int, share: str
) -> None:
    process(cores, workers, monkeypatch)
    assert (environment["EMBEDDING_THREADS"], environment["SEARCHES_AT_ONCE"]) == (share, share)


def test_what_the_operator_has_decided_stays(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment |= {"EMBEDDING_THREADS": "2", "SEARCHES_AT_ONCE": "0"}
    process(16, 4, monkeypatch)
    assert (environment["EMBEDDING_THREADS"], environment["SEARCHES_AT_ONCE"]) == ("2", "0")
