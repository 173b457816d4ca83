"""Links that change one part of a search and keep the rest."""

from decimal import Decimal

from django.http import QueryDict

from search.query import Filters, Mode
from search.results import FacetValue, SearchResult
from search.storefront import navigation

TREE = [
    FacetValue("garden", "Garden", 4),
    FacetValue("lawn", "Lawn", 4, depth=1),
    FacetValue("tools", "Tools", 9),
    FacetValue("power", "Power tools", 6, depth=1),
    FacetValue("drills", "Drills", 3, depth=2),
    FacetValue("saws", "Saws", 3, depth=2),
    FacetValue("hand", "Hand tools", 3, depth=1),
]


def asked(query: str) -> dict[str, list[str]]:
    return navigation.read(QueryDict(query))


def result(total: int, page: int = 1) -> SearchResult:
    return SearchResult([], total, "exact", Mode.HYBRID, False, None, page=page, page_size=20)


def test_blank_and_unknown_parameters_are_dropped() -> None:
    given = asked("q=+drill+&price_min=&brand=&brand=Bosch&mode=hybrid&utm_source=letter")
    assert given == {"q": ["drill"], "brand": ["Bosch"]}


def test_a_parameter_given_twice_counts_once() -> None:
    given = asked("q=a&q=b&mode=keyword&mode=semantic&brand=A&brand=B&brand=A")
    assert given == {"q": ["b"], "mode": ["semantic"], "brand": ["A", "B"]}


def test_an_address_keeps_everything_but_the_page() -> None:
    given = asked("q=drill&category=tools&brand=A%26B&page=3")
    assert navigation.address(given, price_min=["5"]) == "/?q=drill&category=tools&brand=A%26B&price_min=5"
    assert navigation.without_filters(given) == "/?q=drill"
    assert navigation.address({}) == "/"


def test_a_category_takes_anothers_place_and_brands_add_up() -> None:
    given = asked("q=x&category=garden&brand=A")
    facets = navigation.facets({"category": TREE, "brand": [FacetValue("B", "B", 2)]}, given, 9)
    tools = next(choice for choice in facets["category"].shown if choice.label == "Tools")
    assert tools.url == "/?q=x&category=tools&brand=A"
    assert facets["brand"].shown[0].url == "/?q=x&category=garden&brand=A&brand=B"


def test_a_choice_that_is_made_takes_itself_away() -> None:
    given = asked("q=x&category=tools&brand=A&brand=B&price_min=20&price_max=49.99")
    facets = navigation.facets(
        {
            "category": TREE,
            "brand": [FacetValue("A", "A", 2)],
            "price": [FacetValue("20-50", "20 – 50", 1, price_from="20", price_to="50")],
        },
        given,
        5,
    )
    chosen = [choice for facet in facets.values() for choice in facet.shown if choice.selected]
    assert [choice.label for choice in chosen] == ["Tools", "€20 – €50", "A"]
    assert chosen[0].url == "/?q=x&brand=A&brand=B&price_min=20&price_max=49.99"
    assert chosen[1].url == "/?q=x&category=tools&brand=A&brand=B"
    assert chosen[2].url == "/?q=x&category=tools&brand=B&price_min=20&price_max=49.99"


def test_a_value_that_alone_is_chosen_has_as_many_products_as_are_shown() -> None:
    """Search counts it among others, some of which are nearer, and leaves out what is far from the best of them."""
    brands = [FacetValue("A", "A", 2), FacetValue("B", "B", 2)]
    prices = [FacetValue("20-50", "", 1, price_from="20", price_to="50")]
    counted = {"category": TREE, "brand": brands, "price": prices}

    def counts(query: str) -> dict[str, int]:
        facets = navigation.facets(counted, asked(query), 7)
        return {choice.label: choice.count for facet in facets.values() for choice in facet.shown}

    alone = counts("q=x&category=tools&brand=A&price_min=20&price_max=49.99")
    assert alone == {
        "Garden": 4,
        "Tools": 7,
        "Power tools": 6,
        "Hand tools": 3,
        "A": 7,
        "B": 2,
        "€20 – €50": 7,
    }
    several = counts("q=x&category=tools&category=garden&brand=A&brand=B")
    assert (several["Tools"], several["A"], several["B"]) == (9, 2, 2)


def test_a_range_of_prices_is_open_above() -> None:
    price = FacetValue("20-50", "", 1, price_from="20", price_to="50")
    first = FacetValue("0-20", "", 1, price_from="0", price_to="20")
    last = FacetValue("50-", "", 1, price_from="50")
    choices = navigation.facets({"price": [first, price, last]}, {}, 9)["price"].shown
    assert [choice.url for choice in choices] == [
        "/?price_max=19.99",
        "/?price_min=20&price_max=49.99",
        "/?price_min=50",
    ]
    assert [choice.label for choice in choices] == ["Up to €20", "€20 – €50", "€50 and more"]


def test_the_tree_unfolds_along_what_is_chosen() -> None:
    def labels(query: str) -> list[str]:
        return [
            choice.label
            for choice in navigation.facets({"category": TREE}, asked(query), 9)["category"].shown
        ]

    assert labels("") == ["Garden", "Tools"]
    assert labels("category=tools") == ["Garden", "Tools", "Power tools", "Hand tools"]
    assert labels("category=drills") == ["Garden", "Tools", "Power tools", "Drills", "Saws", "Hand tools"]


def test_a_tree_with_one_top_is_unfolded() -> None:
    facets = navigation.facets({"category": TREE[2:]}, {}, 9)
    assert [choice.label for choice in facets["category"].shown] == ["Tools", "Power tools", "Hand tools"]


def test_a_chosen_brand_never_hides_behind_more() -> None:
    brands = [FacetValue(f"B{n}", f"B{n}", 20 - n) for n in range(12)]
    facet = navigation.facets({"brand": brands}, asked("brand=B11"), 9)["brand"]
    assert facet.shown[0].label == "B11"
    assert len(facet.shown) + len(facet.more) == 12


def test_values_of_attributes_add_up_and_take_themselves_away() -> None:
    given = asked("q=x&attribute=colour:red&attribute=max_volt:18%20V&page=2")
    counted = {
        "brand": [FacetValue("A", "A", 2)],
        "colour": [FacetValue("blue", "blue", 3), FacetValue("red", "red", 2, selected=True)],
        "max_volt": [
            FacetValue("18 V", "18 V", 2, selected=True),
            FacetValue("12 V", "12 V", 1, selected=True),
        ],
        "new": [FacetValue("true", "true", 1), FacetValue("false", "false", 1)],
        "empty": [],
    }
    colour, volt, new = navigation.attribute_facets(counted, given, 7)
    assert (colour.title, volt.title, new.title) == ("Colour", "Max volt", "New")
    assert [(choice.label, choice.count, choice.url) for choice in colour.shown] == [
        ("red", 7, "/?q=x&attribute=max_volt%3A18+V"),
        ("blue", 3, "/?q=x&attribute=colour%3Ared&attribute=max_volt%3A18+V&attribute=colour%3Ablue"),
    ]
    assert [choice.count for choice in volt.shown] == [2, 1]  # two are chosen
    assert [choice.label for choice in new.shown] == ["Yes", "No"]


def test_a_chosen_value_never_hides_behind_more() -> None:
    values = [FacetValue(f"v{number}", "", 9, selected=number == 11) for number in range(12)]
    (facet,) = navigation.attribute_facets({"size": values}, {}, 9)
    assert facet.shown[0].label == "v11"
    assert (len(facet.shown), len(facet.more)) == (6, 6)


def test_blanks_around_a_value_belong_to_it() -> None:
    assert asked("attribute=colour:red+&attribute=+&brand=+A+") == {
        "attribute": ["colour:red "],
        "brand": ["A"],
    }


def test_every_filter_in_force_has_a_chip_that_removes_it_alone() -> None:
    given = asked("q=x&category=tools&brand=A&brand=B&price_max=50&attribute=new:true&attribute=new:false")
    filters = Filters(
        ("tools",), ("A", "B"), price_max=Decimal("50"), attributes=(("new", ("true", "false")),)
    )
    chips = navigation.chips(given, filters, {"tools": "Tools"})
    assert [(chip.kind, chip.label) for chip in chips] == [
        ("Category", "Tools"),
        ("Brand", "A"),
        ("Brand", "B"),
        ("Filter", "New: Yes"),
        ("Filter", "New: No"),
        ("Price", "Up to €50"),
    ]
    others = "&attribute=new%3Atrue&attribute=new%3Afalse"
    assert chips[1].url == f"/?q=x&category=tools&brand=B&price_max=50{others}"
    assert chips[3].url == "/?q=x&category=tools&brand=A&brand=B&price_max=50&attribute=new%3Afalse"
    assert chips[5].url == f"/?q=x&category=tools&brand=A&brand=B{others}"


def test_pages_link_to_their_neighbours() -> None:
    pages = navigation.pages(result(100, page=2), asked("q=x&page=2"))
    assert (pages.previous, pages.next, pages.last) == ("/?q=x", "/?q=x&page=3", 5)
    assert [link.number for link in pages.links if link.current] == [2]


def test_no_page_link_leads_deeper_than_search_goes() -> None:
    pages = navigation.pages(result(50_000, page=50), asked("q=x&page=50"))
    assert (pages.last, pages.next) == (50, "")
    assert [link.number for link in pages.links] == [1, None, 49, 50]


def test_a_page_beyond_the_last_leads_back() -> None:
    pages = navigation.pages(result(30, page=9), asked("q=x&page=9"))
    assert (pages.current, pages.last, pages.links[0].url) == (9, 2, "/?q=x")
    assert not any(link.current for link in pages.links)
