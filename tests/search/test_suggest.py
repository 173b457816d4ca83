"""Completions of a growing query."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.backends.utils import CursorWrapper

from catalog.models import Category, Product
from search.suggest import Completion, suggest
from search.suggest_names import products_with_words
from search.suggestion_counts import refresh_suggestions
from search.terms import refresh_terms, terms_age
from tests.search.plans import plans

MakeProduct = Callable[..., Product]


def texts(query: str, kind: str = "phrase", limit: int = 20) -> list[str]:
    return [one.text for one in suggest(query, limit) if one.kind == kind]


def make_products(make_product: MakeProduct, *names: str, **fields: Any) -> None:
    for name in names:
        make_product(name, sku=f"P{Product.objects.count()}", **fields)


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
    make_product("Drill for concrete 12 mm", sku="D-1")
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


@pytest.mark.parametrize(
    "text", ["", " ", "%", "_", "\\", "'", "🎧", "\x00", "x" * 600, "㌖" * 600, "a " * 99]
)
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
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    (plan,) = [plan for plan in plans(lambda: suggest("drill", 4)) if "search_suggestion" in plan]
    assert "hashed" not in plan
    # Frequent ones are put in order before the first are taken, products come in the order of the index.
    assert plan.count("Sort Key") == 3
    assert plan.count("suggestion_prefix") == 4


def test_words_that_stand_apart_in_names_complete_each_other(make_product: MakeProduct) -> None:
    make_products(
        make_product, "Mouse RF Wireless Laser", "Keyboard RF Wireless", "Mouse USB", "Wireless Antenna"
    )
    refresh_terms()
    assert texts("wireless mou") == ["wireless mouse"]
    assert texts("wireless mou", "product") == ["Mouse RF Wireless Laser"]
    assert texts("wireless k") == ["wireless keyboard"]
    assert "wireless usb" not in texts("wireless u")


def test_words_complete_each_other_that_most_names_have(make_product: MakeProduct) -> None:
    make_products(
        make_product, "Mat for wireless", *(f"Mouse {size} wireless" for size in ("small", "big", "huge"))
    )
    refresh_terms()
    assert texts("wireless m") == ["wireless mouse", "wireless mat"]


def test_a_stop_word_completes_nothing(make_product: MakeProduct) -> None:
    make_products(make_product, "Mouse with battery, wireless")
    refresh_terms()
    assert texts("wireless w") == []


@pytest.mark.parametrize("query", ["all i", "with i", "2 i"])
def test_nothing_completes_what_is_no_word_by_itself(make_product: MakeProduct, query: str) -> None:
    things = ("scanner", "camera", "plotter")
    make_products(make_product, *(f"Inkjet {thing} with all cables, 2 m" for thing in things))
    refresh_terms()
    assert texts("cables i") == ["cables inkjet"]
    assert texts(query) == []


def test_two_words_are_completed_as_one_where_nothing_has_them(make_product: MakeProduct) -> None:
    make_products(make_product, "iPad sleeve", "iPad stand", "Stand for a mat", "Format converter")
    refresh_terms()
    assert texts("i pa") == texts("ipa") != []
    assert texts("for mat", "product") == ["Stand for a mat"]


def test_products_have_all_words_in_name_or_brand(make_product: MakeProduct) -> None:
    make_products(make_product, "Latitude 7490 notebook", "Latitude dock", brand="Dell")
    refresh_terms()
    assert texts("dell notebook", "product") == ["Latitude 7490 notebook"]
    assert texts("note dell", "product") == []
    Product.objects.filter(name__endswith="notebook").update(is_active=False)
    assert suggest("dell notebook") == []


def test_products_with_the_words_next_to_each_other_come_first(make_product: MakeProduct) -> None:
    make_products(
        make_product, "Old clean set of lens wipes", "Lens of clean glass", "An old long clean lens"
    )
    refresh_terms()
    assert texts("clean le", "product") == [
        "An old long clean lens",
        "Lens of clean glass",
        "Old clean set of lens wipes",
    ]


@pytest.mark.parametrize("query", ["tn-2110", "TN 2110", "tn2110", "tn-21", "2110", "brother tn2110"])
def test_a_code_inside_a_name_finds_the_product(make_product: MakeProduct, query: str) -> None:
    make_products(make_product, "Toner TN-2110 black", brand="Brother")
    refresh_terms()
    assert texts(query, "product") == ["Toner TN-2110 black"]


def test_the_beginning_of_a_sku_finds_the_product(catalogue: None) -> None:
    Product.objects.filter(sku="E-1").update(sku="NS-E0001")
    assert texts("ns-e00", "product") == ["Émile coffee grinder"]
    assert texts("ns-e", "product") == []  # without a digit it is a word


def test_words_with_digits_are_suggested_and_measures_of_a_brand_are_not(make_product: MakeProduct) -> None:
    make_products(make_product, "Memory DDR4", "Hub USB 3", "4K screen")
    make_products(make_product, "Acme 5 hooks", "Acme 5 nails", "Acme 5 racks", brand="Acme")
    refresh_terms()
    assert "ddr4" in texts("dd")
    assert "usb 3" in texts("usb")
    assert "4k" in texts("4")
    assert texts("acme") == []
    assert texts("5") == []


def test_a_run_that_goes_on_with_the_same_word_is_a_fragment(make_product: MakeProduct) -> None:
    make_products(make_product, *(f"Lamp {colour} lead acid battery" for colour in ("red", "blue", "green")))
    refresh_terms()
    assert texts("lea") == ["lead", "lead acid battery"]
    make_products(make_product, "Acid without lead")
    refresh_terms()
    assert texts("lead a") == ["lead acid battery"]  # though the words stand apart as well
    make_products(make_product, "Lead acid paint")
    refresh_terms()
    assert "lead acid" in texts("lead a")


def test_a_run_goes_on_to_a_number_and_follows_upon_a_stop_word_in_several_names(
    make_product: MakeProduct,
) -> None:
    make_products(make_product, *(f"Keys for usb ps/2 {colour}" for colour in ("red", "blue", "green")))
    refresh_terms()
    assert texts("usb p") == ["usb ps 2"]


def test_a_run_that_follows_upon_the_same_word_is_a_fragment(make_product: MakeProduct) -> None:
    make_products(make_product, *(f"{colour} kvm switch audio" for colour in ("Red", "Blue", "Green")))
    refresh_terms()
    assert texts("switch") == ["switch"]
    assert "kvm switch audio" in texts("kvm")


def test_a_run_in_one_name_goes_on_up_to_a_number_or_a_stop_word(make_product: MakeProduct) -> None:
    make_products(make_product, "Cordless lawn mower 38 m", "Cordless desk lamp with clamp")
    refresh_terms()
    assert texts("cordless") == ["cordless", "cordless desk lamp", "cordless lawn mower"]


def test_four_words_are_a_phrase_where_three_are_a_fragment(make_product: MakeProduct) -> None:
    make_products(make_product, *(f"Main power supply unit tester {number}" for number in "XYZ"))
    refresh_terms()
    assert texts("main") == ["main"]  # five words go on alike
    make_products(make_product, *(f"Main power supply unit {colour}" for colour in ("red", "blue", "green")))
    refresh_terms()
    assert "main power supply unit" in texts("main")
    assert "main power supply" not in texts("main")


def test_a_measure_begins_no_phrase(make_product: MakeProduct) -> None:
    make_products(
        make_product, '24" screen', '27" screen', '32" screen', "Screen 19 inch", "Pack of 3 inks", "Inks"
    )
    refresh_terms()
    assert texts("in") == ["inks"]


def test_a_phrase_does_not_cut_a_brand(make_product: MakeProduct) -> None:
    make_products(
        make_product, "Tripp Lite cable", "Tripp Lite cable black", "Tripp Lite rack", brand="Tripp Lite"
    )
    refresh_terms()
    assert texts("lite") == []
    assert texts("tripp") == ["tripp lite cable"]
    # What follows upon a brand is asked for without it.
    make_products(
        make_product, *(f"Samsung Galaxy case {one}" for one in ("red", "blue", "green")), brand="Samsung"
    )
    refresh_terms()
    assert "galaxy case" in texts("galaxy")


def test_a_text_is_suggested_once(make_product: MakeProduct, make_category: Callable[..., Category]) -> None:
    make_product("Café table", sku="C-1", category=make_category("Tables", "CAFE TABLE"), brand="Cafe Table")
    make_product("CAFE table", sku="C-2")
    make_product("Table M100", sku="M-1")
    make_product("table m100", sku="M-2")
    refresh_terms()
    assert [one.kind for one in suggest("cafe t")] == ["category"]
    assert [one.target for one in suggest("table m") if one.kind == "product"] == []
    assert texts("table m") == ["table m100"]


def test_products_named_alike_do_not_crowd_out_others(make_product: MakeProduct) -> None:
    for number in range(5):
        make_product("Desk lamp 10 W" if number < 4 else "Desk lamp 20 W", sku=f"L-{number}")
    refresh_terms()
    assert texts("desk lamp", "product") == ["Desk lamp 10 W", "Desk lamp 20 W"]


@pytest.mark.parametrize("query", ["keyborad", "wireles keyborad", "keyborad wireless"])
def test_misspelt_words_are_completed_as_the_catalogue_spells_them(
    make_product: MakeProduct, query: str
) -> None:
    make_products(make_product, "Keyboard RF wireless")
    refresh_terms()
    assert texts(query, "product") == ["Keyboard RF wireless"]


def test_what_is_found_as_it_is_typed_is_not_corrected(make_product: MakeProduct) -> None:
    make_products(make_product, "Keyboard", "Keyborads by Mr Typo")
    refresh_terms()
    assert texts("keyborad", "product") == ["Keyborads by Mr Typo"]


def test_only_unknown_words_are_corrected(make_product: MakeProduct) -> None:
    make_products(make_product, "Mouse", "House keyboard")
    refresh_terms()
    assert suggest("mouse keyboard") == []


def test_the_whole_name_of_one_product_is_that_product(make_product: MakeProduct) -> None:
    make_products(make_product, "Stick vacuum", "Stick")
    refresh_terms()
    assert suggest("stick v") == [Completion("Stick vacuum", "product", "P0")]
    assert "stick" in texts("sti")


def test_names_of_any_length_are_counted(make_product: MakeProduct) -> None:
    make_product("㌀" * 500, sku="P-1", brand="㌀" * 120)
    refresh_terms()
    assert texts("㌀", "product")


def test_products_are_found_by_words_in_the_index(catalogue: None) -> None:
    (plan,) = [plan for plan in plans(lambda: products_with_words("coffee gri")) if "words @@" in plan]
    assert "suggestion_words" in plan
    assert "Seq Scan" not in plan


def test_a_run_is_not_looked_for_among_all_others(catalogue: None) -> None:
    """The planner takes them for few; in a catalogue of a million that would take hours."""
    nested_loops: dict[str, str] = {}

    class Watching(CursorWrapper):
        """Tells whether the planner may use nested loops."""

        def execute(self, sql: Any, params: Any = None) -> Any:
            self.cursor.execute("SHOW enable_nestloop")
            nested_loops[sql.split()[0]] = self.cursor.fetchone()[0]
            self.cursor.execute(sql, params)

    with connection.cursor() as cursor:
        refresh_suggestions(Watching(cursor, connection), 10)
    assert nested_loops == {"SET": "off", "CREATE": "off", "DELETE": "on"}
    assert suggest("dri")
