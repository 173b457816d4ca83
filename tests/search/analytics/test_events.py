"""Clicks, carts and purchases: none can be forged into another's search, none counts twice, none is lost."""

import base64
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core import signing
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from search.analytics import ids, recording
from search.analytics.recording import PATIENCE, Recorder
from search.analytics.records import MAX_EVENTS, EventRecord
from search.models import SearchEvent, SearchLog
from tests.search.conftest import bad_fields, problem

pytestmark = pytest.mark.django_db
EVENTS = "/api/events/"


@pytest.fixture
def product(make_product: Any) -> Any:
    return make_product(sku="A-1")


def send(client: Client, content_type: str = "application/json", **body: Any) -> Any:
    return client.post(EVENTS, json.dumps({"kind": "click", "sku": "A-1", **body}), content_type)


def event(search_id: Any, sku: str = "A-1", kind: str = "click", **fields: Any) -> EventRecord:
    return EventRecord(search_id, kind, sku, None, fields.pop("at", timezone.now()))


def test_what_was_done_is_written_with_its_search(client: Client, recorder: Recorder, product: Any) -> None:
    search_id = client.get("/api/search/", {"q": "hammer"}).json()["search_id"]
    for kind in ("click", "cart", "purchase"):
        assert send(client, search_id=search_id, kind=kind, position=3).status_code == 202
    recorder.flush()
    search = SearchLog.objects.get()
    rows = search.events.order_by("id").values_list("kind", "sku", "position")
    assert list(rows) == [("click", "A-1", 3), ("cart", "A-1", 3), ("purchase", "A-1", 3)]
    assert search.clicked


def test_an_event_costs_one_query_and_what_is_sent_twice_counts_once(
    client: Client, recorder: Recorder, product: Any, make_search: Any, django_assert_num_queries: Any
) -> None:
    search_id = ids.sign(make_search().pk)
    for _ in range(3):
        with django_assert_num_queries(1):
            send(client, search_id=search_id)
        recorder.flush()
    send(client, search_id=search_id)
    send(client, search_id=search_id)
    recorder.flush()
    assert SearchEvent.objects.count() == 1


def test_an_id_cannot_be_made_up_altered_or_kept_for_ever(
    client: Client, recorder: Recorder, product: Any, make_search: Any, monkeypatch: Any
) -> None:
    mine, other = make_search().pk, make_search().pk
    good = ids.sign(mine)
    bare = base64.urlsafe_b64encode(other.bytes).rstrip(b"=").decode()
    _, stamp, signature = good.split(".")
    forged = [
        str(other),
        bare,
        f"{bare}.{stamp}.{signature}",
        f"{good.split('.')[0]}.1zzzzz.{signature}",
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        good + "A",
        signing.TimestampSigner(key="guessed", salt=ids.SALT, sep=".").sign(bare),
        signing.TimestampSigner(salt="another", sep=".").sign(bare),
        signing.TimestampSigner(salt=ids.SALT, sep=".").sign("short"),
        "",
        "é" * 500,
        None,
        7,
        [good],
        {"id": good},
    ]
    for search_id in forged:
        assert bad_fields(send(client, search_id=search_id)) == ["search_id"], search_id
    late = timezone.now().timestamp() + ids.MAX_AGE.total_seconds() + 60
    monkeypatch.setattr("django.core.signing.time.time", lambda: late)
    assert bad_fields(send(client, search_id=good)) == ["search_id"]
    recorder.flush()
    assert not SearchEvent.objects.exists()


def test_ids_do_not_outlive_their_searches(settings: Any, monkeypatch: Any) -> None:
    settings.SEARCH_LOG_RETENTION_DAYS = 2
    good = ids.sign(uuid4())
    late = timezone.now().timestamp() + 2 * 86_400 + 60
    monkeypatch.setattr("django.core.signing.time.time", lambda: late)
    with pytest.raises(ValueError, match="old one"):
        ids.unsign(good)


def test_ids_are_ordered_by_time_and_never_the_same() -> None:
    made = [ids.new_id() for _ in range(1_000)]
    assert len(set(made)) == 1_000
    assert all(one.version == 7 and one.variant == "specified in RFC 4122" for one in made)
    assert [one.int >> 80 for one in made] == sorted(one.int >> 80 for one in made)
    assert [ids.unsign(ids.sign(one)) for one in made[:50]] == made[:50]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"kind": "steal"}, ["kind"]),
        ({"kind": None}, ["kind"]),
        ({"kind": ["click"]}, ["kind"]),
        ({"sku": 5}, ["sku"]),
        ({"sku": ""}, ["sku"]),
        ({"sku": "A\x00"}, ["sku"]),
        ({"position": 0}, ["position"]),
        ({"position": 1001}, ["position"]),
        ({"position": True}, ["position"]),
        ({"position": 1.0}, ["position"]),
        ({"position": "1"}, ["position"]),
        ({"user": "jane"}, ["user"]),
        ({"kind": "x", "sku": None, "position": -1}, ["kind", "sku", "position"]),
    ],
)
def test_a_bad_event_is_refused_with_what_to_change(
    client: Client, product: Any, recorder: Recorder, body: Any, fields: list[str]
) -> None:
    assert sorted(bad_fields(send(client, search_id=ids.sign(uuid4()), **body))) == sorted(fields)


def test_a_product_that_does_not_exist_cannot_be_clicked(client: Client, recorder: Recorder) -> None:
    problem(send(client, search_id=ids.sign(uuid4()), sku="nothing"), 404)


@pytest.mark.parametrize("body", ["[]", "1", "null", '"x"'])
def test_a_body_that_is_no_object_is_refused(client: Client, body: str) -> None:
    problem(client.post(EVENTS, body, "application/json"), 400)


def test_large_bodies_are_refused(client: Client, recorder: Recorder, product: Any) -> None:
    good = ids.sign(uuid4())
    assert send(client, search_id=good, kind="click").status_code == 202
    for size in (5_000, 2 * 1024 * 1024):
        problem(send(client, search_id=good, sku="x" * size), 413)
    problem(client.post(EVENTS, "kind=click", "application/x-www-form-urlencoded"), 415)


def test_a_beacon_is_heard_from_strangers_and_staff_without_a_token(
    recorder: Recorder, product: Any, staff: Any, make_search: Any
) -> None:
    client = Client(enforce_csrf_checks=True)
    search = make_search()
    assert send(client, "text/plain;charset=UTF-8", search_id=ids.sign(search.pk)).status_code == 202
    client.force_login(staff)
    assert send(client, search_id=ids.sign(search.pk), kind="cart").status_code == 202
    recorder.flush()
    assert search.events.count() == 2


def test_events_have_a_rate_of_their_own(
    client: Client, recorder: Recorder, product: Any, settings: Any
) -> None:
    settings.SEARCH_THROTTLE_EVENTS = "2/hour"
    good = ids.sign(uuid4())
    assert [send(client, search_id=good).status_code for _ in range(3)] == [202, 202, 429]
    assert client.get("/api/categories/").status_code == 200


def test_an_event_that_comes_before_its_search_waits_for_it(recorder: Recorder, make_search: Any) -> None:
    search_id = ids.new_id()
    recorder.put(event(search_id))
    recorder.flush()
    assert not SearchEvent.objects.exists()
    search = make_search()
    SearchLog.objects.filter(pk=search.pk).update(id=search_id)
    recorder.put(event(ids.new_id()))
    recorder.flush()
    assert SearchEvent.objects.get().search_id == search_id
    assert SearchLog.objects.get().clicked


def test_an_event_whose_search_never_comes_is_forgotten(recorder: Recorder) -> None:
    recorder.put(event(ids.new_id(), at=timezone.now() - PATIENCE - timedelta(seconds=1)))
    recorder.put(event(ids.new_id()))
    recorder.flush()
    assert len(recorder._early) == 1


def test_one_search_takes_so_many_events_and_no_more(recorder: Recorder, make_search: Any) -> None:
    search = make_search()
    for number in range(MAX_EVENTS + 20):
        recorder.put(event(search.pk, f"S-{number}"))
    recorder.flush()
    recorder.put(event(search.pk, "S-x"))
    recorder.flush()
    assert search.events.count() == MAX_EVENTS


def test_events_are_taken_and_forgotten_while_logging_is_off(
    client: Client, recorder: Recorder, product: Any, make_search: Any, settings: Any
) -> None:
    settings.SEARCH_LOG = False
    assert send(client, search_id=ids.sign(make_search().pk)).status_code == 202
    recorder.flush()
    assert not SearchEvent.objects.exists()


def test_the_database_holds_the_rules_by_itself(make_search: Any) -> None:
    search = make_search()
    row = {"search": search, "kind": "click", "sku": "A-1", "created_at": timezone.now()}
    SearchEvent.objects.create(**row)
    for wrong in ({}, {"kind": "steal"}, {"sku": "B", "position": 0}, {"sku": "B", "position": 1001}):
        with pytest.raises(IntegrityError), transaction.atomic():
            SearchEvent.objects.create(**row | wrong)


def test_what_was_clicked_stays_known_when_the_product_is_gone(
    recorder: Recorder, product: Any, make_search: Any
) -> None:
    recording.recorder.put(event(make_search().pk))
    recorder.flush()
    product.delete()
    assert SearchEvent.objects.get().sku == "A-1"
