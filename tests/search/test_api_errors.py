"""What a client is told when it asks wrongly."""

import base64
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.http import HttpRequest
from django.test import Client, RequestFactory

from search.api import problems
from tests.search.conftest import bad_fields, problem

pytestmark = pytest.mark.django_db

PUBLIC = ["/api/search/?q=saw", "/api/products/", "/api/categories/", "/api/schema/"]


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def post(client: Client, body: Any, content_type: str = "application/json") -> Any:
    return client.post("/api/search/batch/", body, content_type=content_type)


def test_a_problem_names_every_bad_field(client: Client) -> None:
    body = problem(client.get("/api/search/?mode=fuzzy&page=0"), 400)
    assert body == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "2 fields are not acceptable; see errors.",
        "instance": "/api/search/",
        "errors": [
            {"field": "mode", "detail": "There is no mode “fuzzy”; use hybrid or semantic or keyword."},
            {"field": "page", "detail": "Ensure this value is greater than or equal to 1."},
        ],
    }


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("/api/search/?q=%ff", "q"),
        ("/api/search/?q=saw&brand=Bosch&brand=K%f6nig", "brand"),
        ("/api/search/?q=saw&category=%c3", "category"),
        ("/api/search/?q=saw&mode=%fe", "mode"),
        ("/api/search/?q=saw&facets=%80", "facets"),
        ("/api/search/?%ff=1", "\ufffd"),
        ("/api/products/?brand=%ff", "brand"),
        ("/api/products/?cursor=%ff", "cursor"),
        ("/api/products/S-1/similar/?brand=%ff", "brand"),
        ("/api/suggest/?q=ha%ff", "q"),
    ],
)
def test_bytes_that_are_not_utf_8_are_refused_by_name(client: Client, address: str, field: str) -> None:
    assert bad_fields(client.get(address)) == [field]
    assert "UTF-8" in client.get(address).json()["errors"][0]["detail"]


def test_a_replacement_character_that_was_really_sent_is_a_character(client: Client) -> None:
    answer = client.get("/api/search/?q=K%EF%BF%BDnig&mode=keyword")
    assert (answer.status_code, answer.json()["query"]["text"]) == (200, "K\ufffdnig")


def test_errors_are_not_kept(client: Client) -> None:
    assert client.get("/api/search/?mode=fuzzy").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "address",
    [
        "/api/",
        "/api/nothing/",
        "/api/nothing",
        "/api/search/more/",
        "/api/products/a/b/",
        "/api/%00/",
        "/api/%FF",
    ],
)
def test_an_unknown_address_is_a_problem(client: Client, address: str) -> None:
    problem(client.get(address), 404)
    problem(client.post(address), 404)


def test_an_address_without_its_slash_is_redirected(client: Client) -> None:
    response = client.get("/api/search?q=saw")
    assert (response.status_code, response.headers["Location"]) == (301, "/api/search/?q=saw")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options", "trace"])
def test_other_methods_are_not_allowed(client: Client, method: str) -> None:
    for address in PUBLIC:
        response = getattr(client, method)(address)
        problem(response, 405)
        assert response.headers["Allow"] == "GET, HEAD"
    problem(client.get("/api/search/batch/"), 405)


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml", "image/*", "application/problem+json", "x"]
)
def test_only_json_is_spoken(client: Client, accept: str) -> None:
    for address in PUBLIC:
        said = problem(client.get(address, headers={"Accept": accept}), 406)
        assert said["detail"] == "Ask for application/json in the Accept header, or leave it out."


@pytest.mark.parametrize("accept", ["application/json", "*/*", "application/*", "text/html,*/*;q=0.8"])
def test_whoever_takes_json_among_others_gets_it(client: Client, accept: str) -> None:
    response = client.get("/api/categories/", headers={"Accept": accept})
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "x",
    ],
)
def test_a_batch_must_be_json(client: Client, content_type: str) -> None:
    said = problem(post(client, b'{"queries": ["saw"]}', content_type), 415)["detail"]
    assert said.endswith("in request. Send application/json, and say so in the Content-Type header.")


def test_an_event_of_another_kind_is_told_of_both_that_are_read(client: Client) -> None:
    said = problem(client.post("/api/events/", "{}", content_type="text/html"), 415)["detail"]
    assert "Send application/json or text/plain" in said


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"queries=saw",
        b"\xff\xfe",
        b'{"queries": [NaN]}',
        b'{"queries": ["\\ud800"]}',
        b'{"queries": ["\xff"]}',
        b'{"queries": ["\x00"]}',
        b"[" * 100_000,
        '{"queries": ["saw"]}'.encode("utf-16"),
    ],
)
def test_what_is_not_json_is_refused(client: Client, body: bytes) -> None:
    assert "errors" not in problem(post(client, body), 400) or body == b""


def test_a_batch_that_is_too_large_is_refused(client: Client, settings: Any) -> None:
    body = json.dumps({"queries": ["x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE]})
    problem(post(client, body), 413)


def test_a_bad_query_of_a_batch_is_named(client: Client) -> None:
    body = json.dumps({"queries": ["a", "b", "c", {"q": "d", "mode": "fuzzy"}, {"q": "e", "page": 0}]})
    assert bad_fields(post(client, body)) == ["queries[3].mode", "queries[4].page"]


@pytest.mark.parametrize(
    "address", ["/api/similar/", "/api/search/batch/", "/api/events/", "/api/categories/"]
)
def test_where_no_parameter_means_anything_none_is_dropped_in_silence(client: Client, address: str) -> None:
    if address == "/api/categories/":
        answer = client.get(f"{address}?limit=1")
    else:
        answer = client.post(f"{address}?limit=1", {}, "application/json")
    assert answer.status_code == 400
    (problem,) = answer.json()["errors"]
    assert problem["field"] == "limit"
    assert problem["detail"].startswith("This address takes no parameters")


def test_too_many_parameters_are_refused(client: Client) -> None:
    problem(client.get("/api/search/?" + "&".join(f"p{number}=1" for number in range(1500))), 400)


def test_a_strange_host_is_a_problem(client: Client) -> None:
    problem(client.get("/api/categories/", headers={"Host": "elsewhere.example"}), 400)


@pytest.mark.parametrize(
    "header",
    [
        basic("staff", "wrong"),
        basic("nobody", "x"),
        basic("st\x00aff", "x"),
        "Basic",
        "Basic !!!",
        "Basic a b",
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Basic " + base64.b64encode(b"\x00:\x00").decode(),
    ],
)
def test_a_wrong_login_is_told_so(client: Client, staff: User, header: str) -> None:
    for address in ("/api/search/?q=saw", "/api/embeddings/status/"):
        response = client.get(address, headers={"Authorization": header})
        problem(response, 401)
        assert response.headers["WWW-Authenticate"] == 'Basic realm="nearshelf"'


def test_a_garbled_session_is_a_strangers(client: Client) -> None:
    client.cookies["sessionid"] = "aaaaaaaaaaaa\x00"
    assert client.get("/api/categories/").status_code == 200
    problem(client.get("/api/embeddings/status/"), 401)


def test_only_staff_see_the_status(client: Client, customer: User, staff: User, staff_client: Client) -> None:
    address = "/api/embeddings/status/"
    problem(client.get(address), 401)
    problem(client.get(address, headers={"Authorization": basic("customer", "long enough 7")}), 403)
    for response in (
        client.get(address, headers={"Authorization": basic("staff", "long enough 7")}),
        staff_client.get(address),
    ):
        assert response.status_code == 200
        assert {"model", "counts", "oldest_pending_s", "index", "models"} <= response.json().keys()
        assert response.headers["Cache-Control"] == "no-store"


def test_a_session_needs_its_csrf_token(staff: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff)
    problem(post(client, b'{"queries": ["saw"]}'), 403)


def test_a_database_that_is_away_is_said_as_such(rf: RequestFactory) -> None:
    request = rf.get("/api/search/")
    response = problems.exception_handler(OperationalError("connection refused"), {"request": request})
    assert response is not None
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert "refused" not in str(response.data)


def test_a_bug_is_no_problem_of_the_clients(rf: RequestFactory) -> None:
    assert problems.exception_handler(ZeroDivisionError(), {"request": rf.get("/api/search/")}) is None
    response = problems.server_error(rf.get("/api/search/"))
    assert (response.status_code, response.headers["Content-Type"]) == (500, problems.CONTENT_TYPE)


def test_pages_that_are_not_the_apis_keep_their_own_errors(client: Client, rf: RequestFactory) -> None:
    response = client.get("/no-such-page/")
    assert (response.status_code, response.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    request: HttpRequest = rf.get("/")
    for response in (problems.bad_request(request, ValueError()), problems.server_error(request)):
        assert response.headers["Content-Type"].startswith("text/html")
