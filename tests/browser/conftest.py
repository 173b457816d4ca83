"""A real Chromium, a real server and a real worker."""

import importlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db.migrations.loader import MigrationLoader
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from embeddings.encoders import load_encoder
from embeddings.model_files import PACKAGED_MODEL

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# What gives the groups their permissions.
ROLES_MADE_BY = (
    ("embeddings.migrations.0006_roles", "make_roles"),
    ("search.migrations.0002_analytics", "let_groups_view"),
    ("search.migrations.0003_merchandising", "grant"),
    ("search.migrations.0004_lab", "grant"),
)
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
# A browser that may reach nothing but this machine.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="No Chromium here: apt-get install chromium"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    # Playwright's synchronous interface runs an event loop, in which Django refuses to touch the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser, live_server: Any) -> Iterator[Any]:
    """Open a page of a width; afterwards nothing may stand in its console."""
    contexts = []
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.text} {message.location}")

    def make(viewport: dict[str, int] = DESKTOP, **options: Any) -> Page:
        context = browser.new_context(base_url=live_server.url, viewport=viewport, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(open_page: Any) -> Page:
    return open_page()


@pytest.fixture
def phone(open_page: Any) -> Page:
    return open_page(PHONE)


@pytest.fixture(scope="session")
def migrated_apps() -> Any:
    """The models as migrations see them."""
    return MigrationLoader(None).project_state().apps


@pytest.fixture
def enter(open_page: Any, live_server: Any, migrated_apps: Any) -> Any:
    """Open a page in the admin as someone of a role."""
    # Tests that commit empty every table, the groups' too.
    for module, function in ROLES_MADE_BY:
        getattr(importlib.import_module(module), function)(migrated_apps, None)

    def make(role: str, address: str, viewport: dict[str, int] = DESKTOP, **options: Any) -> Page:
        if not User.objects.filter(username=role).exists():
            user = User.objects.create_user(role, password="open sesame", is_staff=True)
            user.groups.add(Group.objects.get(name=role))
        page: Page = open_page(viewport, **options)
        page.goto(f"/admin/login/?next={address}")
        page.fill("#id_username", role)
        page.fill("#id_password", "open sesame")
        page.click("input[type=submit]")
        page.wait_for_url(f"**{address}")
        return page

    return make


@pytest.fixture
def staff_page(page: Page) -> Page:
    """A page on which a superuser has logged in through the form."""
    User.objects.create_superuser("boss", password="open sesame")
    page.goto("/admin/login/?next=/admin/")
    page.fill("#id_username", "boss")
    page.fill("#id_password", "open sesame")
    page.click("input[type=submit]")
    page.wait_for_url("**/admin/")
    return page


@pytest.fixture
def worker(live_server: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker process on the tests' database."""
    load_encoder(PACKAGED_MODEL)  # converted now, so that the worker starts as quickly as it does in a shop
    database = settings.DATABASES["default"]
    environment = {
        **os.environ,
        "DATABASE_URL": f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}",
        "REDIS_URL": settings.REDIS_URL,
    }
    process = subprocess.Popen(
        [sys.executable, str(settings.BASE_DIR / "manage.py"), "embedding_worker"],
        env=environment,
        start_new_session=True,
    )
    yield process
    process.send_signal(signal.SIGTERM)
    process.wait(10)
