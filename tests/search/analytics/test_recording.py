"""Logging a search: which are, what of them, and that no request ever suffers for it."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import Error as DatabaseError
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from prometheus_client import REGISTRY

from search.analytics import ids, recording, records
from search.analytics.recording import Recorder
from search.analytics.records import MAX_UNMATCHED, SearchRecord
from search.models import SearchLog
from search.query import Mode, SearchQuery
from search.results import SearchResult

pytestmark = pytest.mark.django_db
API = "/api/search/"


def dropped() -> float:
    return REGISTRY.get_sample_value("nearshelf_search_log_dropped_total") or 0.0


def record(text: str = "drill", **query: Any) -> SearchRecord:
    return SearchRecord(
        ids.new_id(), SearchQuery(text, **query), 1, 2.0, False, None, (), "api", timezone.now()
    )


def test_a_search_is_written_with_what_it_was_and_nothing_of_who_asked(
    client: Client, recorder: Recorder, make_product: Any
) -> None:
    make_product("Hammer drill", brand="Bormund")
    answer = client.get(
        API, {"q": " Hammer  DRILL", "mode": "keyword", "brand": "Bormund", "price_max": "99"}
    )
    search_id = answer.json()["search_id"]
    recorder.flush()
    row = SearchLog.objects.get()
    assert row.pk == ids.unsign(search_id)
    assert (row.text, row.normalized, row.mode) == ("Hammer  DRILL", "hammer drill", "keyword")
    assert row.filters == {"brands": ["Bormund"], "price_max": "99"}
    assert (row.page, row.total, row.degraded, row.source, row.clicked) == (1, 1, False, "api", False)
    assert row.latency_ms == answer.json()["timings_ms"]["total"]
    assert {field.name for field in SearchLog._meta.fields} == {
        "id", "text", "normalized", "mode", "filters", "page", "total", "latency_ms", "degraded", "corrected",
        "unmatched", "source", "created_at", "clicked",
    }  # fmt: skip


def test_personal_texts_are_masked_in_every_column(
    client: Client, recorder: Recorder, make_product: Any
) -> None:
    make_product()
    client.get(API, {"q": "Jane@example.com", "brand": "call +49 170 1234567"})
    recorder.flush()
    row = SearchLog.objects.get()
    assert (row.text, row.normalized) == ("[e-mail]", "[e-mail]")
    assert row.filters == {"brands": ["call [number]"]}


def test_attributes_that_were_asked_for_are_noted_and_masked_too(
    client: Client, recorder: Recorder, make_product: Any
) -> None:
    make_product(attributes={"colour": "red", "ratio": "1:2"})
    client.get(API, {"q": "drill", "attribute": ["colour:red", "colour:call +49 170 1234567", "ratio:1:2"]})
    recorder.flush()
    row = SearchLog.objects.get()
    assert row.filters == {"attributes": ["colour:red", "colour:call [number]", "ratio:1:2"]}


def test_words_that_no_product_has_are_kept_unless_they_are_masked(
    client: Client, recorder: Recorder, make_product: Any
) -> None:
    make_product("Hammer drill")
    for text in ("Noctua drill", "qcall +49 170 1234567 Jane@example.com drillx", "drill", "x" * 300):
        client.get(API, {"q": text, "mode": "keyword"})
    recorder.flush()
    found = dict(SearchLog.objects.values_list("text", "unmatched"))
    assert found == {
        "Noctua drill": ["noctua"],
        "qcall [number] [e-mail] drillx": ["qcall", "drillx"],
        "drill": [],
        "x" * 200: ["x" * 200],
    }


def test_of_a_long_query_so_many_words_are_kept(
    client: Client, recorder: Recorder, make_product: Any
) -> None:
    make_product("Hammer drill")
    client.get(API, {"q": " ".join(f"xq{number}" for number in range(30)), "mode": "keyword"})
    recorder.flush()
    assert len(SearchLog.objects.get().unmatched) == MAX_UNMATCHED


def test_every_answer_of_a_batch_has_an_id_of_its_own(
    client: Client, recorder: Recorder, make_product: Any
) -> None:
    make_product()
    body = {"queries": ["hammer", "saw", ""]}
    answers = client.post(f"{API}batch/", body, "application/json").json()["results"]
    recorder.flush()
    found = {ids.unsign(answer["search_id"]) for answer in answers[:2]}
    assert found == set(SearchLog.objects.values_list("pk", flat=True))
    assert answers[2]["search_id"] is None


def test_the_storefront_logs_searches_and_numbers_their_pages(
    client: Client, recorder: Recorder, make_product: Any
) -> None:
    for _ in range(21):
        make_product()
    client.get("/", {"q": "hammer", "mode": "keyword"})
    page = client.get("/", {"q": "hammer", "mode": "keyword", "page": "2"})
    recorder.flush()
    rows = SearchLog.objects.order_by("created_at").values_list("source", "page", "total")
    assert list(rows) == [("storefront", 1, 21), ("storefront", 2, 21)]
    assert SearchLog.objects.since(timezone.now() - timedelta(hours=1)).count() == 1
    assert 'data-position="21"' in page.content.decode()


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("/api/search/?brand=Bormund", {}),
        ("/api/search/?q=%20", {}),
        ("/api/search/?q=hammer&explain=true", {}),
        ("/api/suggest/?q=hammer", {}),
        ("/?q=hammer", {"Sec-Purpose": "prefetch;prerender"}),
        ("/?category=tools", {}),
        ("/", {}),
        ("/healthz", {}),
        ("/api/search/?q=hammer&page=0", {}),
    ],
)
def test_what_is_no_search_of_a_visitor_is_not_logged(
    client: Client,
    recorder: Recorder,
    make_product: Any,
    make_category: Any,
    address: str,
    headers: dict[str, str],
) -> None:
    make_product(category=make_category("tools"))
    response = client.get(address, headers=headers)
    assert client.head("/?q=hammer").status_code == 200
    assert b"data-search=" not in response.content
    recorder.flush()
    assert not SearchLog.objects.exists()


def test_the_switch_turns_logging_off(
    client: Client, recorder: Recorder, make_product: Any, settings: Any
) -> None:
    make_product()
    settings.SEARCH_LOG = False
    assert client.get(API, {"q": "hammer"}).json()["search_id"] is None
    assert "data-search=" not in client.get("/", {"q": "hammer"}).content.decode()
    recorder.flush()
    assert not SearchLog.objects.exists()


def test_a_share_of_the_searches_is_logged(
    recorder: Recorder, settings: Any, rf: Any, make_result: Callable[[], Any]
) -> None:
    settings.SEARCH_LOG_SAMPLE = 0.25
    handed = [
        recording.record_search(rf.get("/"), SearchQuery("x"), make_result(), SearchLog.Source.API)
        for _ in range(400)  # fewer than the thread would wake up for
    ]
    recorder.flush()
    assert sum(one is not None for one in handed) == SearchLog.objects.count()
    assert 60 < SearchLog.objects.count() < 140
    settings.SEARCH_LOG_SAMPLE = 0.0
    assert recording.record_search(rf.get("/"), SearchQuery("x"), make_result(), SearchLog.Source.API) is None


@pytest.fixture
def make_result() -> Callable[[], Any]:
    return lambda: SearchResult([], 3, "exact", Mode.HYBRID, False, None, timings_ms={"total": 5.0})


def test_a_search_is_answered_whatever_goes_wrong_with_its_logging(
    client: Client, recorder: Recorder, make_product: Any, monkeypatch: Any
) -> None:
    make_product()

    def broken(search_id: Any) -> str:
        raise RuntimeError("no key")

    monkeypatch.setattr(ids, "sign", broken)
    response = client.get(API, {"q": "hammer"})
    assert response.status_code == 200
    assert response.json()["search_id"] is None


def test_while_the_database_is_away_searches_wait_and_are_written_once(
    recorder: Recorder, monkeypatch: Any
) -> None:
    recorder.put(record("one"))

    def away(batch: Any) -> Any:
        records.write(batch)  # written, but nobody hears of it: the connection breaks with the answer
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(recording, "write", away)
    recorder.flush()
    recorder.put(record("two"))
    monkeypatch.setattr(recording, "write", records.write)
    recorder.flush()
    assert sorted(SearchLog.objects.values_list("text", flat=True)) == ["one", "two"]


def test_the_oldest_give_way_and_are_counted_where_there_is_no_room(settings: Any) -> None:
    before = dropped()
    small = Recorder(interval_s=3_600, capacity=10)
    for number in range(25):
        small.put(record(str(number)))
    small.flush()
    assert sorted(map(int, SearchLog.objects.values_list("text", flat=True))) == list(range(15, 25))
    assert dropped() - before == 15


def test_one_row_that_cannot_be_written_does_not_take_the_others_along(
    recorder: Recorder, monkeypatch: Any
) -> None:
    before = dropped()

    def write(batch: Any) -> Any:
        if any(one.query.text == "bad" for one in batch):
            raise DatabaseError("no such value")
        return records.write(batch)

    monkeypatch.setattr(recording, "write", write)
    for text in ("good", "bad", "fine"):
        recorder.put(record(text))
    recorder.flush()
    assert sorted(SearchLog.objects.values_list("text", flat=True)) == ["fine", "good"]
    assert dropped() - before == 1


@pytest.mark.parametrize(
    "text", ["ﷺ" * 512, "\U0001f600" * 512, "İ" * 512, "a" * 512, "\u202e;--'\"<script>"]
)
def test_any_text_that_can_be_searched_can_be_written(recorder: Recorder, text: str) -> None:
    recorder.put(record(text))
    recorder.flush()
    assert 0 < len(SearchLog.objects.get().normalized) <= 200


def wait_for(happened: Callable[[], bool]) -> None:
    """Wait until the thread has done something."""
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.django_db(transaction=True)
def test_searches_of_an_outage_are_answered_and_written_after_it(
    client: Client, make_product: Any, settings: Any, monkeypatch: Any, caplog: Any
) -> None:
    make_product()
    settings.SEARCH_LOG = True
    one = Recorder(interval_s=0.05)
    monkeypatch.setattr(recording, "recorder", one)
    with monkeypatch.context() as outage:  # the request's own connection is open; the thread gets none
        outage.setitem(connection.settings_dict, "HOST", "/nowhere")
        response = client.get(API, {"q": "hammer"})
        assert response.json()["search_id"]
        wait_for(lambda: "the database is away" in caplog.text)
        assert not SearchLog.objects.exists()
    wait_for(SearchLog.objects.exists)
    one.stop()
    assert SearchLog.objects.get().text == "hammer"


@pytest.mark.django_db(transaction=True)
def test_a_thread_writes_within_seconds_and_ends_with_the_process(settings: Any) -> None:
    one = Recorder(interval_s=0.05)
    one.put(record("by itself"))
    wait_for(SearchLog.objects.exists)
    assert SearchLog.objects.get().text == "by itself"
    slow = Recorder(interval_s=3_600)
    slow.put(record("the last one"))
    slow.stop()
    one.stop()
    assert SearchLog.objects.filter(text="the last one").exists()


def test_a_forked_process_begins_with_nothing_of_its_parents(recorder: Recorder) -> None:
    recorder.put(record())
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"%d" % len(recorder._waiting) + (b"+" if recorder._thread else b"-"))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 10) == b"0-"
    assert len(recorder._waiting) == 1


def test_a_request_pays_next_to_nothing(
    recorder: Recorder, rf: Any, make_result: Callable[[], Any], django_assert_num_queries: Any
) -> None:
    request, result = rf.get("/"), make_result()
    times = []
    with django_assert_num_queries(0):
        for _ in range(300):
            began = time.perf_counter()
            recording.record_search(request, SearchQuery("drill"), result, SearchLog.Source.API)
            times.append(time.perf_counter() - began)
    assert sorted(times)[len(times) // 2] < 0.0005


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SEARCH_LOG_SAMPLE", 1.5, "search.E003"),
        ("SEARCH_LOG_SAMPLE", float("nan"), "search.E003"),
        ("SEARCH_LOG_RETENTION_DAYS", 0, "search.E004"),
    ],
)
def test_settings_that_make_no_sense_are_found_at_once(
    settings: Any, name: str, value: float, expected: str
) -> None:
    setattr(settings, name, value)
    assert [message.id for message in run_checks()] == [expected]
