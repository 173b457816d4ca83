"""Which rules and synonyms a query meets."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from search.merchandising.rules import Match, Rule, Rulebook, text_key

FOREVER = float("inf")


def rule(key: str = "", number: int = 1, **fields: Any) -> Rule:
    values: dict[str, Any] = {
        "match": Match.EXACT,
        "category_id": None,
        "starts": -FOREVER,
        "ends": FOREVER,
        "priority": 0,
        "actions": (),
        **fields,
    }
    return Rule(id=number, name=f"rule {number}", key=key, **values)


def met(rules: Sequence[Rule], text: str, categories: Sequence[int] = (), now: float = 0.0) -> list[int]:
    return [one.id for one in Rulebook(rules).matching([text], categories, now)]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("  Crème   BRÛLÉE ", "creme brulee"),
        ("Wi-Fi", "wi fi"),
        ("Straße", "strasse"),
        ("drill, 18V!", "drill 18v"),
        ("C++", "c"),
        ("🎧", "🎧"),
        ("電源ケーブル", text_key("電源ケーブル")),
        ("", ""),
        ("x\x00y", "x y"),
    ],
)
def test_case_accents_marks_and_blanks_do_not_matter(text: str, key: str) -> None:
    assert text_key(text) == key == text_key(key)


def test_a_query_is_met_exactly_or_by_all_the_words() -> None:
    rules = [
        rule("red drill", 1),
        rule("drill red", 2, match=Match.CONTAINS),
        rule("dril", 3, match=Match.CONTAINS),
    ]
    assert met(rules, "Red  DRILL") == [1, 2]
    assert met(rules, "drill red") == met(rules, "a drill, not red") == [2]
    assert met(rules, "red") == met(rules, "redrill") == met(rules, "") == []


def test_without_a_query_a_rule_is_for_browsing_or_for_everything_in_its_category() -> None:
    rules = [rule("", 1, category_id=7), rule("", 2, category_id=7, match=Match.CONTAINS)]
    assert met(rules, "", [7]) == [1, 2]
    assert met(rules, "drill", [7]) == [2]
    assert met(rules, "🎧", [7]) == [2]
    assert met(rules, "", [8]) == met(rules, "") == []


def test_query_and_category_both_count() -> None:
    rules = [rule("drill", category_id=7)]
    assert met(rules, "drill", [3, 7]) == [1]
    assert met(rules, "drill", [3]) == met(rules, "saw", [7]) == []


def test_a_rule_is_valid_from_its_first_moment_to_before_its_last() -> None:
    rules = [rule("x", starts=10.0, ends=20.0)]
    assert [bool(met(rules, "x", now=now)) for now in (9.9, 10.0, 19.9, 20.0)] == [False, True, True, False]


def test_the_higher_priority_counts_first_and_then_the_older_rule() -> None:
    rules = [rule("x", 1), rule("x", 0), rule("x", 3, priority=5), rule("x", 2)]
    assert met(rules, "x") == [3, 1, 2, 0]


def test_either_spelling_of_a_query_meets_a_rule_once() -> None:
    book = Rulebook([rule("telly", match=Match.CONTAINS), rule("television", 2)])
    assert [one.id for one in book.matching(["telly", "television"], [], 0.0)] == [1, 2]
    assert [one.id for one in book.matching(["telly", "telly"], [], 0.0)] == [1]


def test_the_index_finds_what_a_look_at_every_rule_finds() -> None:
    rng = random.Random(3)
    words = ["a", "b", "c", "d", "e", "drill", "saw"]
    rules = [
        rule(" ".join(rng.sample(words, rng.randint(1, 3))), n, match=rng.choice(list(Match)))
        for n in range(1, 400)
    ]
    for _ in range(300):
        query = " ".join(rng.sample(words, rng.randint(1, 4)))
        expected = [
            one.id
            for one in rules
            if (one.key == query if one.match is Match.EXACT else set(one.key.split()) <= set(query.split()))
        ]
        assert met(rules, query) == expected


def test_plain_letters_are_compared_as_all_others_are() -> None:
    rng = random.Random(5)
    for _ in range(500):
        text = "".join(chr(rng.randint(0, 127)) for _ in range(rng.randint(0, 12)))
        # An accent at the end changes nothing, and takes the way of other scripts.
        assert text_key(f"{text}a\u0301") == text_key(f"{text}a")
