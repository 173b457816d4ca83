"""Staff's pages: who may do what, what is noted, what is previewed, and what it costs."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.forms.renderers import get_default_renderer
from django.test import Client
from django.test.html import parse_html
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from search.merchandising.widgets import PlainRenderer
from search.models import CurationAction, CurationRule, CurationUse, Synonym

pytestmark = pytest.mark.django_db

RULES = "/admin/search/curationrule/"
SYNONYMS = "/admin/search/synonym/"
PREVIEW = {"_preview": "1"}


def rule_form(*actions: dict[str, Any], initial: int = 0, **fields: Any) -> dict[str, Any]:
    """What the browser sends of a rule's form."""
    data = {"name": "A rule", "query": "drill", "match": "exact", "is_active": "on", "priority": "0"}
    data |= {"actions-TOTAL_FORMS": str(len(actions)), "actions-INITIAL_FORMS": str(initial), **fields}
    for number, action in enumerate(actions):
        data |= {f"actions-{number}-{name}": str(value) for name, value in action.items()}
    return data


def text(response: Any) -> str:
    assert response.status_code == 200, response
    return " ".join(response.content.decode().split())


def queries(client: Any, address: str, data: Any = None) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert (client.get(address) if data is None else client.post(address, data)).status_code == 200
    return len(captured)


# --- Roles -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["Viewer", "Operator", "Merchandiser", ""])
def test_each_role_may_do_its_part(role: str, login: Any, make_rule: Any, make_product: Any) -> None:
    product = make_product("Saw")
    rule = make_rule("drill", {"kind": "pin", "product": product, "position": 1})
    synonym = Synonym.objects.create(term="telly", means="television")
    client = login(role)
    sees, changes = role != "", role == "Merchandiser"
    for page in (RULES, f"{RULES}{rule.pk}/change/", SYNONYMS, f"{SYNONYMS}{synonym.pk}/change/"):
        assert client.get(page).status_code == (200 if sees else 403), page
    new = rule_form({"kind": "hide", "product": product.pk})
    words = {"term": "a", "means": "b"}
    attempts = [
        (f"{RULES}add/", new, 302),
        (f"{RULES}add/", new | PREVIEW, 200),
        (f"{RULES}{rule.pk}/change/", new | PREVIEW, 200),
        (f"{SYNONYMS}add/", words, 302),
        (f"{SYNONYMS}add/", words | PREVIEW, 200),
        (f"{SYNONYMS}{synonym.pk}/change/", words | PREVIEW, 200),
        (f"{SYNONYMS}{synonym.pk}/change/", {"term": "c", "means": "d"}, 302),
        (f"{RULES}{rule.pk}/delete/", {"post": "yes"}, 302),
        (f"{SYNONYMS}{synonym.pk}/delete/", {"post": "yes"}, 302),
    ]
    for address, data, status in attempts:
        assert client.post(address, data).status_code == (status if changes else 403), address
    assert CurationRule.objects.filter(pk=rule.pk).exists() is not changes
    assert Synonym.objects.count() == 1
    chosen = {"action": "switch_off", "_selected_action": CurationRule.objects.get().pk}
    client.post(RULES, chosen)
    assert CurationRule.objects.get().is_active is not changes
    if sees and not changes:
        page = text(client.get(f"{RULES}{rule.pk}/change/"))
        assert "_preview" not in page
        assert "_save" not in page
        assert "switch_off" not in text(client.get(RULES))


def test_strangers_are_sent_to_the_login(client: Any) -> None:
    for page in (RULES, f"{RULES}add/", SYNONYMS, f"{SYNONYMS}add/"):
        assert client.get(page).status_code == client.post(page, PREVIEW).status_code == 302


# --- Rules -------------------------------------------------------------------------------------------------


def test_a_rule_is_made_changed_and_noted(login: Any, make_product: Any) -> None:
    client, one, two = login("Merchandiser"), make_product("One"), make_product("Two")
    pins = [
        {"kind": "pin", "product": one.pk, "position": 1},
        {"kind": "pin", "product": two.pk, "position": 2},
        {"kind": "boost", "product": two.pk},
    ]
    assert client.post(f"{RULES}add/", rule_form(*pins, query="  hammer   Drill ")).status_code == 302
    rule = CurationRule.objects.get()
    assert rule.query == "hammer Drill"
    first, second, boost = rule.actions.all()
    assert boost.factor == 2.0
    # The two pins change places.
    saved = [
        {"id": first.pk, "rule": rule.pk, "kind": "pin", "product": one.pk, "position": 2},
        {"id": second.pk, "rule": rule.pk, "kind": "pin", "product": two.pk, "position": 1},
        {"id": boost.pk, "rule": rule.pk, "kind": "bury", "product": two.pk, "factor": "0.2", "position": 7},
    ]
    response = client.post(f"{RULES}{rule.pk}/change/", rule_form(*saved, initial=3))
    assert response.status_code == 302
    assert [(a.kind, a.position, a.factor) for a in rule.actions.all()] == [
        ("pin", 2, None),
        ("pin", 1, None),
        ("bury", None, 0.2),
    ]
    client.post(RULES, {"action": "switch_off", "_selected_action": rule.pk})
    client.post(RULES, {"action": "switch_on", "_selected_action": rule.pk})
    client.post(RULES, {"action": "switch_on", "_selected_action": rule.pk})
    history = text(client.get(f"{RULES}{rule.pk}/history/"))
    assert "Switched off." in history
    assert history.count("Switched on.") == 1
    assert LogEntry.objects.count() == 4
    page = text(client.get(f"{RULES}{rule.pk}/delete/"))
    assert "A rule" in page
    client.post(f"{RULES}{rule.pk}/delete/", {"post": "yes"})
    assert not CurationRule.objects.exists()
    assert LogEntry.objects.count() == 5


@pytest.fixture
def post_while_another_saves(transactional_db: None) -> Any:
    """Post a form that waits for what somebody else saves in these very moments."""

    def post(address: str, form: dict[str, Any], save: Callable[[], Any]) -> str:
        client = Client()
        client.force_login(User.objects.create_superuser("second"))
        answers: list[Any] = []

        def send() -> None:
            try:
                answers.append(client.post(address, form))
            finally:
                connection.close()

        second = threading.Thread(target=send)
        with transaction.atomic():
            save()
            second.start()
            while not waits_for_lock():
                assert second.is_alive()
        second.join()
        return text(answers[0])

    return post


def waits_for_lock() -> bool:
    time.sleep(0.01)
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_locks WHERE NOT granted")
        return bool(cursor.rowcount)


@pytest.mark.parametrize("same", ["position", "product"])
def test_of_two_who_pin_the_same_at_once_the_second_is_told(
    same: str, post_while_another_saves: Any, make_rule: Any, make_product: Any
) -> None:
    one, two, hidden = make_product("One"), make_product("Two"), make_product("Hidden")
    rule = make_rule("drill", {"kind": "hide", "product": hidden})
    kept = {"id": rule.actions.get().pk, "rule": rule.pk, "kind": "hide", "product": hidden.pk}
    pin = {"product": two.pk, "position": 1} if same == "position" else {"product": one.pk, "position": 2}
    page = post_while_another_saves(
        f"{RULES}{rule.pk}/change/",
        rule_form(kept, {"kind": "pin", **pin}, initial=1),
        lambda: CurationAction.objects.create(rule=rule, kind="pin", product=one, position=1),
    )
    assert "Somebody has just pinned One to position 1." in page
    assert rule.actions.filter(kind="pin").count() == 1


def test_of_two_who_add_the_same_synonym_at_once_the_second_is_told(post_while_another_saves: Any) -> None:
    words = {"term": "telly", "means": "television"}
    page = post_while_another_saves(f"{SYNONYMS}add/", words, lambda: Synonym.objects.create(**words))
    assert "There is this synonym already." in page
    assert Synonym.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "actions", "complaint"),
    [
        ({"query": ""}, [{}], "Say for which query or for which category"),
        ({}, [], "add at least one action"),
        ({}, [{"position": ""}], "Say to which position"),
        ({}, [{"position": "0"}], "greater than or equal to 1"),
        ({}, [{"position": "101"}], "less than or equal to 100"),
        ({}, [{"product": ""}], "Choose one: a product, a category or a brand."),
        ({}, [{"product": "999999999"}], "Select a valid choice"),
        ({}, [{"brand": "Nobody"}], "No product has this brand"),
        ({}, [{"brand": "Bosal"}], "Choose one: a product, a category or a brand."),
        ({}, [{"brand": "Bosal", "product": ""}], "Only a product can be pinned."),
        ({}, [{"kind": "boost", "factor": "0.5"}], "A boost is above 1"),
        ({}, [{"kind": "bury", "factor": "1.5"}], "A bury is below 1"),
        ({}, [{}, {"position": "2"}], "A product can be pinned to one position only."),
        ({}, [{}, {"kind": "pin", "product": "other"}], "Two products are pinned to the same position."),
        ({"name": "x\x00"}, [{}], "Null characters are not allowed"),
        (
            {"valid_from_0": "2030-01-02", "valid_from_1": "00:00", "valid_to_0": "2030-01-01", "valid_to_1": "0:00"},
            [{}],
            "The rule must end after it begins.",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_words(
    fields: Any, actions: Any, complaint: str, login: Any, make_product: Any
) -> None:
    product, other = make_product("One", brand="Bosal"), make_product("Two")
    usual = {"kind": "pin", "product": product.pk, "position": 1}
    sent = [usual | action for action in actions]
    for action in sent:
        action["product"] = other.pk if action["product"] == "other" else action["product"]
    client = login("Merchandiser")
    for extra in ({}, PREVIEW):
        page = text(client.post(f"{RULES}add/", rule_form(*sent, **fields) | extra))
        assert complaint in page
    assert page.count(complaint) >= 2  # at the field, and where the preview would be
    assert not CurationRule.objects.exists()


def test_the_list_says_all_in_words(
    login: Any, make_rule: Any, make_product: Any, make_category: Any
) -> None:
    tools = make_category("Tools")
    now, day = timezone.now(), timedelta(days=1)
    idle = make_product("Sleeping saw", is_active=False)
    first = make_rule(
        "drill",
        {"kind": "pin", "product": idle, "position": 3},
        {"kind": "boost", "brand": "Bosal", "factor": 2.5},
        {"kind": "bury", "category": tools, "factor": 0.5},
        {"kind": "hide", "product": make_product()},
    )
    CurationUse.objects.create(rule=first, searches=1234, last_used_at=now)
    make_rule("x", match="contains", category=tools, valid_from=now + day)
    make_rule("", category=tools, valid_to=now - day, name="Old")
    make_rule("", category=tools, match="contains", is_active=False, name="Off one")
    client = login("Viewer")
    page = text(client.get(RULES))
    for words in (
        "Query is “drill”", "Query contains “x”, within “Tools”", "Browsing “Tools”",
        "Browsing “Tools” and every search in it", "Pin “Sleeping saw” to 3", "Boost brand “Bosal” × 2.5",
        "Bury category “Tools” × 0.5", "and 1 more", "“Sleeping saw” is not active, so it is not shown.",
        "It does nothing", "1,234", "none yet", "Active now", "Scheduled", "Expired", "</span> Off",
    ):  # fmt: skip
        assert words in page, words
    names = {"active": "Rule for drill", "scheduled": "Rule for x", "expired": "Old", "off": "Off one"}
    for state, name in names.items():
        found = client.get(f"{RULES}?state={state}").context["cl"].result_list
        assert [rule.name for rule in found] == [name]
    assert len(client.get(f"{RULES}?state=nonsense").context["cl"].result_list) == 4
    assert len(client.get(f"{RULES}?actions__kind=boost").context["cl"].result_list) == 1
    for words, number in ((idle.sku, 1), ("tools", 3), ("Bosal", 1), ("nothing", 0)):
        assert len(client.get(f"{RULES}?q={words}").context["cl"].result_list) == number
    assert "Used in 1,234 searches" in text(client.get(f"{RULES}{first.pk}/change/"))


def test_other_pages_lead_here_with_the_query_filled_in(login: Any) -> None:
    client = login("Merchandiser")
    page = text(client.get(reverse("admin:search_curationrule_add", query={"query": 'red "drill"'})))
    assert 'name="query" value="red &quot;drill&quot;"' in page
    assert 'name="name" value="“red &quot;drill&quot;”"' in page
    page = text(client.get(reverse("admin:search_synonym_add", query={"term": "telly"})))
    assert 'name="term" value="telly"' in page
    assert (
        client.get(reverse("admin:search_curationrule_add", query={"query": "x" * 2000})).status_code == 200
    )


def test_actions_are_written_as_django_writes_them(login: Any, make_rule: Any, make_product: Any) -> None:
    product = make_product('A "<b>drill</b>" & more')
    rule = make_rule("drill", {"kind": "pin", "product": product, "position": 1})
    client = login("Merchandiser")
    sent = rule_form({"kind": "boost", "brand": "<i>", "factor": "x'"}, {"kind": "odd", "DELETE": "on"})
    for ask in (lambda: client.get(f"{RULES}{rule.pk}/change/"), lambda: client.post(f"{RULES}add/", sent)):
        forms = ask().context["inline_admin_formsets"][0].formset.forms
        for form in forms:
            for field in form:
                quick = parse_html(str(field))
                form.renderer = get_default_renderer()
                assert quick == parse_html(str(field))
                form.renderer = PlainRenderer()


# --- Preview -----------------------------------------------------------------------------------------------


def test_a_rules_preview_shows_both_sides_and_saves_nothing(login: Any, make_product: Any) -> None:
    drills = [make_product(f"Drill {letter}", sku=f"D-{letter}") for letter in "XYZ"]
    saw = make_product("Saw <b>", sku="S-1")
    client = login("Merchandiser")
    actions = [
        {"kind": "pin", "product": saw.pk, "position": 1},
        {"kind": "hide", "product": drills[2].pk},
        {"kind": "bury", "product": drills[1].pk, "factor": 0.1},
    ]
    # A rule that is off or still to come is previewed as if it were valid.
    form = rule_form(*actions, valid_from_0="2090-01-01", valid_from_1="00:00") | PREVIEW
    del form["is_active"]
    page = text(client.post(f"{RULES}add/", form))
    (compared,) = client.post(f"{RULES}add/", form).context["comparisons"]
    assert [line.fields["sku"] for line in compared.before.lines] == ["D-Z", "D-Y", "D-X"]
    assert [(line.fields["sku"], line.move, line.done) for line in compared.after.lines] == [
        ("S-1", "new", "pinned"),
        ("D-X", "up 1", ""),
        ("D-Y", "down 1", "buried"),
    ]
    assert [line.move for line in compared.before.lines] == ["no longer found", "", ""]
    assert "Before: 3 products" in page
    assert "Saw &lt;b&gt;" in page
    assert 'value="drill"' in page  # the form as it was typed
    assert not CurationRule.objects.exists()
    assert not CurationAction.objects.exists()
    assert not LogEntry.objects.exists()
    other = client.post(f"{RULES}add/", form | {"_preview_query": "saw"})
    assert other.context["comparisons"][0].is_same
    assert client.post(f"{RULES}add/", form | {"_preview_query": "x" * 5000}).status_code == 200
    alone = text(client.post(f"{RULES}add/", form | {"_preview": "alone"}))
    assert "pinned" in alone
    assert "<form" not in alone
    assert not CurationRule.objects.exists()


def test_a_saved_rule_is_compared_with_its_absence(login: Any, make_rule: Any, make_product: Any) -> None:
    drill, saw = make_product("Drill"), make_product("Saw")
    rule = make_rule("drill", {"kind": "pin", "product": saw, "position": 1})
    action = {"id": rule.actions.get().pk, "rule": rule.pk, "kind": "pin", "product": saw.pk, "position": 2}
    form = rule_form(action, initial=1, name="Renamed") | PREVIEW
    (compared,) = login("Merchandiser").post(f"{RULES}{rule.pk}/change/", form).context["comparisons"]
    assert [line.fields["sku"] for line in compared.before.lines] == [drill.sku]
    assert [line.fields["sku"] for line in compared.after.lines] == [drill.sku, saw.sku]
    rule.refresh_from_db()
    assert (rule.name, rule.actions.get().position) == ("Rule for drill", 1)


def test_a_category_rule_is_previewed_by_browsing(login: Any, make_product: Any, make_category: Any) -> None:
    tools = make_category("Tools")
    old, new = make_product("Old", category=tools), make_product("New", category=tools)
    form = rule_form({"kind": "pin", "product": old.pk, "position": 1}, query="", category=tools.pk) | PREVIEW
    response = login("Merchandiser").post(f"{RULES}add/", form)
    (compared,) = response.context["comparisons"]
    assert "Browsing in Tools" in text(response)
    assert [line.fields["sku"] for line in compared.before.lines] == [new.sku, old.sku]
    assert [line.fields["sku"] for line in compared.after.lines] == [old.sku, new.sku]


def test_a_synonyms_preview_counts_products_before_and_after(login: Any, make_product: Any) -> None:
    make_product("Television 40 inch")
    make_product("Television 50 inch")
    client = login("Merchandiser")
    form = {"term": "gogglebox", "means": "television", "both_ways": "on"} | PREVIEW
    page = text(client.post(f"{SYNONYMS}add/", form))
    first, second = client.post(f"{SYNONYMS}add/", form).context["comparisons"]
    assert (first.text, first.before.total, first.after.total) == ("gogglebox", 0, 2)
    assert (second.text, second.before.total, second.after.total) == ("television", 2, 2)
    assert "Before: 0 products" in page
    assert "After: 2 products" in page
    assert not Synonym.objects.exists()
    del form["both_ways"]
    (only,) = client.post(f"{SYNONYMS}add/", form).context["comparisons"]
    assert only.text == "gogglebox"
    saved = Synonym.objects.create(term="gogglebox", means="television")
    (compared,) = client.post(f"{SYNONYMS}{saved.pk}/change/", form | {"means": "kettle"}).context[
        "comparisons"
    ]
    assert (compared.before.total, compared.after.total) == (0, 0)
    page = text(client.post(f"{SYNONYMS}add/", {"term": "TV", "means": "tv"} | PREVIEW))
    assert "Search takes these for the same word already." in page


# --- Cost --------------------------------------------------------------------------------------------------


def test_lists_and_forms_take_a_constant_number_of_queries(
    admin_client: Any, make_rule: Any, make_product: Any, make_category: Any
) -> None:
    def fill(number: int) -> None:
        for n in range(number):
            tools = make_category("Tools", f"Tools {n}")
            rule = make_rule(
                "drill",
                {"kind": "pin", "product": make_product(category=tools), "position": 1},
                {"kind": "bury", "category": tools, "factor": 0.5},
                category=tools,
            )
            CurationUse.objects.create(rule=rule, searches=n, last_used_at=timezone.now())
            Synonym.objects.create(term=f"t{rule.pk}", means="x")

    fill(3)
    lists = [RULES, f"{RULES}?state=active&q=drill", SYNONYMS, f"{SYNONYMS}?both_ways__exact=1"]
    few = {page: queries(admin_client, page) for page in lists}
    one = CurationRule.objects.order_by("pk")[0]
    form = queries(admin_client, f"{RULES}{one.pk}/change/")
    add = queries(admin_client, f"{RULES}add/")
    preview = queries(
        admin_client, f"{RULES}add/", rule_form({"kind": "hide", "product": make_product().pk}) | PREVIEW
    )
    fill(40)
    assert {page: queries(admin_client, page) for page in lists} == few
    assert max(few.values()) <= 9
    for n in range(2, 30):
        CurationAction.objects.create(rule=one, kind="pin", product=make_product(), position=n)
    assert queries(admin_client, f"{RULES}{one.pk}/change/") == form
    assert queries(admin_client, f"{RULES}add/") == add <= 8
    actions = [{"kind": "hide", "product": make_product().pk}]
    assert queries(admin_client, f"{RULES}add/", rule_form(*actions) | PREVIEW) <= preview + 2
