"""A real Chromium, a real server and a real worker."""

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
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from config import tethered
from embeddings.encoders import load_encoder
from embeddings.model_files import PACKAGED_MODEL
from search.merchandising import usage

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PASSWORD = "open sesame"
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
# Who looks at a page on what: each role, and one of them on both.
SEEN_BY = [
    pytest.param("Viewer", DESKTOP, id="Viewer-desktop"),
    pytest.param("Merchandiser", DESKTOP, id="Merchandiser-desktop"),
    pytest.param("Merchandiser", PHONE, id="Merchandiser-phone"),
    pytest.param("Operator", PHONE, id="Operator-phone"),
]
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
# How long a page may take on a slow machine before it is called wrong.
expect.set_options(timeout=20_000)


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
    load_encoder(PACKAGED_MODEL)  # converted now: no page waits for that, and a worker starts as in a shop
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


@pytest.fixture(autouse=True)
def _patient(settings: Any) -> None:
    """Two suites at once may keep the model busy for a second; what is shown then is tested elsewhere."""
    settings.SEARCH_ENCODE_DEADLINE_S = 20.0


@pytest.fixture(autouse=True)
def _leave_nothing_to_be_written() -> Iterator[None]:
    """What a test counted would be written during the next one, which may not touch the database."""
    yield
    usage.forget()


def log_in(page: Page, name: str, address: str = "/admin/") -> None:
    """Log in through the form, on the way to a page."""
    page.goto(f"/admin/login/?next={address}")
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    page.click("input[type=submit]")
    page.wait_for_url(f"**{address}")


def of_role(role: str) -> User:
    """The member of a group who is called like it, made where it is missing."""
    user = User.objects.filter(username=role).first()
    if user is None:
        user = User.objects.create_user(role, password=PASSWORD, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def enter(open_page: Any, live_server: Any) -> Any:
    """Open a page in the admin as someone of a role, who has logged in before."""

    def make(role: str, address: str, viewport: dict[str, int] = DESKTOP, **options: Any) -> Page:
        client = Client()
        client.force_login(of_role(role))
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        page: Page = open_page(viewport, **options)
        page.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}]
        )
        page.goto(address)
        return page

    return make


@pytest.fixture
def staff_page(page: Page) -> Page:
    """A page on which a superuser has logged in through the form."""
    User.objects.create_superuser("boss", password=PASSWORD)
    log_in(page, "boss")
    return page


@pytest.fixture
def worker(live_server: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker process on the tests' database."""
    database = settings.DATABASES["default"]
    environment = {
        **os.environ,
        "DATABASE_URL": f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}",
        "REDIS_URL": settings.REDIS_URL,
    }
    process = subprocess.Popen(
        # It ends with this process, even when that is killed.
        [
            sys.executable,
            tethered.__file__,
            str(os.getpid()),
            sys.executable,
            "manage.py",
            "embedding_worker",
        ],
        cwd=settings.BASE_DIR,
        env=environment,
        start_new_session=True,
    )
    yield process
    process.send_signal(signal.SIGTERM)
    process.wait(10)
