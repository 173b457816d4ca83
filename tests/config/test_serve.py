"""`manage.py serve` as its user sees it: one shop that is set up, hurt, stopped, started again and killed."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import psutil
import pytest

from config import tethered
from tests.config.conftest import PROJECT, User, environment, processes_of, running_pids
from tests.servers import PLACE

READY = "Nearshelf is ready"
WEB_PROCESSES = 2
TOKEN = "figures"


class Shop:
    """A `manage.py serve` and what it prints."""

    def __init__(self, data: Path, port: int) -> None:
        self.port = port
        self.began = time.monotonic()
        self.log = data.with_suffix(".out")
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                # It ends with this process, even when that is killed.
                [sys.executable, tethered.__file__, str(os.getpid()), sys.executable, "manage.py", "serve"],
                cwd=PROJECT,
                env=environment(
                    data, PORT=str(port), WEB_CONCURRENCY=str(WEB_PROCESSES), METRICS_TOKEN=TOKEN
                ),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    def wait_for(self, text: str, seconds: float = 90) -> float:
        """Waits until the text was printed; returns the seconds since the start."""
        deadline = time.monotonic() + seconds
        while text not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)
        return time.monotonic() - self.began

    @contextlib.contextmanager
    def visitors(self, number: int) -> Iterator[list[http.client.HTTPConnection]]:
        """Visitors who keep their connections, as far as they may, and have asked for something already."""
        with contextlib.ExitStack() as stack:
            clients = []
            for _ in range(number):
                client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                clients.append(stack.enter_context(contextlib.closing(client)))
                self.ask(client)
            for client in clients:  # who was let go comes back
                self.ask(client)
            yield clients

    def ask(self, client: http.client.HTTPConnection) -> None:
        client.request("GET", "/healthz")
        client.getresponse().read()

    def visitors_by_process(self) -> list[int]:
        """How many connections each web process has."""
        return [
            sum(one.status == psutil.CONN_ESTABLISHED for one in process.net_connections("tcp"))
            for process in self.children()["gunicorn"].children()
        ]

    def get(self, path: str) -> tuple[int, bytes]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            client.request("GET", path)
            response = client.getresponse()
            return response.status, response.read()
        finally:
            client.close()

    def answers(self) -> bool:
        try:
            status, body = self.get("/readyz")
        except OSError:
            return False
        return status == 200 and json.loads(body)["status"] == "ok"

    def children(self) -> dict[str, psutil.Process]:
        """The web server and the worker."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            try:
                line = " ".join(child.cmdline())
            except psutil.Error:
                continue  # it has just died
            for name in ("gunicorn", "embedding_worker"):
                if name in line:
                    found[name] = child
        return found

    def family(self) -> list[psutil.Process]:
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    def stop(self) -> float:
        """Stops the shop with SIGTERM; returns the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=20) == 0, self.output
        return time.monotonic() - began


def eventually(condition: object, seconds: float) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.1)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """The data folder of the shop, kept from test to test."""
    folder = Path(tempfile.mkdtemp(prefix="nearshelf-test-", dir=PLACE))
    yield folder / "var"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def shop(data: Path, port: int) -> Iterator[Shop]:
    """The shop of a first run, ready."""
    shop = Shop(data, port)
    shop.wait_for(READY)
    yield shop
    if shop.process.poll() is None:
        shop.stop()


def test_visitors_are_shared_out_among_the_web_processes(shop: Shop) -> None:
    def fewest() -> int:
        with shop.visitors(8):
            return min(shop.visitors_by_process())

    # A process that is still loading its model leaves them all to the other.
    eventually(lambda: fewest() == 4, 30)
    # On a busy machine they may be shared out less evenly.
    assert sum(fewest() for _ in range(10)) >= 36


def test_a_web_process_that_comes_later_has_its_share(shop: Shop) -> None:
    def is_shared_out() -> bool:
        for visitor in visitors:
            try:
                shop.ask(visitor)
            except (http.client.HTTPException, OSError):
                visitor.close()  # it was hung up on, and comes back
        try:
            found = shop.visitors_by_process()
        except psutil.Error:  # one of them has just gone
            return False
        return len(found) == WEB_PROCESSES and min(found) >= 3

    with shop.visitors(8) as visitors:
        shop.children()["gunicorn"].children()[0].kill()
        assert not is_shared_out()
        eventually(is_shared_out, 30)


def test_nobody_waits_for_the_thread_of_another_visitor(shop: Shop) -> None:
    with shop.visitors(40) as visitors:  # more than there are threads; each thread would like to keep its own
        for visitor in [*visitors, *reversed(visitors)]:
            began = time.monotonic()
            visitor.request("GET", "/healthz")
            assert visitor.getresponse().read()
            assert time.monotonic() - began < 2


def test_any_web_process_tells_the_figures_of_all(shop: Shop) -> None:
    with shop.visitors(8) as visitors:
        for visitor in visitors:
            visitor.request("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
            figures = visitor.getresponse().read().decode()
            counts = re.findall(r'requests_total_by_view.*view="(?:api:)?health.*?} ([\d.]+)', figures)
            assert sum(map(float, counts)) >= 8, figures


def test_the_first_run_sets_everything_up(shop: Shop) -> None:
    assert shop.answers()
    for path in ("/", "/admin/login/", "/api/docs/"):
        assert f"http://127.0.0.1:{shop.port}{path.removesuffix('login/')}" in shop.output
        assert shop.get(path)[0] == 200
    hits = json.loads(shop.get("/api/search/?q=drill+for+concrete")[1])["results"]
    assert "hammer drill" in hits[0]["name"].lower()


def test_the_password_works_and_is_kept_nowhere(shop: Shop, data: Path) -> None:
    (password,) = re.findall(r"password  (\S+)", shop.output)
    client = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=10)
    client.request("GET", "/admin/login/")
    response = client.getresponse()
    response.read()
    (token,) = re.findall(r"csrftoken=(\w+)", response.headers["Set-Cookie"])
    form = {"username": "admin", "password": password, "csrfmiddlewaretoken": token, "next": "/admin/"}
    headers = {"Cookie": f"csrftoken={token}", "Content-Type": "application/x-www-form-urlencoded"}
    client.request("POST", "/admin/login/", urlencode(form), headers)
    assert client.getresponse().status == 302
    client.close()
    for path in data.rglob("*"):
        assert not path.is_file() or password.encode() not in path.read_bytes()


def test_a_taken_port_is_one_clear_sentence(shop: Shop, data: Path) -> None:
    second = Shop(data.with_name("other"), shop.port)
    assert second.process.wait(timeout=30) == 1
    assert second.output.splitlines()[-1].endswith(
        f"Port {shop.port} is taken: choose another one, for example PORT={shop.port + 1} make run."
    )
    assert "Traceback" not in second.output


@pytest.mark.parametrize("name", ["gunicorn", "embedding_worker"])
def test_a_child_that_dies_is_started_again_within_seconds(shop: Shop, name: str) -> None:
    before = shop.children()[name]
    before.kill()

    def started_again() -> bool:
        found = shop.children().get(name)  # looked at once: in the moment of its exec a process has no name
        return found is not None and found.pid != before.pid

    eventually(started_again, 5)
    eventually(shop.answers, 20)
    assert "was killed by SIGKILL; it is started again." in shop.output


def test_servers_that_die_are_started_again_within_seconds(shop: Shop, data: Path) -> None:
    before = running_pids(data)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(running_pids(data)) == 2 and not set(running_pids(data)) & set(before), 10)
    eventually(shop.answers, 10)


def test_sigterm_stops_everything_within_ten_seconds(shop: Shop, data: Path) -> None:
    family = shop.family()
    assert shop.stop() < 10
    assert gone(family)
    assert processes_of(data) == []
    assert shop.output.splitlines()[-1] == "Everything has stopped."


def test_the_next_run_keeps_everything_and_leaves_no_orphan_when_it_is_killed(data: Path, port: int) -> None:
    again = Shop(data, port)
    assert again.wait_for(READY) < 15
    assert again.answers()
    assert "password" not in again.output
    family = again.family()
    again.process.kill()
    again.process.wait()
    children = [process for process in family if process not in processes_of(data)]
    eventually(lambda: gone(children), 10)
    User(data).leaves()
    assert processes_of(data) == []
