"""The keyword leg."""

from collections.abc import Callable
from itertools import product

import pytest
from django.db import connection
from django.test import override_settings

from catalog.models import Product
from search.analysis import analyse
from search.engine import search_products
from search.lexical_query import LexicalQuery
from search.merchandising import book
from search.models import Synonym
from search.parsing import parse
from search.query import Mode, SearchQuery
from search.terms import refresh_terms

MakeProduct = Callable[..., Product]
pytestmark = pytest.mark.django_db


def scored(query: LexicalQuery) -> list[tuple[Product, float]]:
    """All products with the BM25 of a query's words."""
    score = query.bm25("p")
    products = Product.objects.raw(f"SELECT p.*, {score.sql} AS bm25 FROM catalog_product AS p", score.params)
    return [(product, product.bm25) for product in products]


def names(text: str) -> list[str]:
    return [hit.fields["name"] for hit in search_products(SearchQuery(text, mode=Mode.KEYWORD)).hits]


@pytest.mark.parametrize("text", ["TN-2110", "tn2110", "TN 2110", "brother tn-2110 toner"])
def test_a_part_code_is_found_however_it_is_written(make_product: MakeProduct, text: str) -> None:
    make_product("Brother TN-2120 toner")
    make_product("Toner for Brother printers")
    code = make_product("Brother TN-2110 toner")
    refresh_terms()
    assert names(text)[0] == code.name


@pytest.mark.parametrize("text", ["20000mah", "20,000 mAh", "20.000mah", "20000 mah power bank"])
def test_thousands_are_found_however_they_are_written(make_product: MakeProduct, text: str) -> None:
    written = ["Power bank 20,000mAh", "Power bank 20.000 mAh", "Power bank 20000 mAh", "Power bank 20000mAh"]
    for name in written:
        make_product(name)
    make_product("Power bank 10,000 mAh, 20 W")
    refresh_terms()
    assert set(names(text)[: len(written)]) == set(written)


@pytest.mark.parametrize("text", ["10 m hdmi", "10m hdmi", "hdmi 10 M"])
def test_a_number_and_its_measure_count_only_together(make_product: MakeProduct, text: str) -> None:
    cables = {make_product(f"HDMI cable 10m {colour}").name for colour in ("red", "blue", "white")}
    cables.add(make_product("HDMI cable 10 m").name)
    make_product("HDMI cable 1.5 m SWV4433/10")
    make_product("HDMI cable 1.5 m")
    refresh_terms()
    assert set(names(text)) == cables


@pytest.mark.parametrize("text", ["27 inch monitor", "27in monitor", "27-in monitor", '27" monitor'])
def test_inches_belong_to_their_number(make_product: MakeProduct, text: str) -> None:
    make_product('Monitor 225B/27 22"')
    wide = make_product('Monitor 27"')
    make_product('Monitor 22"')
    refresh_terms()
    assert names(text) == [wide.name]


def test_in_behind_a_number_may_be_inches(make_product: MakeProduct) -> None:
    wide = make_product('Monitor 27"')
    make_product("Monitor 27 black")
    boots = make_product("Boots 10 black")
    make_product("Boots 9 black")
    refresh_terms()
    assert names("monitor 27 in")[0] == names("27 in monitor")[0] == wide.name
    assert names("boots 10 in black")[0] == boots.name


@pytest.mark.parametrize("text", ["9v battery", "9 volt battery", "9 volts battery", "battery 9 V"])
def test_a_measure_is_found_by_each_name_of_its_unit(make_product: MakeProduct, text: str) -> None:
    written = {make_product(name).name for name in ("Battery 9V", "Battery 9 V", "Battery 9-volt")}
    make_product("Battery of 12 V with 9 cells")
    for number in range(3):
        make_product(f"Clock {number}, 9V")
    refresh_terms()
    assert set(names(text)[: len(written)]) == written


@pytest.mark.parametrize("text", ["grey fibre cable", "gray fiber cable", "cable fibre gray"])
def test_words_are_found_as_they_are_spelt_on_either_side_of_the_atlantic(
    make_product: MakeProduct, text: str
) -> None:
    written = {make_product(name).name for name in ("Fibre cable, grey", "Fiber cable, gray")}
    make_product("Audio cable, white")
    refresh_terms()
    found = search_products(SearchQuery(text, mode=Mode.KEYWORD)).hits
    assert {hit.fields["name"] for hit in found[:2]} == written
    assert found[0].score == found[1].score


def test_what_is_excluded_is_so_by_all_its_names(make_product: MakeProduct) -> None:
    for name in ("Cable, grey", "Cable, gray", "Cable 9V", "Cable 9 volt"):
        make_product(name)
    white = make_product("Cable, white")
    refresh_terms()
    assert names("cable -gray -9v") == names("cable -grey -9volt") == [white.name]


def test_an_explanation_names_a_measure_as_it_was_typed(make_product: MakeProduct) -> None:
    make_product("Battery 9V")
    refresh_terms()
    (hit,) = search_products(SearchQuery("9 volt battery", mode=Mode.KEYWORD, explain=True)).hits
    assert hit.explanation is not None
    assert hit.explanation["matched_terms"] == ["9 volt", "battery"]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1tb drive", ["Drive 1TB", "Drive 1000 GB", "Drive 1 TB"]),
        ("drive 1000 gb", ["Drive 1TB", "Drive 1000 GB", "Drive 1 TB"]),
        ("50cm cable", ["Cable 0.5m", "Cable 0,5 m", "Cable 500 mm"]),
        ("cable 1.5m", ["Cable 150 cm", "Cable 1500mm", "Cable 1.5m"]),
        ("jug 0,5l", ["Jug 500ml", "Jug 500 ml", "Jug 0.5 l"]),
    ],
)
def test_a_measure_is_found_in_other_units(make_product: MakeProduct, text: str, written: list[str]) -> None:
    for name in written:
        make_product(name)
    for name in ("Drive 1.5 TB", "Drive 100 GB", "Cable 5 m", "Cable 0.15 m", "Jug 5 l", "Jug 50 ml"):
        make_product(name)
    refresh_terms()
    assert set(names(text)[:3]) == set(written)


def test_a_measure_that_nothing_has_is_no_number_by_itself(make_product: MakeProduct) -> None:
    make_product("Cable with 10 pins, 3 meter")
    plain = make_product("Cable")
    refresh_terms()
    assert names("10 meter cable")[0] == plain.name


def test_a_number_is_no_measure_for_what_hardly_ever_stands_right_behind_it(
    make_product: MakeProduct,
) -> None:
    make_product("Console 4pro")
    other = make_product("Console 4 black")
    make_product("Console 5 black")
    refresh_terms()
    assert names("console 4 pro") == ["Console 4pro", other.name]


def test_what_staff_say_of_a_measure_holds_for_it_as_it_is_typed(make_product: MakeProduct) -> None:
    for colour in ("red", "blue", "white"):
        make_product(f"Cable 10m {colour}")
    long = make_product("Extension")
    Synonym.objects.create(term="10 m", means="extension")
    refresh_terms()
    assert long.name in names("10 m")


@pytest.mark.parametrize("between", [" ", ""])
def test_however_words_are_put_together_they_are_a_query(make_product: MakeProduct, between: str) -> None:
    numbers = ["1/4", "10.5", "2"]
    words = [*numbers, "inch", "in", "volt", "a", "pad", "sfp+", "post-it"]
    texts = [between.join(pair) for pair in product(words, words)]
    texts += [between.join(run) for run in product(numbers, ["in"], numbers)]
    for _ in range(3):  # so that all of it is known, also in one word
        make_product("Thing", description=" ".join(map("".join, product(words, words))))
        make_product("Thing", description=" ".join(texts))
    refresh_terms()
    for text in texts:
        scored(analyse(parse(text), text))


def test_a_synonym_leaves_the_measures_beside_it_alone(make_product: MakeProduct) -> None:
    make_product('Television 225B/27 22"')
    wide = make_product('Television 27"')
    make_product('Television 22"')
    Synonym.objects.create(term="telly", means="television")
    Synonym.objects.create(term="flat telly", means="television")
    refresh_terms()
    for text in ("27-in telly", "27 inch telly", "flat telly 27 inch", "telly 27 inch telly"):
        assert names(text) == [wide.name]


@pytest.mark.parametrize("text", ["red 27 shelf", "red tn2110 shelf"])
def test_a_number_weighs_more_than_a_word_that_is_as_rare(make_product: MakeProduct, text: str) -> None:
    make_product(f"Shelf {text.split()[1]}")
    make_product("Shelf red")  # of equals, the newer one is first
    refresh_terms()
    assert names(text) == [f"Shelf {text.split()[1]}", "Shelf red"]


@pytest.mark.parametrize("text", ["10m cable", "10-m cable", "cable 10M"])
def test_the_parts_of_a_code_count_only_together(make_product: MakeProduct, text: str) -> None:
    apart = make_product("Cable, 3 m, SWV 10", short_description="Black")
    make_product("Cable, 3 m", short_description="Black, and 10 of another")
    wanted = make_product("Video cable of 10 m for long ways", short_description="Black or white, and more")
    plain = make_product("Cable, 3 feet, SWV 8", short_description="Black")
    for number in range(20):
        make_product(f"Lamp {number}")
    refresh_terms()
    found = {product.pk: score for product, score in scored(analyse(parse(text), text))}
    assert found[wanted.pk] == max(found.values())
    assert found[apart.pk] == pytest.approx(found[plain.pk])
    assert names(text)[0] == wanted.name


def test_parts_of_a_code_that_nothing_has_count_for_nothing(make_product: MakeProduct) -> None:
    make_product("Storage box X, large")
    refresh_terms()

    def score_of(text: str) -> float:
        ((_, score),) = scored(analyse(parse(text), text))
        return score

    assert score_of("x-box") == 0
    assert score_of("x-box storage") == score_of("storage") > 0


@pytest.mark.parametrize("beside", ["", "TN-2110", "printer"])
def test_words_without_a_blank_between_them_count_only_together(
    make_product: MakeProduct, beside: str
) -> None:
    apart = make_product("HDMI cable, no USB")
    neither = make_product("Audio cable, no plug")
    together = make_product("USB/HDMI cable, short")
    refresh_terms()
    query = f"usb&hdmi {beside}".strip()
    found = {product.pk: score for product, score in scored(analyse(parse(query), query))}
    assert found[together.pk] > found[apart.pk] == found[neither.pk] == 0


@pytest.mark.parametrize("text", ["006R90321", "006r90321"])
def test_codes_of_letters_and_digits(make_product: MakeProduct, text: str) -> None:
    make_product("Xerox 006R90321 toner")
    make_product("Xerox 006R90322 toner")
    assert names(text) == ["Xerox 006R90321 toner"]


def test_fractions_and_grades_are_words(make_product: MakeProduct) -> None:
    make_product('Drill bit 1/2"')
    make_product('Drill bit 1/4"')
    make_product("Patch cable cat6")
    make_product("Patch cable Cat 5e")
    refresh_terms()
    assert names('1/2"') == ['Drill bit 1/2"']
    assert names("cat6") == ["Patch cable cat6"]
    assert names("cat 6")[0] == "Patch cable cat6"


@pytest.mark.parametrize("text", ["smart-ups 750va", "smartups 750 va", "smart ups 750va"])
def test_ways_to_write_a_word_do_not_add_up(make_product: MakeProduct, text: str) -> None:
    """A product that writes one word in every way has not more of the query than one that has both words."""
    best = make_product("Smart-UPS 750VA 750 VA")
    for power in range(5):
        make_product(f"Smart-UPS {power + 1}kVA")
    refresh_terms()
    query = analyse(parse(text), text)
    found = {one.name: score for one, score in scored(query)}
    assert names(text)[0] == best.name
    assert max(found.values()) == found[best.name] <= query.ceiling


def test_the_letter_of_a_code_is_not_left_out(make_product: MakeProduct) -> None:
    make_product("Tape 6 pieces")
    make_product("Tray for A6")
    refresh_terms()
    assert names("a6") == ["Tray for A6"]


def test_a_code_that_few_have_is_a_part_number_whatever_its_parts_are(make_product: MakeProduct) -> None:
    for number in range(21):
        make_product(f"Foil 130 x 80 number {number}")
    make_product("Label 130x80")
    refresh_terms()
    assert analyse(parse("130x80"), "130x80").is_part_number
    assert not analyse(parse("130 80"), "130 80").is_part_number


def test_a_number_among_words_is_no_sku(make_product: MakeProduct) -> None:
    sku = make_product("Plain paper", sku="1440")
    monitor = make_product("Monitor 2560 x 1440", sku="MON")
    make_product("Monitor 27", sku="MON2")
    refresh_terms()
    assert names("2560 x 1440 monitor")[0] == monitor.name
    assert names("1440")[0] == sku.name


def test_a_sku_among_words_comes_first_and_cuts_nothing_off(make_product: MakeProduct) -> None:
    for number in range(5):
        make_product(f"Dog lead for the evening walk {number}")
    named = make_product("Fibre cable", sku="2121542")
    refresh_terms()
    found = search_products(SearchQuery("lead 2121542", mode=Mode.KEYWORD))
    assert found.hits[0].fields["name"] == named.name
    assert found.total == 6


def test_an_ean_among_the_attributes_is_found(make_product: MakeProduct) -> None:
    make_product("Kettle", attributes={"ean": "4006381333931"})
    assert names("4006381333931") == ["Kettle"]


def test_accents_and_case_do_not_matter(make_product: MakeProduct) -> None:
    make_product("Crème brûlée torch")
    assert names("CREME BRULEE") == names("crème brûlée") == ["Crème brûlée torch"]


def test_words_written_together_and_apart(make_product: MakeProduct) -> None:
    make_product("Headset with microphone")
    make_product("Wi-Fi repeater")
    refresh_terms()
    assert names("head set") == ["Headset with microphone"]
    assert names("wifi") == names("wi-fi") == ["Wi-Fi repeater"]


def test_what_stop_words_leave_of_a_compound_is_no_way_to_write_it(make_product: MakeProduct) -> None:
    post = make_product("Post process inserter")
    notes = make_product("Pad of Post-it notes")
    letter = make_product("Paper 100 sheets")
    bulb = make_product("Bulb A-100")
    spaced = make_product("A built in microphone")
    refresh_terms()
    assert names("post-it") == names("postit") == names('"post-it"') == [notes.name]
    assert names("a-100") == [bulb.name]
    assert set(names("sheets bulb -a-100")) == {letter.name}
    assert set(names("inserter notes -post-it")) == {post.name}
    assert names("built-in") == [spaced.name]  # no product has it in one piece


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("2 in 1 tablet", "Tablet, hybrid (2-in-1)"),
        ("all in one", "Printer, all-in-one"),
        ("i pad sleeve", "Sleeve for iPad"),
        ("so dimm", "Memory SO-DIMM"),
        ("plug and play hub", "Hub, plug-and-play"),
    ],
)
def test_a_word_with_a_stop_word_in_it_is_found_however_it_is_written(
    make_product: MakeProduct, text: str, name: str
) -> None:
    things = (
        "Tablet, hybrid (2-in-1)",
        "Printer, all-in-one",
        "Sleeve for iPad",
        "Memory SO-DIMM",
        "Hub, plug-and-play",
    )
    for thing in things:
        for number in range(3):
            make_product(f"{thing} no {number}")
    for other in (
        "Tablet 2 USB, 1 HDMI",
        "Printer, one tray",
        "Sleeve with pad",
        "Memory DIMM",
        "Hub to play, one plug",
    ):
        make_product(other)
    refresh_terms()
    assert [found.rpartition(" no ")[0] for found in names(text)[:3]] == [name] * 3


def test_a_stop_word_and_a_word_are_another_one_only_where_that_is_no_chance(
    make_product: MakeProduct,
) -> None:
    for number in range(3):
        make_product(f"APC strip {number}")
    make_product("Fan for the PC")
    refresh_terms()
    assert names("fan for a pc") == ["Fan for the PC"]


def test_a_plus_makes_another_word(make_product: MakeProduct) -> None:
    names_of = ("Module SFP+", "Module SFP", "Disc DVD+R", "Disc DVD-R", "Burner DVD+/-RW", "Phone S10")
    for name in names_of:
        make_product(name)
    refresh_terms()
    assert names("sfp+ module")[0] == names("sfp plus module")[0] == "Module SFP+"
    assert names("sfp+") == ["Module SFP+"]
    assert names("dvd+r") == ["Disc DVD+R"]
    assert names("dvd-r") == ["Disc DVD-R"]
    assert names("dvd-rw") == ["Burner DVD+/-RW"]
    assert names("s10+") == ["Phone S10"]  # no product has the plus


def test_a_phrase_that_ends_with_a_plus_is_all_of_its_words(make_product: MakeProduct) -> None:
    for name in ("Lumo SFP+ module", "Nordwind SFP+ module", "Lumo SFP module"):
        make_product(name)
    refresh_terms()
    assert set(names('"lumo sfp+"')) == {"Lumo SFP+ module", "Lumo SFP module"}
    assert names('module -"lumo sfp+"') == ["Nordwind SFP+ module"]


def test_an_excluded_phrase_leaves_what_has_only_the_code_in_it(make_product: MakeProduct) -> None:
    make_product("Brother TN-2110 toner")
    other = make_product("Toner that fits like TN-2110")
    refresh_terms()
    assert names('toner -"brother tn-2110"') == [other.name]


def test_stop_words_keep_their_places_in_phrases(make_product: MakeProduct) -> None:
    injector = make_product("Injector for Power over Ethernet")
    make_product("Power lead and Ethernet lead")
    converter = make_product("Converter DC to DC")
    make_product("Converter AC to DC")
    easy = make_product("Easy-to-use lamp")
    refresh_terms()
    assert names('"power over ethernet"') == names("power-over-ethernet") == [injector.name]
    assert names('"dc to dc"') == [converter.name]
    assert names('converter -"dc to dc"') == ["Converter AC to DC"]
    assert names("easy-to-use") == [easy.name]


def test_a_growing_word_is_completed(make_product: MakeProduct) -> None:
    make_product("Laptop sleeve")
    refresh_terms()
    assert names("lapt") == ["Laptop sleeve"]
    assert names("lapt ") == []


@pytest.mark.parametrize("text", ["SM-P615", "sm-p6", "SMP615", "tablet SM-P615"])
def test_a_growing_code_is_completed_however_it_is_written(make_product: MakeProduct, text: str) -> None:
    make_product("Tablet SM-P615N")
    make_product("Tablet SM-T615")
    refresh_terms()
    assert names(text)[0] == "Tablet SM-P615N"


def test_a_code_that_the_catalogue_has_is_not_completed(make_product: MakeProduct) -> None:
    make_product("Home cinema HTS-8100")
    make_product("Home cinema HTS-8100/05")
    refresh_terms()
    assert names("HTS-8100") == ["Home cinema HTS-8100"]
    assert names("HTS-810 ") == []
    assert names("hts-810,spz-65") == []
    assert set(names("HTS-810")) == {"Home cinema HTS-8100", "Home cinema HTS-8100/05"}


def test_synonyms_work_both_ways_where_staff_say_so(make_product: MakeProduct) -> None:
    make_product("Television 40 inch")
    make_product("Telly stand")
    Synonym.objects.create(term="telly", means="television")
    assert set(names("telly")) == {"Television 40 inch", "Telly stand"}
    assert set(names("television")) == {"Television 40 inch", "Telly stand"}
    Synonym.objects.update(both_ways=False)
    book.forget()  # other writers than save() are noticed a second later
    assert names("television") == ["Television 40 inch"]


def test_a_synonym_is_met_by_every_form_of_its_words(make_product: MakeProduct) -> None:
    make_product("Notebook 15 inch")
    make_product("Dust bags")
    Synonym.objects.create(term="laptop", means="notebook")
    Synonym.objects.create(term="hoover sack", means="dust bag")
    assert names("Laptops") == ["Notebook 15 inch"]
    assert names("hoovers sacks") == ["Dust bags"]
    book.forget()
    with override_settings(SEARCH_CONFIG="simple"):  # a language whose words have one form
        assert names("Laptops") == []
        assert names("laptop") == ["Notebook 15 inch"]


def test_a_word_and_its_synonym_count_as_one_of_them(make_product: MakeProduct) -> None:
    make_product("Blue laptop bag")
    make_product("Notebook laptop tray")
    for number in range(5):
        make_product(f"Bag {number}")
    Synonym.objects.create(term="laptop", means="notebook")
    refresh_terms()
    assert names("laptop bag")[0] == "Blue laptop bag"


def test_synonyms_of_overlapping_words_are_alternatives(make_product: MakeProduct) -> None:
    make_product("Pencil notebook laptop bag sleeve")
    words = ("pencil", "notebook", "laptop", "bag", "sleeve")
    pencil, notebook, laptop, bag, sleeve = (
        next(iter(analyse(parse(word), word).terms.weights)) for word in words
    )
    Synonym.objects.create(term="laptop", means="notebook")
    Synonym.objects.create(term="laptop bag", means="sleeve")
    query = analyse(parse("pencil laptop bag"), "pencil laptop bag")
    assert set(query.terms.weights) == {pencil}
    assert [{frozenset(way.weights) for way in choice} for choice in query.terms.choices] == [
        {frozenset({laptop, bag}), frozenset({notebook, bag}), frozenset({sleeve})}
    ]


def test_what_a_product_has_is_found_by_name_and_what_it_lacks_is_not(make_product: MakeProduct) -> None:
    make_product("Speaker one", attributes={"bluetooth": True, "radio": False})
    assert names("bluetooth") == ["Speaker one"]
    assert names("radio") == []


def test_without_counted_terms_words_still_find(make_product: MakeProduct) -> None:
    make_product("Claw hammer")
    make_product("Claw")
    assert names("claw hammer")[0] == "Claw hammer"


def test_the_score_is_bm25f(make_product: MakeProduct) -> None:
    """Against the formula worked out here, from the counts that stand in the product."""
    make_product("Blue hammer", brand="Acme", description="A hammer for nails.")
    make_product("Saw")
    refresh_terms()
    query = analyse(parse("hammer"), "hammer")
    score = query.bm25("p")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {score.sql} FROM catalog_product AS p WHERE name = 'Blue hammer'", score.params
        )
        (score,) = cursor.fetchone()
    name = 3.0 * 1 / (1 - 0.75 + 0.75 * 2 / 10)
    description = 1.0 * 1 / (1 - 0.75 + 0.75 * 2 / 40)
    frequency = name + description
    weight = frequency * 1.6 / (0.6 + frequency)
    assert score == pytest.approx(weight * next(iter(query.terms.weights.values())), rel=1e-3)
