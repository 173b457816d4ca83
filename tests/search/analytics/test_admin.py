"""The analytics pages: who sees them, in how many queries, and where they lead."""

import importlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test import Client

from search.analytics.admin import REPORTS
from search.models import SearchLog
from search.templatetags.analytics import milliseconds, share

pytestmark = pytest.mark.django_db
PAGE = "/admin/search/searchlog/"
PAGES = [PAGE, *(f"{PAGE}{key}/" for key in REPORTS)]


@pytest.fixture
def login(client: Client) -> Any:
    """Log in as a member of a group, or as staff without any."""

    def as_role(role: str = "", **fields: Any) -> Client:
        user = User.objects.create(username=f"a {role}", **{"is_staff": True, **fields})
        if role:
            user.groups.add(Group.objects.get(name=role))
        client.force_login(user)
        return client

    return as_role


def text(response: Any) -> str:
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


@pytest.mark.parametrize("role", ["Viewer", "Merchandiser", "Operator"])
def test_every_role_may_look_and_none_may_edit(role: str, login: Any, make_search: Any) -> None:
    search = make_search("telly")
    client = login(role)
    for page in PAGES:
        assert client.get(page).status_code == 200
        assert client.post(page, {"action": "delete_selected"}).status_code == 200
    assert "telly" in text(client.get(f"{PAGE}top-queries/"))
    for page in (f"{PAGE}add/", f"{PAGE}{search.pk}/change/", f"{PAGE}{search.pk}/delete/"):
        assert client.get(page).status_code == 404
        assert client.post(page, {"post": "yes"}).status_code == 404
    assert SearchLog.objects.get() == search


@pytest.mark.parametrize("page", PAGES)
def test_others_may_not_look(page: str, login: Any, client: Client) -> None:
    assert client.get(page).status_code == 302
    assert login("").get(page).status_code == 403
    assert "Search analytics" not in text(client.get("/admin/"))
    viewer = login("Viewer", is_staff=False)
    assert viewer.get(page).status_code == 302


def test_there_is_no_permission_to_edit_searches() -> None:
    found = Permission.objects.filter(content_type__app_label="search", codename__contains="search")
    assert list(found.values_list("codename", flat=True)) == ["view_searchlog"]


@pytest.mark.parametrize("period", ["24h", "7d", "30d", "nonsense"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_takes_the_same_queries_however_much_was_searched(
    page: str, period: str, login: Any, make_search: Any, django_assert_num_queries: Any
) -> None:
    client = login("Viewer")
    client.get(page)
    # Session, user, two of permissions; and the page's own.
    expected = 4 + (2 if page == PAGE else 1)
    for _ in range(2):
        with django_assert_num_queries(expected):
            assert client.get(page, {"period": period}).status_code == 200
        for number in range(6):
            for _ in range(5):
                make_search(f"query {number}", total=number % 2, latency_ms=number)


def test_a_report_says_what_is_to_be_said(login: Any, make_search: Any) -> None:
    for _ in range(5):
        make_search("Telly", total=0)
        make_search("<b>drill</b>", latency_ms=1234.5)
    make_search("Noctua <i>", unmatched=["noctua", "<i>"])
    make_search("turned the page", page=2)
    client = login("Viewer")
    overview = text(client.get(PAGE))
    assert '<strong id="analytics-searches">11</strong>' in overview
    assert '<strong id="analytics-nothing">45 %</strong>' in overview
    assert '<strong id="analytics-unmatched">9.1 %</strong>' in overview
    nothing = text(client.get(f"{PAGE}without-results/"))
    assert "telly" in nothing and "drill" not in nothing
    unknown = text(client.get(f"{PAGE}unknown-words/"))
    assert "noctua" in unknown and "noctua &lt;i&gt;" in unknown and "telly" not in unknown
    slow = text(client.get(f"{PAGE}slowest/"))
    assert "&lt;b&gt;drill&lt;/b&gt;" in slow and "1,234 ms" in slow
    low = text(client.get(f"{PAGE}low-click-rate/"))
    assert "drill" in low and "telly" not in low
    assert "turned the page" not in text(client.get(f"{PAGE}top-queries/"))


def test_an_empty_shop_has_empty_pages(login: Any) -> None:
    client = login("Viewer")
    assert "Nobody has searched" in text(client.get(PAGE))
    for key, report in REPORTS.items():
        assert report.empty in text(client.get(f"{PAGE}{key}/"))
    assert client.get(f"{PAGE}nonsense/").status_code == 404


def test_the_pages_say_when_little_or_nothing_is_logged(login: Any, settings: Any) -> None:
    client = login("Viewer")
    settings.SEARCH_LOG = True
    assert "logged" not in text(client.get(PAGE)).split("dash analytics")[1]
    settings.SEARCH_LOG_SAMPLE = 0.25
    assert "(25 %)" in text(client.get(PAGE))
    settings.SEARCH_LOG = False
    assert "not being logged" in text(client.get(PAGE))


def leads(response: Any, label: str) -> list[str]:
    rows = response.context["rows"]
    return [link.url for row in rows for link in row["links"] if link.label == label]


def test_a_query_leads_to_a_synonym_for_who_may_add_one(login: Any, make_search: Any) -> None:
    make_search('17" t&v', total=0)
    client = login("Viewer")
    assert leads(client.get(f"{PAGE}without-results/"), "Add a synonym") == []
    User.objects.get().user_permissions.add(Permission.objects.get(codename="add_synonym"))
    (url,) = leads(client.get(f"{PAGE}without-results/"), "Add a synonym")
    assert parse_qs(urlsplit(url).query) == {"term": ['17" t&v']}
    form = client.get(url).context["adminform"].form
    assert form.initial["term"] == '17" t&v'


def test_a_word_leads_to_a_synonym_of_it(login: Any, make_search: Any) -> None:
    make_search("noctua fan", unmatched=["noctua"])
    response = login("Merchandiser").get(f"{PAGE}unknown-words/")
    (address,) = leads(response, "Add a synonym")
    assert address == "/admin/search/synonym/add/?term=noctua"


def test_a_query_leads_only_where_one_may_go(login: Any, make_search: Any) -> None:
    make_search("telly", total=0)
    client = login("Viewer")
    (url,) = leads(client.get(f"{PAGE}without-results/"), "Try it")
    assert client.get(url).status_code == 200
    Group.objects.get(name="Viewer").permissions.remove(Permission.objects.get(codename="view_judgmentlist"))
    assert leads(client.get(f"{PAGE}without-results/"), "Try it") == []


def test_groups_that_staff_have_changed_stay_as_they_are() -> None:
    migration = importlib.import_module("search.migrations.0002_analytics")
    Group.objects.get(name="Operator").delete()
    Group.objects.get(name="Viewer").permissions.clear()
    connection.check_constraints()
    state = MigrationLoader(connection).project_state(("search", "0002_analytics"))
    migration.let_groups_view(state.apps, None)
    assert Group.objects.get(name="Viewer").permissions.get().codename == "view_searchlog"
    assert not Group.objects.filter(name="Operator").exists()


def test_figures_are_written_for_people() -> None:
    assert [share(value) for value in (None, 0, 0.001, 0.5, 0.996, 1)] == [
        "–", "0 %", "0.1 %", "50 %", "99.6 %", "100 %",
    ]  # fmt: skip
    assert [milliseconds(value) for value in (None, 7.44, 1250.4)] == ["–", "7.4 ms", "1,250 ms"]
