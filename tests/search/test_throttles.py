"""How many requests a client may make."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.test import Client

from search import redis_client
from search.api import throttles
from search.api.throttles import parse_rate
from tests.search.conftest import problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def away(settings: Any) -> Iterator[None]:
    """Redis is at an address where nothing listens."""
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    yield
    redis_client.try_again()


def asked(client: Client, times: int, address: str = "/api/categories/", **kwargs: Any) -> list[int]:
    return [client.get(address, **kwargs).status_code for _ in range(times)]


def test_rates_are_read() -> None:
    assert parse_rate("300/min") == (300, 60)
    assert parse_rate("5/s") == (5, 1)
    assert parse_rate("9/day") == (9, 86_400)
    assert parse_rate("") is None


@pytest.mark.parametrize("rate", ["fast", "0/min", "-1/min", "10", "10/fortnight", "1e3/min"])
def test_a_rate_that_cannot_be_read_is_found_before_a_visitor_finds_it(rate: str, settings: Any) -> None:
    settings.SEARCH_THROTTLE_ANON = rate
    assert [message.id for message in run_checks()] == ["search.E001"]


def test_who_asks_too_often_is_told_when_to_come_back(client: Client, settings: Any) -> None:
    settings.SEARCH_THROTTLE_ANON = "3/hour"
    assert asked(client, 3) == [200, 200, 200]
    response = client.get("/api/categories/")
    problem(response, 429)
    assert 0 < int(response.headers["Retry-After"]) <= 3600


def test_the_next_window_is_a_new_one(client: Client, settings: Any, monkeypatch: Any) -> None:
    settings.SEARCH_THROTTLE_ANON = "1/min"
    assert asked(client, 2) == [200, 429]
    later = time.time() + 60
    monkeypatch.setattr(throttles.time, "time", lambda: later)
    assert asked(client, 2) == [200, 429]


def test_bad_requests_count_and_staff_have_their_own_rate(client: Client, staff: User, settings: Any) -> None:
    settings.SEARCH_THROTTLE_ANON, settings.SEARCH_THROTTLE_USER = "1/hour", "2/hour"
    assert asked(client, 2, "/api/search/?mode=fuzzy") == [400, 429]
    client.force_login(staff)
    assert asked(client, 3) == [200, 200, 429]


def test_addresses_count_apart_and_cannot_be_made_up(client: Client, settings: Any) -> None:
    settings.SEARCH_THROTTLE_ANON = "1/hour"
    assert asked(client, 2, REMOTE_ADDR="10.0.0.1") == [200, 429]
    assert asked(client, 1, REMOTE_ADDR="10.0.0.2") == [200]
    assert asked(client, 1, REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": "10.9.9.9"}) == [429]


def test_a_batch_has_a_rate_of_its_own(client: Client, settings: Any) -> None:
    settings.SEARCH_THROTTLE_BATCH = "1/hour"
    codes = [client.post("/api/search/batch/", b"", "application/json").status_code for _ in range(2)]
    assert codes == [400, 429]
    assert asked(client, 1) == [200]


def test_no_rate_is_no_limit(client: Client, settings: Any) -> None:
    settings.SEARCH_THROTTLE_ANON = ""
    assert set(asked(client, 20)) == {200}


def test_everyone_is_let_in_while_redis_is_away(client: Client, settings: Any, away: None) -> None:
    settings.SEARCH_THROTTLE_ANON = "1/hour"
    assert asked(client, 3) == [200, 200, 200]


def test_redis_that_does_not_answer_is_waited_for_once(settings: Any, monkeypatch: Any, away: None) -> None:
    attempts = []

    def action(redis: Any) -> bool:
        attempts.append(time.monotonic())
        return bool(redis.ping())

    assert [redis_client.attempt(action, otherwise=False) for _ in range(5)] == [False] * 5
    assert len(attempts) == 1
    monkeypatch.setattr(redis_client.time, "monotonic", lambda: attempts[0] + redis_client.PAUSE_S + 1)
    assert not redis_client.attempt(action, otherwise=False)
    assert len(attempts) == 2
