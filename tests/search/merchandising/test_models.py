"""What the schema refuses whoever writes, and how a rule stands at a time."""

import importlib
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from search.models import CurationAction, CurationRule, Synonym

pytestmark = pytest.mark.django_db


def refused(make: Any) -> bool:
    try:
        with transaction.atomic():
            make()
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except IntegrityError:
        return True
    return False


@pytest.mark.parametrize(
    ("term", "means"), [("TELLY", "Television"), ("telly", "TELLY"), ("", "x"), (" ", "x"), ("x", "")]
)
def test_a_synonym_is_unique_whatever_its_case_and_never_of_itself(term: str, means: str) -> None:
    Synonym.objects.create(term="telly", means="television")
    assert refused(lambda: Synonym.objects.create(term=term, means=means))


@pytest.mark.parametrize(
    ("term", "means"), [("wi fi", "Wi-Fi"), ("television", "telly"), ("cafe", "café"), ("x\x00", "y")]
)
def test_a_synonym_that_says_nothing_new_is_refused_with_a_reason(term: str, means: str) -> None:
    Synonym.objects.create(term="telly", means="television")
    with pytest.raises(ValidationError):
        Synonym(term=term, means=means).full_clean()


@pytest.mark.parametrize(("term", "means", "field"), [("!!!", "y", "term"), ("x", "…", "means")])
def test_a_synonym_has_letters_or_digits_on_both_sides(term: str, means: str, field: str) -> None:
    with pytest.raises(ValidationError, match="no letter and no digit") as raised:
        Synonym(term=term, means=means).full_clean()
    assert list(raised.value.message_dict) == [field]


def test_a_one_way_synonym_may_be_answered_by_another() -> None:
    Synonym.objects.create(term="ultrabook", means="laptop", both_ways=False)
    Synonym(term="laptop", means="ultrabook", both_ways=False).full_clean()


def test_older_synonyms_become_one_for_each_pair() -> None:
    migration = importlib.import_module("search.migrations.0003_merchandising")
    with connection.cursor() as cursor:
        # A temporary table comes before the real one, and has none of its constraints.
        cursor.execute(
            "CREATE TEMP TABLE search_synonym ON COMMIT DROP AS SELECT * FROM (VALUES"
            " (1, 'Telly', 'TV', false), (2, 'telly', 'tv', true), (3, 'a', 'A', true), (4, ' ', 'x', true),"
            " (5, 'tv', 'telly', true)) AS v(id, term, means, both_ways)"
        )
        cursor.execute(migration.TIDY_SYNONYMS_SQL)
        cursor.execute("SELECT id, both_ways FROM search_synonym ORDER BY id")
        assert cursor.fetchall() == [(1, True), (5, True)]
        cursor.execute("DROP TABLE pg_temp.search_synonym")


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "x"},
        {"name": " ", "query": "x"},
        {"name": "x", "query": "x", "match": "nearly"},
        {"name": "x", "query": "x", "valid_from": timezone.now(), "valid_to": timezone.now() - timedelta(1)},
    ],
)
def test_a_rule_has_a_name_a_trigger_and_a_time_that_begins_before_it_ends(fields: dict[str, Any]) -> None:
    assert refused(lambda: CurationRule.objects.create(**fields))


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("-drill", "“-drill” excludes something"),
        ("drill −cordless", "“-cordless” excludes something"),
        ('drill -"for concrete"', "“-for concrete” excludes something"),
        ("!!!", "no letter and no digit"),
        ("-", "no letter and no digit"),
    ],
)
def test_a_rule_is_for_what_customers_look_for(query: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says) as raised:
        CurationRule(name="x", query=query).full_clean()
    assert list(raised.value.message_dict) == ["query"]


@pytest.mark.parametrize("query", ["wi-fi", "drill - cordless", '"for concrete"', "c++", "", "½"])
def test_marks_within_a_rules_query_do_not_matter(query: str, make_category: Any) -> None:
    CurationRule(name="x", query=query, category=make_category("Tools")).full_clean()


def test_an_action_is_whole_and_about_one_thing(
    make_rule: Any, make_product: Any, make_category: Any
) -> None:
    rule, product, category = make_rule(), make_product(), make_category("Tools")
    wrong: list[dict[str, Any]] = [
        {"kind": "pin", "product": product},
        {"kind": "pin", "product": product, "position": 0},
        {"kind": "pin", "product": product, "position": 101},
        {"kind": "pin", "category": category, "position": 1},
        {"kind": "pin", "product": product, "position": 1, "factor": 2.0},
        {"kind": "boost", "product": product},
        {"kind": "boost", "product": product, "factor": 1.0},
        {"kind": "boost", "product": product, "factor": 11.0},
        {"kind": "boost", "product": product, "factor": float("nan")},
        {"kind": "boost", "product": product, "factor": 2.0, "position": 1},
        {"kind": "bury", "brand": "B"},
        {"kind": "bury", "brand": "B", "factor": 1.0},
        {"kind": "bury", "brand": "B", "factor": 0.0},
        {"kind": "hide"},
        {"kind": "hide", "product": product, "brand": "B"},
        {"kind": "hide", "product": product, "category": category},
        {"kind": "hide", "product": product, "factor": 0.5},
        {"kind": "move", "product": product},
    ]
    for fields in wrong:
        assert refused(lambda fields=fields: CurationAction.objects.create(rule=rule, **fields)), fields
    CurationAction.objects.create(rule=rule, kind="pin", product=product, position=1)
    assert refused(
        lambda: CurationAction.objects.create(rule=rule, kind="pin", product=make_product(), position=1)
    )
    CurationAction.objects.create(rule=make_rule("saw"), kind="pin", product=product, position=1)


def test_the_state_follows_from_switch_and_times_in_python_as_in_sql(make_rule: Any) -> None:
    now = timezone.now()
    hour = timedelta(hours=1)
    times = [None, now - 2 * hour, now - hour, now, now + hour, now + 2 * hour]
    for valid_from in times:
        for valid_to in times:
            if valid_from is None or valid_to is None or valid_from < valid_to:
                for is_active in (True, False):
                    make_rule(valid_from=valid_from, valid_to=valid_to, is_active=is_active)
    seen = set()
    for state in CurationRule.State:
        found = set(CurationRule.objects.in_state(state, now).values_list("pk", flat=True))
        assert found == {rule.pk for rule in CurationRule.objects.all() if rule.get_state(now) == state}
        assert found
        assert not seen & found
        seen |= found
        for rule in CurationRule.objects.filter(pk__in=found):
            assert rule.as_rule([]).is_due(now.timestamp()) or state != "active"
    assert len(seen) == CurationRule.objects.count()
    usable = set(CurationRule.objects.not_over(now).values_list("pk", flat=True))
    assert usable == {r.pk for r in CurationRule.objects.all() if r.get_state(now) in ("active", "scheduled")}


def test_a_product_takes_its_actions_with_it_and_the_rule_stays(make_rule: Any, make_product: Any) -> None:
    product = make_product()
    rule = make_rule("drill", {"kind": "pin", "product": product, "position": 1})
    product.delete()
    rule.refresh_from_db()
    assert not rule.actions.exists()
