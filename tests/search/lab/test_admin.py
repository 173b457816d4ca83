"""The lab's pages: right content, a constant number of queries, roles, and a history of what was done."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from embeddings import pipeline
from embeddings.models import EmbeddingModel
from search import encoding
from search.lab import list_admin, runs
from search.lab.models import EvaluationRun, Judgment, JudgmentList
from search.lab.variants import Variant
from search.query import Mode
from search.terms import refresh_terms
from tests.search.lab.conftest import LAB, ROLES, page

pytestmark = pytest.mark.django_db

LISTS = "/admin/search/judgmentlist/"
RUNS = "/admin/search/evaluationrun/"
WORDS = (
    "light",
    "heavy",
    "small",
    "strong",
    "green",
    "blue",
    "steel",
    "wooden",
    "long",
    "short",
    "old",
    "new",
)


@pytest.fixture
def shop(make_product: Any, make_category: Any) -> None:
    for word in WORDS:
        make_product(f"Claw hammer {word}", category=make_category("Tools"), brand="Bormund")
    make_product("Tool for driving nails", category=make_category("Garden"))
    pipeline.drain()
    refresh_terms()
    encoding.warm_up()


@pytest.fixture
def spring(shop: None) -> JudgmentList:
    made = JudgmentList.objects.create(name="Spring")
    Judgment.objects.create(list=made, query="hammer", sku="T-1", grade=3)
    Judgment.objects.create(list=made, query="hammer", sku="T-2", grade=0)
    return made


@pytest.fixture
def run(spring: JudgmentList, author: User) -> EvaluationRun:
    return runs.start_run(spring, [Variant.current(), Variant.current().changed(mode=Mode.KEYWORD)], author)


# --- The page


def test_the_page_shows_what_customers_see_and_why(shop: None, login: Any) -> None:
    client = login("Viewer")
    text = page(client, LAB, q="hammer", shown="50")
    found = Client().get("/api/search/?q=hammer&page_size=50").json()
    places = [text.index(f'data-sku="{hit["sku"]}"') for hit in found["results"]]
    assert places == sorted(places)
    assert text.count('class="lab-hit"') == len(places) == found["total"]
    for said in (
        "As customers search now",
        'lab-route">index',
        "matched</dt><dd>hammer",
        "no. 1",
        '<th scope="row">keyword',
    ):
        assert said in text


def test_two_configurations_stand_side_by_side_with_their_moves(shop: None, login: Any) -> None:
    text = page(
        login("Viewer"),
        LAB,
        **{"q": "tool for driving nails", "compare": "on", "a-cutoff": "0", "b-mode": "keyword"},
    )
    assert "A: cut-off 0" in text
    assert "B: mode keyword" in text
    assert 'lab-move--gone"><span aria-hidden="true">✕</span> gone' in text
    assert "no vectors compared" in text


def test_the_address_carries_the_whole_page(shop: None, spring: JudgmentList, login: Any) -> None:
    address = {"q": "hammer", "category": "tools", "brand": "Bormund", "price_min": "1", "price_max": "99.5"}
    address |= {"list": str(spring.pk), "compare": "on", "shown": "20"}
    address |= {"a-cutoff": "0.1", "b-semantic_weight": "0.3", "b-fusion": "rrf", "b-rerank": "off"}
    text = page(login("Viewer"), LAB, **address)
    for field in (
        'value="Bormund"',
        'value="99.5"',
        'value="0.1"',
        'value="0.3"',
        '"rrf" selected',
        '"20" selected',
    ):
        assert field in text, field
    assert "B: fusion rrf, share of meaning 0.3" in text
    assert "Tool for driving nails" not in text


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"q": "x" * 513}, "at most 512 characters"),
        ({"q": "a\x00b"}, "Null characters are not allowed"),
        ({"category": "none"}, "There is no such category."),
        ({"brand": "Nobody"}, "No product has this brand."),
        ({"price_min": "abc"}, "Enter an amount"),
        ({"attribute": "red"}, "a name and a value"),
        ({"attribute": "taste:sweet"}, "No product has an attribute “taste”."),
        ({"price_min": "9", "price_max": "2"}, "is above the highest"),
        ({"shown": "11"}, "Select a valid choice"),
        ({"list": "99"}, "Select a valid choice"),
        ({"a-mode": "magic"}, "Select a valid choice"),
        ({"a-semantic_weight": "1.1"}, "less than or equal to 1"),
        ({"a-cutoff": "nan"}, "Enter a number from 0 to 1."),
        ({"a-semantic_floor": "inf"}, "Enter a number"),
        ({"a-semantic_depth": "0"}, "greater than or equal to 1"),
        ({"compare": "on", "b-rerank": "on"}, "No cross-encoder is set."),
        ({"compare": "on", "b-model": "77"}, "Select a valid choice"),
    ],
)
def test_bad_values_are_said_at_their_field(
    spring: JudgmentList, login: Any, params: dict[str, str], message: str
) -> None:
    text = page(login("Viewer"), LAB, **({"q": "hammer"} | params))
    assert message in text
    assert "Nothing was searched" in text
    assert "lab-hit" not in text.replace("lab-hits", "")


def test_a_model_that_is_not_full_is_not_compared(shop: None, login: Any) -> None:
    half = EmbeddingModel.objects.create(name="half", dimensions=8)
    text = page(login("Viewer"), LAB, **{"q": "hammer", "a-model": str(half.pk)})
    assert "This model is not ready to be compared." in text
    assert "Not every product has its vector" in text


def test_a_search_without_its_model_says_so(shop: None, login: Any) -> None:
    EmbeddingModel.objects.update(state=EmbeddingModel.State.BUILDING)
    assert "answered from words alone" in page(login("Viewer"), LAB, q="hammer")


def test_what_customers_typed_is_shown_as_text(shop: None, login: Any) -> None:
    text = page(login("Operator"), LAB, q='"><script>alert(1)</script>')
    assert "<script>alert" not in text


@pytest.mark.usefixtures("steady")
def test_the_number_of_queries_is_constant(
    shop: None, spring: JudgmentList, login: Any, make_product: Any, django_assert_num_queries: Any
) -> None:
    client = login("Operator")
    client.get(LAB, {"q": "hammer"})
    with django_assert_num_queries(9):
        client.get(LAB)
    asked = {"q": "hammer", "compare": "on", "b-semantic_weight": "0.2", "shown": "10"}
    with django_assert_num_queries(27):
        client.get(LAB, asked)
    for _ in range(20):
        make_product("Hammer")
    pipeline.drain()
    for number in range(20):
        Judgment.objects.create(list=spring, query="hammer", sku=f"X-{number}", grade=1)
    with django_assert_num_queries(27):
        client.get(LAB, asked | {"shown": "50"})


def test_an_attribute_narrows_the_results(login: Any, make_product: Any) -> None:
    make_product("Hammer of ash", attributes={"handle": "ash"})
    make_product("Hammer of steel", attributes={"handle": "steel"})
    text = page(login("Viewer"), LAB, q="hammer", attribute="handle:steel")
    assert "Hammer of steel" in text and "Hammer of ash" not in text
    assert 'value="handle:steel"' in text


# --- Judging


def test_a_click_judges_and_a_second_one_changes_it(spring: JudgmentList, login: Any) -> None:
    client = login("Merchandiser")
    form = {"list": spring.pk, "query": "hammer", "next": "q=hammer&b-cutoff=0.1", "judgment": "2:T-1"}
    response = client.post(f"{LAB}judge/", form)
    assert response.headers["Location"] == f"{LAB}?q=hammer&b-cutoff=0.1"
    response = client.post(
        f"{LAB}judge/", form | {"judgment": "1:T-3"}, headers={"Accept": "application/json"}
    )
    assert json.loads(response.content) == {"sku": "T-3", "grade": 1}
    assert dict(Judgment.objects.values_list("sku", "grade")) == {"T-1": 2, "T-2": 0, "T-3": 1}
    assert Judgment.objects.get(sku="T-1").by == User.objects.get(username="a Merchandiser")
    assert 'data-grade="2" aria-pressed="true"' in page(client, LAB, q="hammer", shown="50")
    response = client.post(
        f"{LAB}judge/", form | {"judgment": ":T-1"}, headers={"Accept": "application/json"}
    )
    assert json.loads(response.content) == {"sku": "T-1", "grade": None}
    assert not Judgment.objects.filter(sku="T-1").exists()


@pytest.mark.parametrize(
    "bad",
    [
        {"judgment": "7:T-1"},
        {"judgment": "²:T-1"},
        {"judgment": "1:none"},
        {"list": ""},
        {"list": "x"},
        {"query": " "},
    ],
)
def test_a_bad_judgment_is_refused_with_the_reason(
    spring: JudgmentList, login: Any, bad: dict[str, str]
) -> None:
    client = login("Merchandiser")
    form = {"list": str(spring.pk), "query": "hammer", "next": "q=hammer", "judgment": "2:T-1"} | bad
    response = client.post(f"{LAB}judge/", form, headers={"Accept": "application/json"})
    assert response.status_code == 400
    reason = json.loads(response.content)["error"]
    assert reason
    response = client.post(f"{LAB}judge/", form, follow=True)
    assert reason in response.content.decode()
    assert Judgment.objects.get(sku="T-1").grade == 3


def test_a_way_back_leads_nowhere_else(spring: JudgmentList, login: Any) -> None:
    form = {
        "list": spring.pk,
        "query": "hammer",
        "judgment": "2:T-1",
        "next": "https://elsewhere.example/?q=1",
    }
    response = login("Merchandiser").post(f"{LAB}judge/", form)
    assert response.headers["Location"].startswith(f"{LAB}?")


def test_a_list_is_begun_on_the_page(shop: None, login: Any) -> None:
    client = login("Merchandiser")
    response = client.post(f"{LAB}lists/", {"name": "Autumn", "next": "q=hammer"}, follow=True)
    made = JudgmentList.objects.get()
    assert response.redirect_chain[-1][0] == f"{LAB}?q=hammer&list={made.pk}"
    assert LogEntry.objects.filter(object_repr="Autumn").exists()
    response = client.post(f"{LAB}lists/", {"name": "Autumn", "next": ""}, follow=True)
    assert "already exists" in response.content.decode()


# --- Lists


def test_an_import_reports_every_bad_line(spring: JudgmentList, login: Any, monkeypatch: Any) -> None:
    client = login("Merchandiser")
    address = f"{LISTS}{spring.pk}/import/"
    bad = SimpleUploadedFile("j.csv", b"query,sku,grade\na,b,9\na,c,1\n,d,1\n")
    text = " ".join(client.post(address, {"file": bad}).content.decode().split())
    assert "Line 2: the grade must be" in text
    assert "Line 4: the query is missing." in text
    assert Judgment.objects.count() == 2
    assert "This field is required" in client.post(address, {}).content.decode()
    monkeypatch.setattr(list_admin, "SHOWN_PROBLEMS", 1)
    bad.seek(0)
    assert "and 1 more." in client.post(address, {"file": bad}).content.decode()


def test_a_list_is_exported_and_imported(spring: JudgmentList, login: Any) -> None:
    client = login("Merchandiser")
    response = client.get(f"{LISTS}{spring.pk}/export/")
    assert response.content == b"query,sku,grade\r\nhammer,T-1,3\r\nhammer,T-2,0\r\n"
    assert response.headers["Content-Disposition"] == 'attachment; filename="judgments-spring.csv"'
    other = JudgmentList.objects.create(name="Other")
    file = SimpleUploadedFile("j.csv", response.content)
    text = client.post(f"{LISTS}{other.pk}/import/", {"file": file}, follow=True).content.decode()
    assert "2 judgments imported." in text
    assert client.get(f"{LISTS}{other.pk}/export/").content == response.content
    assert "Imported 2 judgments." in LogEntry.objects.latest("pk").get_change_message()


def test_a_lists_history_names_each_grade_that_was_given(spring: JudgmentList, login: Any) -> None:
    client = login("Merchandiser")
    for judgment in ("2:T-1", "2:T-1", ":T-1", ":T-1", "1:T-3"):
        client.post(f"{LAB}judge/", {"list": spring.pk, "query": "hammer", "judgment": judgment})
    said = [one.get_change_message() for one in LogEntry.objects.order_by("pk")]
    assert said == [
        "Graded T-1 for “hammer”: 2 (before: 3).",
        "Took back the grade of T-1 for “hammer”.",
        "Graded T-3 for “hammer”: 1.",
    ]
    assert "Graded T-3" in page(client, f"{LISTS}{spring.pk}/history/")


def test_whoever_changes_a_grade_is_its_author(spring: JudgmentList, login: Any) -> None:
    client = login("Operator")
    judgment = Judgment.objects.get(sku="T-1")
    client.post(f"/admin/search/judgment/{judgment.pk}/change/", {"grade": "1"})
    judgment.refresh_from_db()
    assert (judgment.grade, judgment.by) == (1, User.objects.get(username="a Operator"))


def test_lists_and_judgments_cost_a_constant_number_of_queries(
    spring: JudgmentList, author: User, login: Any, django_assert_num_queries: Any
) -> None:
    client = login("Operator")
    client.get(LISTS)
    for _ in range(2):
        with django_assert_num_queries(6):
            client.get(LISTS)
        for number in range(10):
            JudgmentList.objects.create(name=f"More {number} {JudgmentList.objects.count()}")


# --- Evaluations


def test_an_evaluation_is_started_from_the_page_and_seen(spring: JudgmentList, login: Any) -> None:
    client = login("Merchandiser")
    form = {"list": spring.pk, "next": "q=hammer&compare=on&b-semantic_weight=0.1"}
    response = client.post(f"{LAB}evaluate/", form, follow=True)
    run = EvaluationRun.objects.get()
    assert response.redirect_chain[-1][0] == f"{RUNS}{run.pk}/change/"
    assert "Waits for a worker" in response.content.decode()
    assert [variant["semantic_weight"] for variant in run.variants] == [0.7, 0.1]
    assert {variant["model_id"] for variant in run.variants} == {EmbeddingModel.objects.active().pk}
    assert LogEntry.objects.filter(object_id=str(run.pk), user__username="a Merchandiser").exists()
    runs.take_turn()
    text = page(client, f"{RUNS}{run.pk}/figures/")
    assert "1</strong> of <strong>1</strong> queries measured" in text
    assert "B against A" in text
    assert "<strong>B</strong>: share of meaning 0.1</li>" in text
    assert "could be chance" in text
    assert "Filters and curation rules are not used" in text
    assert 'data-over="true"' in text


def test_a_variant_that_needs_no_model_differs_by_its_mode_alone(run: EvaluationRun, login: Any) -> None:
    text = page(login("Viewer"), f"{RUNS}{run.pk}/change/")
    assert "<strong>A</strong>: as customers search now, without curation rules</li>" in text
    assert "<strong>B</strong>: mode keyword</li>" in text


def test_winners_lead_back_into_the_lab(run: EvaluationRun, login: Any) -> None:
    gain = {"query": "a & b", "a": 0.1, "b": 0.9, "gain": 0.8, "a_judged": 0.1, "b_judged": 0.9}
    runs.take_turn()
    run.refresh_from_db()
    run.report["winners"] = [gain]
    run.save()
    text = page(login("Viewer"), f"{RUNS}{run.pk}/change/")
    assert f"{LAB}?q=a%20%26%20b&amp;list={run.list_id}&amp;b-mode=keyword&amp;compare=on" in text


@pytest.mark.parametrize("form", [{"next": "q=x&a-cutoff=9"}, {"next": "", "list": ""}])
def test_what_cannot_be_evaluated_is_said(spring: JudgmentList, login: Any, form: dict[str, str]) -> None:
    response = login("Operator").post(f"{LAB}evaluate/", {"list": spring.pk} | form, follow=True)
    assert 'class="error"' in response.content.decode()
    assert not EvaluationRun.objects.exists()


def test_a_run_is_cancelled_on_its_page(run: EvaluationRun, login: Any) -> None:
    client = login("Operator")
    assert "Cancel" in page(client, f"{RUNS}{run.pk}/change/")
    text = client.post(f"{RUNS}{run.pk}/cancel/", follow=True).content.decode()
    assert "was cancelled" in text
    assert LogEntry.objects.latest("pk").get_change_message() == "Cancelled."
    assert "has ended already" in client.post(f"{RUNS}{run.pk}/cancel/", follow=True).content.decode()


def test_every_state_of_a_run_is_told(run: EvaluationRun, login: Any) -> None:
    client = login("Viewer")
    later, before = timezone.now() + timedelta(minutes=1), timezone.now() - timedelta(minutes=1)
    for changes, said in (
        ({"lease_until": later}, "Running"),
        ({"lease_until": before}, "Stalled"),
        ({"finished_at": before, "error": "<b>No model</b>"}, "&lt;b&gt;No model&lt;/b&gt;"),
        ({"finished_at": before, "cancelled_at": before}, "Cancelled"),
    ):
        EvaluationRun.objects.filter(pk=run.pk).update(**changes)
        assert said in page(client, f"{RUNS}{run.pk}/change/")
        assert said[:6] in page(client, RUNS) or "Failed" in page(client, RUNS)


def test_runs_cost_a_constant_number_of_queries(
    run: EvaluationRun, spring: JudgmentList, author: User, login: Any, django_assert_num_queries: Any
) -> None:
    client = login("Viewer")
    runs.take_turn()
    client.get(RUNS)
    for number in range(2):
        with django_assert_num_queries(7):
            client.get(RUNS)
        with django_assert_num_queries(6):
            client.get(f"{RUNS}{run.pk}/change/")
        for _ in range(10):
            runs.start_run(spring, [Variant.current().changed(cutoff=number / 10)], author)
            EvaluationRun.objects.open().update(finished_at=timezone.now())


@pytest.mark.parametrize("role", ROLES)
def test_a_list_is_deleted_with_its_evaluations_by_who_may(run: EvaluationRun, login: Any, role: str) -> None:
    client = login(role)
    address = f"{LISTS}{run.list_id}/delete/"
    if role == "Viewer":
        assert client.get(address).status_code == client.post(address, {"post": "yes"}).status_code == 403
        return
    text = page(client, address)
    for said in ("Judgment lists: 1", "Judgments: 2", "Evaluation runs: 1", "Evaluated queries: 1"):
        assert said in text
    assert client.post(address, {"post": "yes"}).status_code == 302
    assert not (JudgmentList.objects.exists() or EvaluationRun.objects.exists())
    assert LogEntry.objects.get().is_deletion()


def test_what_goes_with_a_list_is_deleted_by_none_who_may_not(
    run: EvaluationRun, author: User, client: Client
) -> None:
    author.user_permissions.add(
        *Permission.objects.filter(codename__in=["view_judgmentlist", "delete_judgmentlist"])
    )
    client.force_login(author)
    address = f"{LISTS}{run.list_id}/delete/"
    assert "<li>judgment</li>" in page(client, address)
    assert client.post(address, {"post": "yes"}).status_code == 403
    assert JudgmentList.objects.exists()


def test_an_odd_address_is_not_found(shop: None, login: Any) -> None:
    client = login("Operator")
    for address in (f"{RUNS}999/change/", f"{RUNS}abc/change/", f"{LISTS}999/import/", f"{LISTS}999/export/"):
        assert client.get(address).status_code == 404


# --- Roles

CHANGES = [f"{LAB}judge/", f"{LAB}lists/", f"{LAB}evaluate/"]


@pytest.mark.parametrize("role", ROLES)
def test_each_role_sees_all_and_does_what_it_may(
    run: EvaluationRun, login: Callable[..., Client], role: str
) -> None:
    client = login(role)
    judges = role != "Viewer"
    text = page(client, LAB, q="hammer", shown="50")
    assert ('name="judgment"' in text) is judges
    assert ("Evaluate the whole list" in text) is judges
    assert ("Begin" in text) is judges
    assert ("judged 3" in text) is not judges
    for address in (
        LISTS,
        RUNS,
        "/admin/search/judgment/",
        f"{LISTS}{run.list_id}/change/",
        f"{RUNS}{run.pk}/change/",
    ):
        page(client, address)
    assert client.get(f"{LISTS}{run.list_id}/export/").status_code == 200
    index = page(client, "/admin/")
    assert LAB in index
    assert "search_lab_changelist" not in index
    refused = 200 if judges else 403
    assert client.get(f"{LISTS}{run.list_id}/import/").status_code == refused
    statuses = {
        client.post(address, {"next": ""}).status_code for address in [*CHANGES, f"{RUNS}{run.pk}/cancel/"]
    }
    assert statuses == ({302} if judges else {403})


def test_staff_without_a_role_see_nothing(run: EvaluationRun, login: Callable[..., Client]) -> None:
    client = login()
    pages = [
        LAB,
        LISTS,
        RUNS,
        f"{LISTS}{run.list_id}/export/",
        f"{RUNS}{run.pk}/change/",
        f"{RUNS}{run.pk}/figures/",
    ]
    assert {client.get(address).status_code for address in pages} == {403}
    assert LAB not in client.get("/admin/").content.decode()


def test_strangers_are_asked_to_log_in(run: EvaluationRun, client: Client) -> None:
    for address in (LAB, f"{RUNS}{run.pk}/figures/"):
        assert client.get(address).headers["Location"].startswith("/admin/login/")
    for address in CHANGES:
        assert client.post(address).headers["Location"].startswith("/admin/login/")


def test_changes_are_posted_and_carry_a_token(run: EvaluationRun, login: Callable[..., Client]) -> None:
    client = login("Operator")
    for address in [*CHANGES, f"{RUNS}{run.pk}/cancel/"]:
        assert client.get(address).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="a Operator"))
    for address in CHANGES:
        assert strict.post(address).status_code == 403


def test_the_groups_have_what_they_need() -> None:
    models = ("judgment", "judgmentlist", "evaluationrun")
    held = {
        group.name: set(
            group.permissions.filter(
                content_type__app_label="search", content_type__model__in=models
            ).values_list("codename", flat=True)
        )
        for group in Group.objects.all()
    }
    assert held["Viewer"] == {"view_judgmentlist", "view_judgment", "view_evaluationrun"}
    assert held["Merchandiser"] == held["Operator"] > held["Viewer"]


def test_a_link_to_a_synonym_is_for_who_may_add_one(shop: None, client: Client, login: Any) -> None:
    assert "Add a synonym" not in page(login("Operator"), LAB, q="telly")
    client.force_login(User.objects.create_superuser("boss"))
    assert "/admin/search/synonym/add/?term=telly" in page(client, LAB, q="telly")
