"""Completions of a growing query."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from catalog.models import Category, Product
from search.suggest import suggest
from search.terms import refresh_terms, terms_age


@pytest.fixture
def catalogue(make_product: Callable[..., Product], make_category: Callable[..., Category]) -> None:
    drills = make_category("Tools", "Drills")
    make_product("Drill driver 18 V", brand="Drillmaster", category=drills, sku="D-1")
    make_product("Drill driver 12 V", brand="Drillmaster", category=drills, sku="D-2")
    make_product("Émile coffee grinder", brand="Émile", sku="E-1")
    refresh_terms()


def test_categories_and_brands_come_first_products_last(catalogue: None) -> None:
    found = [(one.text, one.kind) for one in suggest("dri")]
    assert found[:3] == [("Drills", "category"), ("Drillmaster", "brand"), ("drill", "phrase")]
    assert ("Drill driver 18 V", "product") in found[3:]


def test_a_phrase_does_not_end_in_the_middle(make_product: Callable[..., Product]) -> None:
    make_product("Drill for concrete", sku="D-1")
    make_product("The drill", sku="D-2")
    refresh_terms()
    found = [one.text for one in suggest("drill f", 20)]
    assert "drill for" not in found
    assert "drill for concrete" in found
    assert "the" not in [one.text for one in suggest("the", 20)]


def test_a_brand_is_not_a_phrase_as_well(make_product: Callable[..., Product]) -> None:
    make_product("StarTech.com cable", brand="StarTech.com", sku="S-1")
    refresh_terms()
    found = [(one.text, one.kind) for one in suggest("startech")]
    assert ("StarTech.com", "brand") in found
    assert ("startech com", "phrase") not in found


def test_accents_and_case_do_not_matter(catalogue: None) -> None:
    assert suggest("EMI")[0].text == "Émile"


def test_a_product_that_is_hidden_is_not_suggested(catalogue: None) -> None:
    Product.objects.filter(sku="D-1").update(is_active=False)
    assert "D-1" not in [one.target for one in suggest("drill driver")]
    assert "D-2" in [one.target for one in suggest("drill driver")]


@pytest.mark.parametrize("text", ["", " ", "%", "_", "\\", "'", "🎧", "\x00", "x" * 600])
def test_any_text_is_answered(catalogue: None, text: str) -> None:
    assert suggest(text) == []


def test_the_limit_holds(catalogue: None) -> None:
    assert len(suggest("d", 1)) == 1
    assert suggest("d", 0) == []


def test_a_refresh_drops_what_is_gone_and_leaves_the_rest(catalogue: None) -> None:
    Product.objects.filter(sku="E-1").delete()
    refresh_terms()
    assert suggest("emi") == []
    assert suggest("dri")
    assert terms_age() is not None


def test_products_are_looked_up_one_by_one(catalogue: None) -> None:
    plans = {}

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "search_suggestion" in sql:
            with connection.connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off")
                cursor.execute(f"EXPLAIN {sql}", params)
                plans[params[0]] = "\n".join(line for (line,) in cursor.fetchall())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        suggest("drill", 8)
    assert len(plans) == 4
    assert not any("hashed" in plan for plan in plans.values())
    # Frequent ones are put in order before the first are taken, products come in the order of the index.
    assert plans["phrase"].count("Sort Key") > plans["product"].count("Sort Key")
