"""What a visitor gets, over the demo catalogue with its real vectors."""

import random
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from catalog.models import Category, Product
from embeddings.models import EmbeddingModel
from search.engine import search_batch, search_products
from search.exceptions import InvalidQueryError
from search.query import MAX_DEPTH, Filters, Fusion, Mode, SearchQuery
from search.results import SearchResult

ODD_TEXTS = [
    "🎧",
    "ابحث عن",
    "電源ケーブル",
    "-",
    "'\\:*&|!()<->%_\"",
    "a",
    "a" * 512,
    "the of",
    "x\x00y",
    "-drill",
]
COLOURS = ["black", "white", "red", "green", "grey", "blue"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("demo")]


def everything(query: SearchQuery) -> list[SearchResult]:
    """All pages of a search up to the depth limit."""
    pages = [search_products(query)]
    while pages[-1].hits and query.page * query.page_size < min(pages[0].total, MAX_DEPTH):
        query = SearchQuery(**{**query.__dict__, "page": query.page + 1})
        pages.append(search_products(query))
    return pages


def random_query(rng: random.Random, words: list[str], slugs: list[str], brands: list[str]) -> SearchQuery:
    low, high = sorted(Decimal(rng.randint(1, 200)) for _ in range(2))
    said = [rng.choice(["", "", "", "", "-"]) + word for word in rng.sample(words, rng.randint(0, 3))]
    return SearchQuery(
        text=" ".join(said) if rng.random() < 0.9 else rng.choice(ODD_TEXTS),
        mode=rng.choice(list(Mode)),
        fusion=rng.choice([None, None, Fusion.RRF]),
        filters=Filters(
            categories=tuple(rng.sample(slugs, rng.choice([0, 0, 1, 2]))),
            brands=tuple(rng.sample(brands, rng.choice([0, 0, 0, 3]))),
            price_min=low if rng.random() < 0.3 else None,
            price_max=high if rng.random() < 0.3 else None,
            attributes=(("colour", tuple(rng.sample(COLOURS, 2))),) if rng.random() < 0.2 else (),
        ),
        min_score=rng.choice([None, None, 0.3]),
        facets=("category", "brand", "price", "material", "colour"),
        page_size=rng.choice([7, 20, 100]),
    )


def test_pages_total_and_facets_describe_one_set_that_obeys_the_filters() -> None:
    rng = random.Random(20)
    products = {product.sku: product for product in Product.objects.select_related("category")}
    words = sorted({word for product in products.values() for word in product.name.lower().split()})
    slugs = list(Category.objects.order_by("slug").values_list("slug", flat=True))
    brands = sorted({product.brand for product in products.values() if product.brand})
    for _ in range(200):
        query = random_query(rng, words, slugs, brands)
        pages = everything(query)
        hits = [hit for page in pages for hit in page.hits]
        skus = [hit.fields["sku"] for hit in hits]
        assert len(set(skus)) == len(skus) == min(pages[0].total, MAX_DEPTH), query
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True), query
        assert all(0 <= score <= 1 for score in scores), query
        assert all(is_within(products[sku], query.filters) for sku in skus), query
        check_facets(query, pages[0], [products[sku] for sku in skus])


def is_within(product: Product, filters: Filters) -> bool:
    path = product.category.path.split("/") if product.category else []
    if filters.categories and not any(slug in path for slug in filters.categories):
        return False
    if filters.brands and product.brand not in filters.brands:
        return False
    if any(str(product.attributes.get(name)) not in values for name, values in filters.attributes):
        return False
    if product.price is None:
        return filters.price_min is None and filters.price_max is None
    return (filters.price_min or 0) <= product.price <= (filters.price_max or Decimal("Infinity"))


def check_facets(query: SearchQuery, page: SearchResult, products: list[Product]) -> None:
    """Counts against a brute-force count, for facets that no filter of their own widens."""
    assert list(page.facets) == list(query.facets)
    for name in {"material", "colour"} - dict(query.filters.attributes).keys():
        counted = Counter(str(p.attributes[name]) for p in products if p.attributes.get(name))
        shown = {value.value: value.count for value in page.facets[name]}
        assert shown == {value: counted[value] for value in shown}, query
    if not query.filters.categories:
        tree = Counter(
            slug for product in products if product.category for slug in product.category.path.split("/")
        )
        assert {value.value: value.count for value in page.facets["category"]} == dict(tree), query
    if not query.filters.brands:
        brands = Counter(product.brand for product in products if product.brand)
        shown = {value.value: value.count for value in page.facets["brand"]}
        assert shown == {brand: brands[brand] for brand in shown}, query
    if query.filters.price_min is None and query.filters.price_max is None and page.facets["price"]:
        priced = sum(product.price is not None for product in products)
        assert sum(value.count for value in page.facets["price"]) == priced, query


def test_a_facet_ignores_its_own_filter() -> None:
    everywhere = search_products(SearchQuery("drill", facets=("brand",)))
    (brand, *_), total = everywhere.facets["brand"], everywhere.total
    result = search_products(
        SearchQuery("drill", filters=Filters(brands=(brand.value,)), facets=("brand", "category"))
    )
    assert result.total == brand.count < total
    assert [(v.value, v.count) for v in result.facets["brand"]] == [
        (v.value, v.count) for v in everywhere.facets["brand"]
    ]
    assert [v.value for v in result.facets["brand"] if v.selected] == [brand.value]
    assert sum(v.count for v in result.facets["category"] if v.depth == 0) == result.total


def test_a_facet_of_an_attribute_ignores_its_own_filter() -> None:
    everywhere = search_products(SearchQuery("bag", facets=("colour", "material")))
    colour = everywhere.facets["colour"][0]
    result = search_products(
        SearchQuery(
            "bag", filters=Filters(attributes=(("colour", (colour.value,)),)), facets=("colour", "material")
        )
    )
    assert result.total == colour.count < everywhere.total
    shown = {value.value: value for value in result.facets["colour"]}
    assert shown.keys() == {value.value for value in everywhere.facets["colour"]}
    assert [value.value for value in shown.values() if value.selected] == [colour.value]
    assert sum(value.count for value in result.facets["material"]) <= result.total


@pytest.mark.parametrize("text", ["", "bag"])
def test_attributes_hold_for_every_hit_and_are_counted(text: str) -> None:
    filters = Filters(
        attributes=(
            ("colour", ("blue", "brown", "clear", "black", "white")),
            ("material", ("cotton", "glass", "leather")),
        )
    )
    wanted = Product.objects.active().with_attributes(dict(filters.attributes))
    result = search_products(SearchQuery(text, filters=filters, facets=("category", "colour"), page_size=100))
    skus = {hit.fields["sku"] for hit in result.hits}
    assert skus and skus <= set(wanted.values_list("sku", flat=True))
    assert result.total == len(skus)
    assert text or result.total == wanted.count()
    assert sum(value.count for value in result.facets["category"] if not value.depth) == result.total


def test_drill_for_concrete_has_a_hammer_drill_first() -> None:
    assert "hammer drill" in search_products(SearchQuery("drill for concrete")).hits[0].fields["name"].lower()


def test_a_wish_finds_only_what_suits_it() -> None:
    hits = search_products(SearchQuery("gift for someone who loves cooking")).hits[:5]
    assert all(hit.fields["category"]["path"].startswith("kitchen") for hit in hits), hits


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_text_is_answered(text: str, mode: Mode) -> None:
    result = search_products(SearchQuery(text, mode=mode, explain=True))
    assert result.total >= len(result.hits)


def test_a_sku_is_first_whatever_its_case() -> None:
    sku = Product.objects.order_by("sku").values_list("sku", flat=True)[5]
    for text in (sku, sku.lower()):
        (first, *_) = search_products(SearchQuery(text)).hits
        assert (first.fields["sku"], first.score) == (sku, 1.0)


def test_an_exact_name_is_first() -> None:
    product = Product.objects.order_by("sku")[7]
    (first, *_) = search_products(SearchQuery(product.name.upper())).hits
    assert first.fields["sku"] == product.sku


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("Outdoor Thermometer -30 to 50 °C", "outdoor thermometer -30 to 50 °C"),
        ("Zurnella Hex Bolt -Zinc", "Zurnella Hex Bolt -Zinc"),
        ("Zurnella Kühlbox −18", "ZURNELLA KÜHLBOX −18"),
    ],
)
def test_a_name_with_a_minus_excludes_nothing_of_its_product(
    make_product: Callable[..., Product], name: str, typed: str
) -> None:
    product = make_product(name)
    longer = make_product(f"{name} XL")
    for mode in (Mode.HYBRID, Mode.KEYWORD):
        result = search_products(SearchQuery(typed, mode=mode, facets=("brand",), page_size=100))
        assert (result.hits[0].fields["sku"], result.hits[0].score) == (product.sku, 1.0)
        assert longer.sku not in [hit.fields["sku"] for hit in result.hits]
    beside = search_products(SearchQuery(f"{typed} bag", mode=Mode.KEYWORD))  # it is no name
    assert product.sku not in [hit.fields["sku"] for hit in beside.hits]


def test_a_name_that_is_all_exclusion_is_counted_as_it_is_listed(
    make_product: Callable[..., Product],
) -> None:
    product = make_product("-Hammerlike")
    make_product("Another hammerlike")
    query = SearchQuery("-hammerlike", facets=("category",), page_size=100)
    listed = [hit.fields["sku"] for page in everything(query) for hit in page.hits]
    assert product.sku in listed
    assert len(listed) == search_products(query).total == Product.objects.active().count() - 1


@pytest.mark.parametrize("mode", list(Mode))
def test_what_is_excluded_or_not_in_the_phrase_is_in_no_leg(mode: Mode) -> None:
    names = [hit.fields["name"] for hit in search_products(SearchQuery("drill -hammer", mode=mode)).hits]
    assert names
    excluded = Product.objects.extra(where=["search_vector @@ 'hammer'::tsquery"]).values_list(
        "name", flat=True
    )
    assert not set(names) & set(excluded)
    phrase = search_products(SearchQuery('"hammer drill"', mode=mode))
    assert phrase.total
    texts = Product.objects.filter(sku__in=[hit.fields["sku"] for hit in phrase.hits])
    assert all("hammer drill" in f"{p.name} {p.short_description} {p.description}".lower() for p in texts)


def test_all_but_what_is_excluded_is_counted_as_it_is_listed() -> None:
    query = SearchQuery("-hammer", facets=("material", "colour", "brand", "category", "price"), page_size=100)
    left = Product.objects.active().extra(where=["NOT search_vector @@ 'hammer'::tsquery"])
    listed = [hit.fields["sku"] for page in everything(query) for hit in page.hits]
    assert 0 < len(listed) < Product.objects.active().count()
    assert sorted(listed) == sorted(left.values_list("sku", flat=True))
    page = search_products(query)
    assert page.total == len(listed)
    check_facets(query, page, list(left.select_related("category")))


def test_nothing_is_said_where_nothing_is_meant() -> None:
    assert search_products(SearchQuery("🎧🎧", mode=Mode.KEYWORD)).total == 0


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("text", ["!!!", '""', '"', '"  "', '"!!!"', "-"])
def test_punctuation_finds_nothing_rather_than_everything(text: str, mode: Mode) -> None:
    assert search_products(SearchQuery(text, mode=mode)).total == 0


def test_blanks_list_what_no_text_does() -> None:
    assert search_products(SearchQuery("  ")).total == search_products(SearchQuery("")).total


def test_no_text_lists_everything_newest_first() -> None:
    result = search_products(SearchQuery("", page_size=100))
    assert result.total == Product.objects.active().count()
    newest = list(Product.objects.active().order_by("-pk").values_list("sku", flat=True)[:100])
    assert [hit.fields["sku"] for hit in result.hits] == newest


def test_inactive_products_are_never_found() -> None:
    product = Product.objects.order_by("sku")[3]
    Product.objects.filter(pk=product.pk).update(is_active=False)
    for mode in Mode:
        found = search_products(SearchQuery(product.name, mode=mode)).hits
        assert product.sku not in [hit.fields["sku"] for hit in found]


def test_explain_says_what_each_leg_thought() -> None:
    (first, *_) = search_products(SearchQuery("hammer drill", explain=True)).hits
    assert first.explanation is not None
    assert first.explanation["score"] == first.score
    assert first.explanation["matched_terms"] == ["hammer", "drill"]
    assert first.explanation["keyword_rank"] >= 1
    assert 0 < first.explanation["semantic_score"] <= 1


def test_a_batch_answers_as_single_searches_do() -> None:
    queries = [SearchQuery("drill"), SearchQuery("", page_size=5), SearchQuery("pan", mode=Mode.KEYWORD)]
    for query, answer in zip(queries, search_batch(queries), strict=True):
        alone = search_products(query)
        assert [hit.fields["sku"] for hit in answer.hits] == [hit.fields["sku"] for hit in alone.hits]
        assert answer.total == alone.total


def test_without_a_model_words_answer_and_it_is_said() -> None:
    EmbeddingModel.objects.update(state="retired")
    result = search_products(SearchQuery("hammer drill"))
    assert result.degraded
    assert "drill" in result.hits[0].fields["name"].lower()
    EmbeddingModel.objects.update(state="active")
    assert not search_products(SearchQuery("hammer drill")).degraded


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (SearchQuery("x" * 513), "q"),
        (SearchQuery("x", page=0), "page"),
        (SearchQuery("x", page=11, page_size=100), "page"),
        (SearchQuery("x", page_size=101), "page_size"),
        (SearchQuery("x", min_score=1.5), "min_score"),
        (SearchQuery("x", facets=("no such attribute",)), "facets"),
        (SearchQuery("x", filters=Filters(categories=("no-such-category",))), "category"),
        (SearchQuery("x", filters=Filters(price_min=Decimal(2), price_max=Decimal(1))), "price_min"),
    ],
)
def test_what_cannot_be_answered_names_the_parameter(query: SearchQuery, field: str) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        search_products(query)
    assert list(caught.value.errors) == [field]


def test_a_search_takes_a_constant_number_of_queries(
    django_assert_max_num_queries: Callable[[int], Any],
) -> None:
    search_products(SearchQuery("drill"))  # reads staff's rules
    with django_assert_max_num_queries(9):
        assert len(search_products(SearchQuery("drill", page_size=100)).hits) > 3
