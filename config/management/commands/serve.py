"""`manage.py serve`, which `make run` calls: the whole shop on one machine, in one terminal."""

import argparse
import contextlib
import errno
import http.client
import io
import json
import os
import secrets
import socket
import sys
import time
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from catalog.models import Product
from config.progress import EmbeddingProgress
from config.supervisor import Child, Supervisor

DEMO = settings.BASE_DIR / "catalog" / "demo" / "products.jsonl"
WEB_GRACE = 3  # seconds that requests may take to finish when it stops
LONG_START = 60.0  # seconds after which it says what is not ready


class Command(BaseCommand):
    """Set up what is missing, run the web server and a worker, show how far it is, stop everything at the end."""

    help = "Run the shop: web server, embedding worker and, unless DATABASE_URL and REDIS_URL are set, their servers."

    def add_arguments(self, parser: CommandParser) -> None:
        """See BaseCommand."""
        parser.formatter_class = argparse.ArgumentDefaultsHelpFormatter
        parser.add_argument(
            "--host", default=os.environ.get("HOST") or "127.0.0.1", help="address to listen on (HOST)"
        )
        parser.add_argument(
            "--port", default=os.environ.get("PORT") or "8000", help="port to listen on (PORT)"
        )
        parser.add_argument(
            "--workers",
            type=int,
            default=argparse.SUPPRESS,
            help="web processes (default: WEB_CONCURRENCY, or one for each core up to four)",
        )
        parser.add_argument(
            "--threads", type=int, default=argparse.SUPPRESS, help="threads of each web process (default: 8)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """See BaseCommand."""
        host, port = options["host"], _port_number(options["port"])
        _require_free_port(host, port)
        self._migrate()
        self._load_demo_catalogue()
        self._create_login()
        supervisor = Supervisor(
            _children(host, port, options.get("workers"), options.get("threads")), self.say
        )
        site = _Site("127.0.0.1" if host in ("0.0.0.0", "::") else host, port)  # noqa: S104
        progress = EmbeddingProgress(sys.stdout, self.say)
        greeter = _Greeter(site, progress, self.say)
        supervisor.listen()
        try:
            supervisor.run(greeter.tick)
        finally:
            progress.close()
        self.say("Everything has stopped.")

    def say(self, text: str) -> None:
        """Prints a line at once. A terminal that was closed must not keep the shop from stopping in order."""
        with contextlib.suppress(OSError):
            self.stdout.write(text)
            self.stdout.flush()

    def _migrate(self) -> None:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            self.say(f"Preparing the database ({len(missing)} migrations).")
            call_command("migrate", interactive=False, verbosity=0)

    def _load_demo_catalogue(self) -> None:
        """Fills an empty shop, once. A load that was cut short is begun again; one that was deleted stays so."""
        loading, loaded = settings.DATA_DIR / "demo-loading", settings.DATA_DIR / "demo-loaded"
        if loaded.exists() or (Product.objects.exists() and not loading.exists()):
            return
        self.say("Loading the demo catalogue.")
        loading.touch()
        call_command("import_products", str(DEMO), stdout=io.StringIO())
        loading.rename(loaded)

    def _create_login(self) -> None:
        """Creates a superuser if there is none, and prints the password, which is kept nowhere."""
        users = get_user_model().objects
        if users.filter(is_superuser=True).exists():
            return
        name = "admin" if not users.filter(username="admin").exists() else f"admin-{secrets.token_hex(2)}"
        password = secrets.token_urlsafe(12)
        users.create_superuser(name, password=password)
        self.say(
            "\n  Your login for the admin, shown only this once:\n"
            f"    name      {name}\n    password  {password}\n"
            f"  (manage.py changepassword {name} sets another one.)\n"
        )


class _Site:
    """The shop as a visitor sees it."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def readiness(self) -> tuple[int, dict[str, Any]] | None:
        """Status code and body of /readyz; None while nothing answers."""
        client = http.client.HTTPConnection(self.host, self.port, timeout=2)
        try:
            client.request("GET", "/readyz")
            response = client.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            client.close()
        try:
            return response.status, json.loads(body)
        except ValueError:
            return response.status, {}


class _Greeter:
    """Tells whoever sits at the terminal where the shop is, and when it is ready."""

    def __init__(self, site: _Site, progress: EmbeddingProgress, say: Any) -> None:
        self.site, self.progress, self.say = site, progress, say
        self._began = time.monotonic()
        self._next_look = 0.0
        self._answers = self._ready = self._complained = self._done = False

    def tick(self) -> None:
        if not self._ready and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + 0.5
            self._look()
        self.progress.tick()
        if self._ready and self.progress.done and not self._done:
            self._done = True
            self.say(f"Nearshelf is ready: {self.site.url}/ (Ctrl-C stops it)")

    def _look(self) -> None:
        readiness = self.site.readiness()
        if readiness is not None and not self._answers:
            self._answers = True
            self._print_addresses()
        self._ready = readiness is not None and readiness[0] == http.HTTPStatus.OK
        if not self._ready and not self._complained and time.monotonic() - self._began > LONG_START:
            self._complained = True
            self.say(
                f"Not ready yet: {json.dumps(readiness[1]) if readiness else 'the web server does not answer'}"
            )

    def _print_addresses(self) -> None:
        for name, path in (("Storefront", "/"), ("Admin", "/admin/"), ("API docs", "/api/docs/")):
            self.say(f"  {name:<11} {self.site.url}{path}")


def _children(host: str, port: int, workers: int | None, threads: int | None) -> list[Child]:
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    gunicorn = [sys.executable, "-m", "gunicorn", "config.wsgi:application", "--bind", address]
    gunicorn += ["--config", str(settings.BASE_DIR / "gunicorn.conf.py"), "--chdir", str(settings.BASE_DIR)]
    for option, number in (("--workers", workers), ("--threads", threads)):
        gunicorn += [option, str(number)] if number else []
    gunicorn += ["--graceful-timeout", str(WEB_GRACE), "--log-level", "warning", "--no-control-socket"]
    worker = [sys.executable, str(settings.BASE_DIR / "manage.py"), "embedding_worker"]
    return [Child("web server", gunicorn), Child("embedding worker", worker)]


def _port_number(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise CommandError(f"The port must be a number from 1 to 65535, not {text!r}.")


def _require_free_port(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            hint = f"Port {port} is taken: choose another one, for example PORT={port % 65535 + 1} make run."
        elif error.errno == errno.EACCES:
            hint = f"Port {port} is not allowed for this user: choose one above 1023."
        else:
            hint = f"The shop cannot listen on {host}:{port} ({error.strerror})."
        raise CommandError(hint) from error
