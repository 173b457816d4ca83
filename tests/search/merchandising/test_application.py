"""What rules do to results, over the demo catalogue with its real vectors."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from catalog.models import Category, Product
from search.engine import ranking_of, search_products
from search.merchandising.rules import Action, Kind, Match, Rule, Rulebook, Target, text_key
from search.parsing import parse
from search.query import Filters, Mode, Ordering, SearchQuery
from search.results import SearchResult
from tests.search.test_engine import check_facets, everything, is_within, random_query

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("demo")]

QUERY = "cordless drill"


def book(*actions: Action, text: str = QUERY, **fields: Any) -> Rulebook:
    return Rulebook([make_rule(1, text, actions, **fields)])


def make_rule(number: int, text: str, actions: Sequence[Action], **fields: Any) -> Rule:
    values: dict[str, Any] = {
        "match": Match.EXACT,
        "category_id": None,
        "starts": float("-inf"),
        "ends": float("inf"),
        "priority": 0,
        **fields,
    }
    return Rule(id=number, name=f"rule {number}", key=text_key(text), actions=tuple(actions), **values)


def pin(product: Product, position: int) -> Action:
    return Action(Kind.PIN, Target("product", product.pk), position)


def act(kind: Kind, target: Any, factor: float = 1.0) -> Action:
    if isinstance(target, Product):
        return Action(kind, Target("product", target.pk), None, factor)
    if isinstance(target, Category):
        return Action(kind, Target("category", target.pk), None, factor)
    return Action(kind, Target("brand", target), None, factor)


def find(rulebook: Rulebook | None = None, text: str = QUERY, **fields: Any) -> SearchResult:
    fields.setdefault("page_size", 100)
    return search_products(SearchQuery(text, rulebook=rulebook or Rulebook(), **fields))


def skus(result: SearchResult) -> list[str]:
    return [hit.fields["sku"] for hit in result.hits]


def product(result: SearchResult, place: int) -> Product:
    return Product.objects.get(sku=result.hits[place - 1].fields["sku"])


def unfound(result: SearchResult, **fields: Any) -> Product:
    """A product that the query does not find."""
    return Product.objects.filter(**fields).exclude(sku__in=skus(result)).order_by("sku")[0]


# --- The promise as a whole --------------------------------------------------------------------------------


def random_book(rng: random.Random, query: SearchQuery, products: list[Product]) -> Rulebook:
    categories = list(Category.objects.order_by("pk"))
    brands = sorted({one.brand for one in products if one.brand})
    rules = []
    for number in range(1, rng.randint(2, 5)):
        actions = [
            pin(one, rng.choice([1, 1, 2, 3, 5, 9, 40])) for one in rng.sample(products, rng.randint(0, 4))
        ]
        for _ in range(rng.randint(0, 3)):
            kind = rng.choice([Kind.BOOST, Kind.BURY, Kind.HIDE])
            target = rng.choice([rng.choice(products), rng.choice(categories), rng.choice(brands)])
            factor = {Kind.BOOST: rng.uniform(1.1, 10), Kind.BURY: rng.uniform(0.01, 0.9), Kind.HIDE: 1.0}[
                kind
            ]
            actions.append(act(kind, target, factor))
        filtered = Category.objects.filter(slug__in=query.filters.categories).first()
        rules.append(
            make_rule(
                number,
                rng.choice([query.text, query.text, "something else"]),
                actions,
                match=rng.choice(list(Match)) if query.text.strip() else Match.EXACT,
                category_id=filtered.pk if filtered and rng.random() < 0.5 else None,
                priority=rng.choice([0, 0, 1]),
            )
        )
    return Rulebook(rules)


def hidden_skus(rules: Sequence[Rule], products: dict[str, Product]) -> set[str]:
    found = set()
    for action in (action for rule in rules for action in rule.actions if action.kind is Kind.HIDE):
        kind, value = action.target
        for sku, one in products.items():
            path = one.category.path.split("/") if one.category else []
            slug = Category.objects.get(pk=value).slug if kind == "category" else ""
            if (kind, value) in {("product", one.pk), ("brand", one.brand)} or slug in path:
                found.add(sku)
    return found


def expected_places(rules: Sequence[Rule], may: dict[int, str], others: int) -> dict[int, str]:
    """Where pins stand, by going through the places one by one."""
    wanted: dict[int, str] = {}
    for action in (action for rule in rules for action in rule.actions if action.kind is Kind.PIN):
        sku = may.get(int(action.target.value))
        if sku is None or sku in wanted.values():
            continue
        place = action.position or 0
        while place in wanted:
            place += 1
        wanted[place] = sku
    places, place = {}, 0
    while wanted:
        place += 1
        if place in wanted:
            places[place] = wanted.pop(place)
        elif others:
            others -= 1
        else:
            places[place] = wanted.pop(min(wanted))
    return places


def test_pages_total_and_facets_describe_the_set_that_the_rules_leave() -> None:
    rng = random.Random(41)
    products = {one.sku: one for one in Product.objects.select_related("category")}
    words = sorted({word for one in products.values() for word in one.name.lower().split()})
    slugs = list(Category.objects.order_by("slug").values_list("slug", flat=True))
    brands = sorted({one.brand for one in products.values() if one.brand})
    pinned_somewhere = 0
    for _ in range(60):
        query = random_query(rng, words, slugs, brands)
        rulebook = random_book(rng, query, sorted(products.values(), key=lambda one: one.sku))
        ids = Category.objects.filter(slug__in=query.filters.categories).values_list("pk", flat=True)
        parsed = parse(query.text)
        rules = rulebook.matching([parsed.wanted], ids, 0.0)
        plain = {sku for page in everything(replace(query, rulebook=Rulebook())) for sku in skus(page)}
        query = replace(query, rulebook=rulebook)
        pages = everything(query)
        hits = [hit for page in pages for hit in page.hits]
        found = [hit.fields["sku"] for hit in hits]

        assert len(set(found)) == len(found) == pages[0].total, query
        assert pages[0].rule_ids == tuple(rule.id for rule in rules)
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True), query
        assert all(0 <= score <= 1 for score in scores), query
        assert all(score >= (query.min_score or 0) for score in scores), query
        assert all(is_within(products[sku], query.filters) for sku in found), query
        check_facets(query, pages[0], [products[sku] for sku in found])

        gone = hidden_skus(rules, products)
        assert not gone & set(found), query
        if parsed.excluded or parsed.phrases or (rules and pages[0].corrected):
            continue
        may = {
            one.pk: sku
            for sku, one in products.items()
            if sku not in gone and is_within(one, query.filters) and (not query.min_score or sku in plain)
        }
        if not parsed.wanted and query.min_score:
            may = {one.pk: sku for sku, one in products.items() if sku not in gone and sku in plain}
        pinned = {
            may[int(a.target.value)]
            for r in rules
            for a in r.actions
            if a.kind is Kind.PIN and a.target.value in may
        }
        assert set(found) == (plain - gone) | pinned, query
        for place, sku in expected_places(rules, may, len(found) - len(pinned)).items():
            assert found[place - 1] == sku, query
            pinned_somewhere += 1
    assert pinned_somewhere > 25


def test_a_facet_that_is_filtered_on_obeys_the_rules_too() -> None:
    everywhere = find()
    brand = Counter(hit.fields["brand"] for hit in everywhere.hits).most_common(1)[0][0]
    other = unfound(everywhere, brand__gt="")
    rules = book(act(Kind.HIDE, product(everywhere, 1)), pin(other, 1))
    within = find(rules, filters=Filters(brands=(brand,)), facets=("brand",))
    without = find(rules, facets=("brand",))
    assert {v.value: v.count for v in within.facets["brand"]} == {
        v.value: v.count for v in without.facets["brand"]
    }
    counted = Counter(hit.fields["brand"] for hit in without.hits)
    assert {v.value: v.count for v in without.facets["brand"]} == {
        brand: counted[brand] for brand in counted if brand
    }
    assert {v.value: v.count for v in without.facets["brand"]}[other.brand] >= 1


# --- Action by action --------------------------------------------------------------------------------------


def test_a_pin_stands_at_its_place_whether_the_query_finds_it_or_not() -> None:
    before = find()
    stranger, third = unfound(before), product(before, 3)
    after = find(book(pin(stranger, 2), pin(third, 1)), explain=True)
    assert skus(after)[:3] == [third.sku, stranger.sku, skus(before)[0]]
    assert after.total == before.total + 1
    first, second = after.hits[0].explanation, after.hits[1].explanation
    assert first is not None and second is not None
    assert first["rules"] == [{"rule": 1, "name": "rule 1", "action": "pin", "position": 1}]
    assert first["original_score"] == before.hits[2].score
    assert first["score"] == after.hits[0].score >= after.hits[1].score == before.hits[0].score
    assert (second["original_score"], second["semantic_score"], second["keyword_rank"]) == (None, None, None)
    assert "rules" not in (after.hits[2].explanation or {})


def test_a_pin_overrides_no_filter_no_exclusion_and_no_least_score() -> None:
    stranger = unfound(find())
    rules = book(pin(stranger, 1))
    brands = Filters(brands=(product(find(), 1).brand,))
    assert stranger.brand not in brands.brands
    assert stranger.sku not in skus(find(rules, filters=brands))
    assert stranger.sku not in skus(find(rules, min_score=0.1))
    word = stranger.name.split()[-1].lower()
    assert skus(find(rules))[0] == stranger.sku
    assert stranger.sku not in skus(find(rules, text=f"{QUERY} -{word}"))
    Product.objects.filter(pk=stranger.pk).update(is_active=False)
    assert stranger.sku not in skus(find(rules))


def test_pins_beyond_the_end_close_up_and_two_of_one_place_follow_each_other() -> None:
    before = find()
    one, two, three = Product.objects.exclude(sku__in=skus(before)).order_by("sku")[:3]
    after = find(
        Rulebook(
            [
                make_rule(1, QUERY, [pin(one, 100)]),
                make_rule(2, QUERY, [pin(two, 1)]),
                make_rule(3, QUERY, [pin(three, 1)], priority=1),
            ]
        )
    )
    assert skus(after)[:2] == [three.sku, two.sku]
    assert skus(after)[-1] == one.sku
    assert after.total == before.total + 3


def test_a_query_that_finds_nothing_shows_its_pins() -> None:
    stranger = Product.objects.order_by("sku")[0]
    rules = book(pin(stranger, 3), text="qqqqxxxx")
    result = find(rules, text="QQQQxxxx", mode=Mode.KEYWORD, facets=("brand",))
    assert (skus(result), result.total) == ([stranger.sku], 1)


def test_boost_and_bury_move_and_neither_adds_nor_removes() -> None:
    before = find()
    last, first = product(before, before.total), product(before, 1)
    after = find(book(act(Kind.BOOST, last, 10.0), act(Kind.BURY, first, 0.01)), explain=True)
    assert sorted(skus(after)) == sorted(skus(before))
    assert (skus(after)[0], skus(after)[-1]) == (last.sku, first.sku)
    explanation = after.hits[0].explanation or {}
    assert explanation["rules"] == [{"rule": 1, "name": "rule 1", "action": "boost", "factor": 10.0}]
    assert explanation["original_score"] == before.hits[-1].score < after.hits[0].score < 1
    floor = before.hits[-1].score
    buried = find(book(act(Kind.BURY, first, 0.01)), min_score=floor)
    assert all(hit.score >= floor for hit in buried.hits)


def test_a_category_means_everything_below_it() -> None:
    before = find()
    category = product(before, 1).category
    assert category is not None
    top = Category.objects.get(path=category.path.split("/")[0])
    assert top != category
    after = find(book(act(Kind.HIDE, top)), facets=("category",))
    assert all(not hit.fields["category"]["path"].startswith(f"{top.path}/") for hit in after.hits)
    assert top.slug not in {value.value for value in after.facets["category"]}
    assert after.total < before.total


def test_hiding_wins_over_pinning() -> None:
    first = product(find(), 1)
    assert first.sku not in skus(find(book(pin(first, 1), act(Kind.HIDE, first.brand))))


@pytest.mark.parametrize("mode", list(Mode))
def test_rules_hold_in_every_mode_and_not_where_they_are_switched_off(mode: Mode) -> None:
    first = product(find(mode=mode), 1)
    rules = book(act(Kind.HIDE, first))
    assert first.sku not in skus(find(rules, mode=mode))
    off = find(rules, mode=mode, rules=False)
    assert (skus(off), off.rule_ids) == (skus(find(mode=mode)), ())
    query = SearchQuery(QUERY, mode=mode, rulebook=rules)
    assert first.pk not in ranking_of(query).product_ids
    assert first.pk in ranking_of(replace(query, rules=False)).product_ids


def test_an_exact_sku_is_hidden_only_by_a_rule_for_it() -> None:
    first = product(find(), 1)
    assert skus(find(book(act(Kind.HIDE, first)), text=first.sku))[0] == first.sku
    assert first.sku not in skus(find(book(act(Kind.HIDE, first), text=first.sku), text=first.sku))


def test_a_corrected_query_meets_the_rules_of_both_spellings() -> None:
    first = product(find(text="screwdriver"), 1)
    for text in ("screwdrivr", "screwdriver"):
        result = find(book(act(Kind.HIDE, first), text=text), text="screwdrivr")
        assert result.corrected == "screwdriver"
        assert first.sku not in skus(result)


# --- Browsing ----------------------------------------------------------------------------------------------


def test_browsing_a_category_obeys_its_rules_on_every_page() -> None:
    category = max(
        Category.objects.filter(parent=None),
        key=lambda one: find(text="", filters=Filters((one.slug,))).total,
    )
    fields: dict[str, Any] = {
        "text": "",
        "filters": Filters(categories=(category.slug,)),
        "facets": ("brand", "category"),
    }
    before = find(**fields)
    hidden, boosted, buried, pinned = (product(before, place) for place in (2, 9, 1, 7))
    elsewhere = Product.objects.exclude(category__path__startswith=category.path).order_by("sku")[0]
    actions = [
        act(Kind.HIDE, hidden),
        act(Kind.BOOST, boosted, 2.0),
        act(Kind.BURY, buried, 0.5),
        pin(pinned, 4),
        pin(elsewhere, 1),
    ]
    rules = book(*actions, text="", category_id=category.pk)
    after = find(rules, **fields, explain=True)
    rest = [sku for sku in skus(before) if sku not in {one.sku for one in (hidden, boosted, buried, pinned)}]
    expected = [boosted.sku, *rest, buried.sku]
    expected.insert(3, pinned.sku)
    assert skus(after) == expected
    assert after.total == before.total - 1
    brands = Counter(hit.fields["brand"] for hit in after.hits if hit.fields["brand"])
    assert {value.value: value.count for value in after.facets["brand"]} == dict(brands)
    assert [(after.hits[place].explanation or {}).get("rules", [{}])[0].get("action") for place in (0, 1, 3, -1)] == [
        "boost", None, "pin", "bury",
    ]  # fmt: skip
    paged = [
        sku
        for page in everything(SearchQuery("", rulebook=rules, filters=fields["filters"], page_size=3))
        for sku in skus(page)
    ]
    assert paged == expected
    assert find(rules, text="").rule_ids == ()


def test_products_without_a_category_are_not_hidden_with_one(make_product: Callable[..., Product]) -> None:
    loose = make_product("Loose thing")
    category = Category.objects.filter(parent=None).order_by("pk")[0]
    # Which category is filtered on matters to nobody but the rule.
    shown = find(Rulebook([make_rule(1, "", [act(Kind.HIDE, category)])]), text="")
    assert loose.sku in skus(shown)


@pytest.mark.parametrize("ordering", [Ordering.CHEAPEST, Ordering.DEAREST, Ordering.NEWEST])
@pytest.mark.parametrize("text", [QUERY, ""])
def test_in_another_order_rules_only_hide(text: str, ordering: Ordering) -> None:
    filters = Filters(categories=("tools",))
    found = find(text=text, filters=filters)
    first, hidden, last = product(found, 1), product(found, 2), product(found, len(found.hits))
    category_id = Category.objects.get(slug="tools").pk
    rules = book(
        act(Kind.BURY, first, 0.5), act(Kind.HIDE, hidden), pin(last, 1), text=text, category_id=category_id
    )
    assert skus(find(rules, text=text, filters=filters))[0] == last.sku
    after = find(rules, text=text, filters=filters, ordering=ordering)
    plain = find(text=text, filters=filters, ordering=ordering)
    assert skus(after) == [sku for sku in skus(plain) if sku != hidden.sku]
    assert after.total == plain.total - 1


# --- Cost --------------------------------------------------------------------------------------------------


def test_a_rule_costs_a_constant_number_of_queries(
    django_assert_max_num_queries: Callable[[int], Any],
) -> None:
    before = find()
    others = list(Product.objects.exclude(sku__in=skus(before))[:20])
    actions = [pin(one, place) for place, one in enumerate(others, start=1)]
    actions += [act(Kind.BOOST, brand, 2.0) for brand in {hit.fields["brand"] for hit in before.hits}]
    actions += [act(Kind.BURY, category, 0.5) for category in Category.objects.all()]
    with django_assert_max_num_queries(9 + 3):
        assert find(book(*actions)).total == before.total + 20
