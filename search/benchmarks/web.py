"""Requests over HTTP: a real gunicorn as `serve` runs it, and clients that keep their connections."""

import gc
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice, repeat
from queue import Empty, SimpleQueue
from urllib.parse import urlencode

import numpy as np
from django.conf import settings
from django.urls import NoReverseMatch, reverse

from search.benchmarks import scratch
from search.benchmarks.exceptions import BenchmarkError

START_S = 120.0
_TIMING = re.compile(r"(\w+);dur=([\d.]+)")
ROUNDS = 10
# As a round of several visitors begins, none waits for one of another endpoint, and as it ends, some have gone: most of
# it is to lie between.
REQUESTS_OF_A_VISITOR = 5


@dataclass
class Answers:
    """What the clients saw of one endpoint, in milliseconds."""

    times: list[float] = field(default_factory=list)
    encode: list[float] = field(default_factory=list)
    sql: list[float] = field(default_factory=list)
    seconds: float = 0.0  # while they were asked

    def add(self, other: "Answers") -> None:
        """Take what another round saw."""
        self.times += other.times
        self.encode += other.encode
        self.sql += other.sql
        self.seconds += other.seconds

    def figures(self) -> dict[str, float]:
        """The percentiles, and how many requests a second were answered."""
        return {
            "p50_ms": round(float(np.percentile(self.times, 50)), 2),
            "p95_ms": round(float(np.percentile(self.times, 95)), 2),
            "encode_p50_ms": round(float(np.median(self.encode)), 2),
            "sql_p50_ms": round(float(np.median(self.sql)), 2),
            "requests_per_s": round(len(self.times) / self.seconds, 1),
        }


@contextmanager
def server(workers: int | None = None, threads: int | None = None) -> Iterator[int]:
    """Run the shop's web server on the current database; yield its port on the loopback interface.

    Its processes and threads are those of gunicorn.conf.py unless they are given.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "config.wsgi:application", "--bind", f"127.0.0.1:{port}"]
    command += ["--config", str(settings.BASE_DIR / "gunicorn.conf.py"), "--chdir", str(settings.BASE_DIR)]
    for option, number in (("--workers", workers), ("--threads", threads)):
        command += [option, str(number)] if number else []
    # A visitor may wait for seconds until it is their turn again.
    command += ["--keep-alive", "60", "--log-level", "warning", "--no-control-socket"]
    environment = {
        **os.environ,
        "DATABASE_URL": scratch.url(),
        "SERVER_TIMING": "true",
        "SEARCH_THROTTLE_ANON": "",
        "SEARCH_THROTTLE_SUGGEST": "",
        # Queries of a benchmark are nothing to keep for a day.
        "SEARCH_SHARED_CACHE": "60",
    }
    process = subprocess.Popen(command, env=environment)
    try:
        _wait_until_ready(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return when the model is loaded and a search is answered with it. Raises BenchmarkError."""
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with closing(Client(port)) as client:
                status, body, _ = client.get(f"{reverse('api:search')}?q=warm&mode=semantic")
        except OSError:
            time.sleep(0.2)
            continue
        if status == 200 and b'"degraded":false' in body:
            return
        time.sleep(0.2)
    raise BenchmarkError("The web server did not answer searches. Look at what it has printed.")


class Client:
    """One visitor on one connection. Python's own HTTP client takes a millisecond of the server's cores."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        self._answer = self._socket.makefile("rb")

    def close(self) -> None:
        """Hang up."""
        self._answer.close()
        self._socket.close()

    def get(self, address: str) -> tuple[int, bytes, dict[str, float]]:
        """Status, body, and what Server-Timing says in milliseconds. Raises OSError where the server hangs up."""
        if self._answer.closed:
            self._connect()
        self._socket.sendall(f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode("ascii"))
        status = self._answer.readline().split()
        headers = {}
        while line := self._answer.readline().strip():
            name, _, value = line.partition(b": ")
            headers[name.lower()] = value
        if not status or b"content-length" not in headers:
            raise OSError("The server hung up.")
        body = self._answer.read(int(headers[b"content-length"]))
        if headers.get(b"connection") == b"close":  # another process of the server has fewer visitors
            self.close()
        timing = headers.get(b"server-timing", b"").decode()
        return int(status[1]), body, {step: float(ms) for step, ms in _TIMING.findall(timing)}

    def ask(self, address: str, answers: Answers) -> None:
        """Note how long an answer takes. Raises BenchmarkError where it is not 200."""
        began = time.perf_counter()
        status, body, timing = self.get(address)
        answers.times.append(1000 * (time.perf_counter() - began))
        answers.encode.append(timing.get("encode", 0.0))
        answers.sql.append(timing.get("sql", 0.0))
        if status != 200:
            raise BenchmarkError(f"{address} was answered with {status}: {body[:300]!r}")


def measure(
    port: int, endpoints: dict[str, Iterator[str]], clients: int, requests: int
) -> dict[str, dict[str, float]]:
    """Ask each endpoint `requests` times or more often, from `clients` visitors at once; figures by endpoint.

    `endpoints` give the address of one request after the other. They take turns in short rounds, so that whatever
    else the machine does meets all of them. Raises BenchmarkError for any answer but 200.
    """
    gc.freeze()  # what is here stays; looking through it again and again takes a fiftieth of the server's cores
    answers = {name: Answers() for name in endpoints}
    rounds = min(ROUNDS, max(1, requests // clients))
    size = -(-requests // rounds)
    if clients > 1:
        size = max(size, REQUESTS_OF_A_VISITOR * clients)
    with ExitStack() as stack:
        visitors = [stack.enter_context(closing(Client(port))) for _ in range(clients)]
        for addresses in endpoints.values():
            _round(visitors, list(islice(addresses, 2 * clients)))  # connections, and pages still on disk
        for _ in range(rounds):
            for name, addresses in endpoints.items():
                answers[name].add(_round(visitors, list(islice(addresses, size))))
    return {name: found.figures() for name, found in answers.items()}


def _round(visitors: list[Client], addresses: list[str]) -> Answers:
    """All addresses, each asked by whichever visitor is free."""
    answers = Answers()
    errors: list[Exception] = []
    waiting = SimpleQueue[str]()
    for address in addresses:
        waiting.put(address)

    def visit(visitor: Client) -> None:
        with suppress(Empty):
            while not errors:
                try:
                    visitor.ask(waiting.get_nowait(), answers)
                except (BenchmarkError, OSError) as error:
                    errors.append(error)

    threads = [threading.Thread(target=visit, args=(visitor,)) for visitor in visitors]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.seconds = time.perf_counter() - began
    if errors:
        raise BenchmarkError(f"A request failed: {errors[0]}") from errors[0]
    return answers


def endpoints(
    texts: Iterator[str], words: Iterator[str], skus: Iterator[str], slugs: Iterator[str]
) -> dict[str, Iterator[str]]:
    """Addresses without end, by what is measured.

    `texts` are asked once only, so that no cache knows them; `words` are very common ones of the catalogue.
    """
    search = reverse("api:search")

    def searches(**params: str) -> Iterator[str]:
        return (f"{search}?{urlencode({'q': text, **params})}" for text in texts)

    found = {
        "search_hybrid": searches(),
        "search_semantic": searches(mode="semantic"),
        "search_keyword": searches(mode="keyword"),
        "search_common": (f"{search}?{urlencode({'q': word})}" for word in words),
        "search_facets": searches(facets="category,brand,price"),
        "search_filtered": (
            f"{address}&{urlencode({'category': slug})}"
            for address, slug in zip(
                searches(price_max="100", facets="category,brand,price"), slugs, strict=False
            )
        ),
        "browse": (
            f"{search}?{urlencode({'category': slug, 'facets': 'category,brand,price'})}" for slug in slugs
        ),
        "similar": (reverse("api:similar", args=[sku]) for sku in skus),
        "product": (reverse("api:product", args=[sku]) for sku in skus),
        "products": (f"{reverse('api:products')}?{urlencode({'category': slug})}" for slug in slugs),
        "categories": repeat(reverse("api:categories")),
    }
    with suppress(NoReverseMatch):
        suggest = reverse("api:suggest")
        found["suggest"] = (f"{suggest}?{urlencode({'q': text[: 2 + len(text) % 7]})}" for text in texts)
    return found
