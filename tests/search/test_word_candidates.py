"""Which products a query's words find."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection

from catalog.models import Category, Product
from search.analysis import analyse
from search.engine import search_products
from search.lexical import keyword_candidates
from search.lexical_query import Group, Lexeme, LexicalQuery, Terms
from search.merchandising import book
from search.models import Synonym, Term
from search.parsing import parse
from search.query import Mode, SearchQuery
from search.scope import Scope
from search.terms import refresh_terms
from search.word_candidates import (
    CANDIDATE_BUDGET,
    FEW_CANDIDATES,
    NEXT_TO_NOTHING,
    best_candidates,
    candidate_sql,
)
from tests.search.plans import plans

MakeProduct = Callable[..., Product]


def found_by(text: str) -> list[str]:
    return [hit.fields["name"] for hit in search_products(SearchQuery(text, mode=Mode.KEYWORD)).hits]


def found_within(scopes: list[Scope], text: str, limit: int) -> list[list[int]]:
    found = keyword_candidates(analyse(parse(f"{text} "), text), scopes, limit)
    return [matches.product_ids.tolist() for matches in found]


def best(text: str, limit: int) -> list[int]:
    """What is found in the whole catalogue, best first."""
    (found,) = found_within([Scope()], text, limit)
    return found


def group(word: str, documents: int) -> Group:
    return Group(word, [([Lexeme(word, 1, documents)], 1.0)])


def test_common_words_only_rank_what_rarer_words_find() -> None:
    rare, common = group("rare", NEXT_TO_NOTHING), group("common", CANDIDATE_BUDGET)
    assert candidate_sql([common, rare], 100_000) == "(('rare'))"
    assert candidate_sql([rare], 100_000) == "(('rare'))"
    assert candidate_sql([common], 100_000) == "(('common'))"


def test_where_rare_words_find_next_to_nothing_a_common_one_finds_more() -> None:
    rare, common = group("rare", 10), group("common", CANDIDATE_BUDGET)
    assert candidate_sql([common, rare], 100_000) == "(('rare')) | (('common'))"
    assert candidate_sql([group("common", FEW_CANDIDATES), rare], 100_000) == "(('rare'))"


def test_several_common_words_find_together_what_none_of_them_may_find_alone() -> None:
    rare, office, chair = group("rare", 10), group("office", 5_000), group("chair", 4_000)
    assert candidate_sql([office, rare, chair], 100_000) == "(('rare')) | ((('chair')) & (('office')))"


def test_very_common_words_find_nothing_even_together() -> None:
    rare, black, steel = group("rare", 10), group("black", 40_000), group("steel", 30_000)
    assert candidate_sql([black, steel, rare], 100_000) == "(('rare'))"


def test_products_are_found_by_the_words_that_a_mistaken_one_stands_beside(make_product: MakeProduct) -> None:
    make_product("Gnat")
    make_product("Office chair")
    make_product("Office")
    for number in range(3):
        make_product(f"Chair {number}")
    refresh_terms()
    with patch.multiple("search.word_candidates", CANDIDATE_BUDGET=1, NEXT_TO_NOTHING=1):
        assert set(found_by("gnat office chair")) == {"Gnat", "Office chair"}


@pytest.fixture
def drills(make_product: MakeProduct) -> Iterator[list[int]]:
    """Products with a word that counts as very common, those first in which it weighs most."""
    with (
        patch.multiple("search.terms", VERY_COMMON=3, BEST_KEPT=4),
        patch.multiple("search.word_candidates", FEW_CANDIDATES=3, CANDIDATE_BUDGET=3, PARTING_SHARE=1_000),
    ):
        names = ["Drill"] + [f"Drill{' with a case and a lamp' * length}" for length in range(1, 6)]
        products = [make_product(name, sku=f"D-{place}").pk for place, name in enumerate(names)]
        refresh_terms()
        yield products


def kept(lexeme: str) -> list[int] | None:
    return Term.objects.get(lexeme=lexeme).best_product_ids


@pytest.mark.django_db
def test_the_best_products_of_very_common_words_are_kept(
    drills: list[int], make_product: MakeProduct
) -> None:
    assert kept("drill") == drills[:4]
    better = make_product("Drill drill").pk
    refresh_terms()
    assert kept("drill") == [better, *drills[:3]]
    Product.objects.filter(pk__in=[better, *drills[:3]]).update(is_active=False)
    refresh_terms()
    assert kept("drill") is None


@pytest.mark.django_db
def test_words_of_any_letters_can_be_very_common(drills: list[int], make_product: MakeProduct) -> None:
    for number in range(4):
        make_product(f"Rock'n'roll \\ 日本 {number}", sku=f"R-{number}")
    refresh_terms()
    lists = dict(Term.objects.exclude(best_product_ids=None).values_list("lexeme", "best_product_ids"))
    assert {"drill", "日本"} < set(lists)
    assert all(len(ids or ()) == 4 for ids in lists.values())


@pytest.mark.django_db
def test_only_the_best_of_a_very_common_word_are_scored(drills: list[int]) -> None:
    assert best("drill", 2) == drills[:2]
    Term.objects.filter(lexeme="drill").update(best_product_ids=drills[3:])
    assert best("drill", 2) == drills[3:5]
    # Not where they are too few.
    assert best("drill", 4) == drills[:4]


@pytest.mark.django_db
def test_the_best_are_found_by_their_ids(drills: list[int]) -> None:
    *_, plan = plans(lambda: best("drill", 2))
    assert "product_search_vector" not in plan
    assert "Seq Scan on catalog_product" not in plan


@pytest.mark.django_db
def test_a_product_that_is_newer_than_what_is_known_of_a_common_word_is_found(
    drills: list[int], make_product: MakeProduct
) -> None:
    better = make_product("Drill drill", description="drill").pk
    make_product("Lamp")
    assert best("drill", 2) == [drills[0], better]


@pytest.mark.django_db
def test_a_product_that_lost_a_common_word_or_is_hidden_is_not_found_by_it(drills: list[int]) -> None:
    Product.objects.filter(pk=drills[0]).update(name="Lamp")
    Product.objects.filter(pk=drills[1]).update(is_active=False)
    for limit in (2, 3, 4):
        assert best("drill", limit) == drills[2 : 2 + limit]


@pytest.mark.django_db
def test_what_has_several_very_common_words_is_among_the_best(
    drills: list[int], make_product: MakeProduct
) -> None:
    """However little each of them weighs in it."""
    for _ in range(4):
        make_product("Handle")
    both = make_product(f"Drill with a handle{' and a red lamp' * 9}").pk
    refresh_terms()
    assert both not in [*(kept("drill") or ()), *(kept("handl") or ())]
    assert best("drill handle", 2)[0] == both


@pytest.mark.django_db
def test_what_has_all_but_the_rarest_of_the_very_common_words_is_among_the_best(
    drills: list[int], make_product: MakeProduct
) -> None:
    for _ in range(4):
        make_product("Socket")
    for name in ("Bench", "Vice"):
        for _ in range(6):
            make_product(name)
    others = make_product("Vice for a bench").pk
    refresh_terms()
    assert best("socket bench vice", 1) == [others]


@pytest.mark.django_db
def test_a_rare_way_to_say_a_very_common_word_finds_all_that_have_it(
    drills: list[int], make_product: MakeProduct
) -> None:
    Synonym.objects.create(term="drill", means="borer")
    book.forget()
    borer = make_product("Borer").pk
    refresh_terms()
    assert borer in best("drill", 3)


@pytest.mark.django_db
def test_the_best_are_asked_for_only_where_they_tell_the_result(drills: list[int]) -> None:
    def asked(text: str) -> bool:
        return best_candidates(analyse(parse(f"{text} "), text)) is not None

    assert asked("drill")
    assert asked("drill lamp")
    assert not asked("gnat")  # no product has it
    assert not asked('drill "a case"')  # what has the phrase is few
    with patch("search.word_candidates.PARTING_SHARE", 0.1):
        assert asked("drill")
        assert not asked("drill lamp")
    # What has two ways to write a word may be better than what is best for either.
    Synonym.objects.create(term="drill", means="lamp")
    book.forget()
    assert not asked("drill")


@pytest.mark.parametrize(
    ("documents", "is_worth_it"),
    [
        ((8_000, 25_000), True),
        ((8_000, 60_000), False),
        ((5_500, 25_000, 25_000), False),
        ((30_000, 40_000), True),
    ],
)
def test_what_has_several_words_is_looked_up_apart_where_it_is_little(
    documents: tuple[int, ...], is_worth_it: bool
) -> None:
    groups = tuple(
        Group(f"word{place}", [([Lexeme(f"word{place}", place, number, has_best=True)], 1.0)])
        for place, number in enumerate(documents)
    )
    query = LexicalQuery(groups, (), (), Terms({}), 1.0, 100_000, "", ())
    assert (best_candidates(query) is not None) is is_worth_it


@pytest.mark.django_db
def test_exclusions_and_phrases_hold_for_very_common_words(drills: list[int]) -> None:
    assert best("drill -case", 2) == drills[:1]
    assert set(best('"with a case" drill', 10)) == set(drills[1:])


@pytest.fixture
def tools(drills: list[int]) -> Scope:
    """A category with the last two of the drills."""
    category = Category.objects.create(name="Tools", slug="tools")
    Product.objects.filter(pk__in=drills[4:]).update(category=category)
    return Scope(category_ids=(category.pk,))


@pytest.mark.django_db
def test_a_narrow_filter_looks_through_all_that_have_a_very_common_word(
    drills: list[int], tools: Scope
) -> None:
    with patch("search.lexical.share_of", return_value=0.1):
        assert found_within([tools, Scope()], "drill", 3) == [drills[4:], drills[:3]]
        assert found_within([tools], "drill", 3) == [drills[4:]]


@pytest.mark.django_db
def test_a_wide_filter_takes_its_part_of_the_best_if_that_is_enough(drills: list[int], tools: Scope) -> None:
    Term.objects.filter(lexeme="drill").update(best_product_ids=drills[2:5])
    with patch.multiple("search.lexical", share_of=lambda kept: 0.9, ENOUGH=1):
        assert found_within([tools, Scope()], "drill", 6) == [drills[4:5], drills[2:5]]
    with patch.multiple("search.lexical", share_of=lambda kept: 0.9, ENOUGH=2):
        assert found_within([tools, Scope()], "drill", 6) == [drills[4:], drills[2:5]]


@pytest.mark.django_db
def test_of_several_words_a_filter_keeps_whatever_has_the_rarest(
    drills: list[int], tools: Scope, make_product: MakeProduct
) -> None:
    """What is best for it in the whole catalogue says little of what a filter leaves."""
    for number in range(3):
        make_product(f"Lamp {number}")
    refresh_terms()
    Product.objects.update(category=tools.category_ids and tools.category_ids[0])
    Term.objects.filter(lexeme="drill").update(best_product_ids=drills[4:])
    with patch.multiple("search.lexical", share_of=lambda kept: 0.9, ENOUGH=1):
        (found,) = found_within([tools], "drill lamp", 10)
    assert drills[0] in found


@pytest.mark.django_db
def test_many_products_are_put_in_order_here_or_in_the_database(drills: list[int], tools: Scope) -> None:
    Term.objects.update(best_product_ids=None)
    scopes = [tools, Scope(), Scope(price_max=Decimal(1))]
    here = found_within(scopes, "drill case", 3)
    with patch("search.lexical.ORDERED_HERE", 0):
        assert found_within(scopes, "drill case", 3) == here
    assert set(here[0]) == set(drills[4:])
    assert len(here[1]) == 3
    assert here[2] == []


@pytest.mark.django_db
def test_the_way_to_many_products_depends_on_how_many_a_filter_keeps(drills: list[int], tools: Scope) -> None:
    """An index on words is read for all that words find; a filter that keeps fewer has an index of its own."""
    Term.objects.update(best_product_ids=None)

    def is_planned_anew(kept: int | None) -> bool:
        sent: list[str] = []

        def record(execute: Any, sql: str, *rest: Any) -> Any:
            sent.append(sql)
            return execute(sql, *rest)

        with patch("search.lexical.rows_kept", return_value=kept), connection.execute_wrapper(record):
            found_within([tools], "drill case", 3)
        return any("lexical_weights" in sql for sql in sent)

    with patch("search.lexical.FEW_CANDIDATES", 3):
        assert is_planned_anew(2)
        assert not is_planned_anew(100)
    assert not is_planned_anew(2)  # words find few


@pytest.mark.django_db
def test_what_is_left_out_is_not_denied(drills: list[int]) -> None:
    def is_complete(limit: int) -> bool:
        (found,) = keyword_candidates(analyse(parse("drill "), "drill"), [Scope()], limit)
        return found.is_complete

    with patch("search.lexical.ENOUGH", 2):
        assert not is_complete(10)
    assert is_complete(10)
    assert not is_complete(6)


@pytest.mark.django_db
def test_an_exact_name_or_sku_comes_first_whatever_is_kept(
    drills: list[int], make_product: MakeProduct
) -> None:
    assert found_by("drill")[0] == "Drill"
    code = make_product("Lamp", sku="drill")
    assert best("drill", 2) == [code.pk, drills[0]]
