"""What gunicorn.conf.py gives to each web process."""

import os
import runpy
import shutil
import subprocess
import sys
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


def started() -> Path:
    """Have a server read its configuration as a process of its own that is killed; return its folder of figures."""
    code = (
        f"import os, runpy, signal; runpy.run_path({CONFIGURATION!r});"
        " print(os.environ['PROMETHEUS_MULTIPROC_DIR'], flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    return Path(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip())


def test_what_a_killed_server_left_is_cleared_away_and_nothing_of_a_running_one(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = runpy.run_path(CONFIGURATION)
    kept = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    killed = started()
    assert killed.is_dir()
    process(2, 2, monkeypatch)
    assert not killed.exists()
    assert kept.is_dir()
    running["on_exit"](None)
    assert not kept.exists()


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
