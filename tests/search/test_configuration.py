"""A configuration that travels with a query decides its order, and the trace says how the answer came about."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from catalog.models import Product
from embeddings import model_registry, pipeline
from search import encoding, vector_cache
from search.configuration import Fusion, RankingConfiguration
from search.engine import plan_of, ranking_of, search_batch, search_products
from search.exceptions import EncodingUnavailableError
from search.neighbourhood import Neighbourhood
from search.query import Filters, Mode, SearchQuery
from search.ranking import rank
from search.scope import Scope, resolve
from search.trace import Route, stage, tracing

QUERY = "drill for concrete"
demo = [pytest.mark.django_db, pytest.mark.usefixtures("demo")]


def open_to_all(**values: Any) -> RankingConfiguration:
    """Nothing is cut off, so that only the order is left to differ."""
    wide = {"category_weight": 0.0, "cutoff": 0.0, "semantic_floor": -1.0, "semantic_depth": 1000}
    return replace(RankingConfiguration.from_settings(), **(wide | values))


def order(mode: Mode = Mode.HYBRID, **values: Any) -> list[int]:
    return ranking_of(SearchQuery(QUERY, mode, configuration=open_to_all(**values))).product_ids


class TestOnTheDemo:
    pytestmark = demo

    def test_without_one_the_settings_hold(self, settings: Any) -> None:
        asked = SearchQuery(QUERY, configuration=RankingConfiguration.from_settings())
        assert ranking_of(SearchQuery(QUERY)).product_ids == ranking_of(asked).product_ids
        settings.SEARCH_SEMANTIC_WEIGHT, settings.SEARCH_CUTOFF = 0.0, 0.0
        assert ranking_of(SearchQuery(QUERY)).product_ids != ranking_of(asked).product_ids

    def test_no_weight_of_meaning_is_the_order_of_words(self) -> None:
        words = order(Mode.KEYWORD)
        assert len(words) > 3
        assert order(semantic_weight=0.0) == words

    def test_all_weight_of_meaning_is_the_order_of_meaning(self) -> None:
        meaning = order(Mode.SEMANTIC)
        assert len(meaning) > 20
        assert order(semantic_weight=1.0) == meaning
        assert meaning != order(semantic_weight=0.5) != order(semantic_weight=0.0)

    def test_every_other_value_counts(self) -> None:
        usual = order()
        assert len(order(semantic_depth=3)) < len(usual)
        assert len(order(semantic_floor=0.3)) < len(usual)
        assert len(order(cutoff=0.5)) < len(usual)
        assert order(fusion=Fusion.RRF) != usual
        assert order(category_weight=1.0) != usual

    @pytest.mark.parametrize(
        ("text", "least"),
        [("zzzz or qqqq", 40), ("headphones", 21), ("for", 20)],
        ids=["none", "some", "many"],
    )
    def test_meaning_brings_less_where_words_bring_some(self, text: str, least: int) -> None:
        deep = open_to_all(semantic_depth=40)
        worded = len(ranking_of(SearchQuery(text, Mode.KEYWORD, configuration=deep)).keyword_order)
        found = ranking_of(SearchQuery(text, configuration=deep))
        assert len(found.semantic_order) == max(20, 40 - worded) >= least
        by_rank = replace(deep, fusion=Fusion.RRF)
        assert len(ranking_of(SearchQuery(text, configuration=by_rank)).semantic_order) == 40
        assert len(ranking_of(SearchQuery(text, Mode.SEMANTIC, configuration=deep)).semantic_order) == 40

    def test_each_set_of_a_search_is_as_deep_as_its_own_words_leave_it(self) -> None:
        deep = open_to_all(semantic_depth=40)
        cheap = Filters(price_max=Decimal(30))
        wide, narrow = rank(plan_of(SearchQuery("hammer", configuration=deep)), [Scope(), resolve(cheap)])
        assert len(narrow.keyword_order) < len(wide.keyword_order) < 20
        for found in (wide, narrow):
            assert len(found.semantic_order) == max(20, 40 - len(found.keyword_order))

    @pytest.mark.parametrize(
        ("asked", "is_believed"),
        [
            ({}, True),
            ({"fusion": Fusion.RRF}, False),
            ({"semantic_depth": 30}, False),
            ({"mode": Mode.SEMANTIC}, False),
        ],
        ids=["words bring enough", "by rank", "they bring too few", "meaning alone"],
    )
    def test_a_walk_is_believed_where_words_bring_enough(
        self, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], is_believed: bool
    ) -> None:
        checked: list[Scope] = []
        monkeypatch.setattr(Neighbourhood, "passed_by", lambda _, scope, *__: checked.append(scope) or 0)
        mode = asked.pop("mode", Mode.HYBRID)
        configuration = open_to_all(**({"semantic_depth": 3} | asked))
        assert ranking_of(SearchQuery("drill", mode, configuration=configuration)).product_ids
        assert bool(checked) is not is_believed

    def test_the_fusion_of_a_query_goes_before_its_configuration(self) -> None:
        asked = SearchQuery(QUERY, fusion=Fusion.RRF, configuration=open_to_all())
        assert ranking_of(asked).product_ids == order(fusion=Fusion.RRF)

    def test_the_route_and_the_stages_are_told(self) -> None:
        vector_cache.forget()  # so that there is something to encode
        result = search_products(SearchQuery(QUERY, facets=("category",), explain=True))
        assert result.trace is not None
        assert result.trace.route is Route.INDEX
        wanted = {
            "encode",
            "words",
            "keyword",
            "semantic",
            "scores",
            "fusion",
            "hydrate",
            "explain",
            "facets",
        }
        assert wanted <= result.trace.stages_ms.keys()
        # The query is encoded beside the others.
        assert 0 < result.trace.stages_ms.pop("encode") <= result.timings_ms["total"]
        assert all(ms > 0 for ms in result.trace.stages_ms.values())
        assert sum(result.trace.stages_ms.values()) <= result.timings_ms["total"]

    def test_a_narrow_filter_is_compared_row_by_row_whatever_its_facets_do(self) -> None:
        filters = Filters(categories=("power-tools",))
        result = search_products(SearchQuery(QUERY, filters=filters, facets=("category",), explain=True))
        assert result.trace is not None
        assert result.trace.route is Route.EXACT

    def test_a_walk_that_comes_back_short_is_told(self, settings: Any) -> None:
        settings.SEARCH_EXACT_ROWS = 0
        brand = Product.objects.exclude(brand="").values_list("brand", flat=True)[0]
        result = search_products(SearchQuery(QUERY, filters=Filters(brands=(brand,)), explain=True))
        assert result.trace is not None
        assert result.trace.route is Route.FALLBACK

    def test_words_alone_take_no_route(self) -> None:
        result = search_products(SearchQuery(QUERY, Mode.KEYWORD, explain=True))
        assert result.trace is not None
        assert result.trace.route is None

    def test_nobody_is_traced_who_does_not_ask(self) -> None:
        assert search_products(SearchQuery(QUERY)).trace is None

    def test_a_model_that_is_gone_is_no_answer_to_who_measures(self) -> None:
        gone = SearchQuery(QUERY, configuration=open_to_all(model_id=999))
        assert search_products(gone).degraded
        with pytest.raises(EncodingUnavailableError, match="retired or removed"):
            ranking_of(gone)


def test_stages_add_up_and_inner_ones_belong_to_outer_ones() -> None:
    with tracing() as trace:
        for _ in range(2):
            with stage("outer"), stage("inner"):
                pass
    assert list(trace.stages_ms) == ["outer"]
    with stage("outer"):
        pass
    assert list(trace.stages_ms) == ["outer"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("own_indexes")
def test_a_query_may_ask_a_model_that_is_not_the_active_one(
    make_product: Any,
    tiny_path: str,
) -> None:
    for name in ("Claw hammer", "Kitchen knife", "Cordless drill", "Red wool shirt", "Steel kettle"):
        make_product(name)
    tiny = model_registry.add_model(tiny_path)
    pipeline.drain()
    encoding.warm_up()
    encoding.load_beside(tiny, 60.0)
    usual = SearchQuery("warm red thing", Mode.SEMANTIC, configuration=open_to_all())
    other = replace(usual, configuration=open_to_all(model_id=tiny.pk))
    ours, theirs = search_batch([usual, other])
    assert ours.degraded is theirs.degraded is False
    assert [hit.score for hit in ours.hits] != [hit.score for hit in theirs.hits]
    model_registry.activate_model(tiny, force=True)
    now = search_products(usual)
    assert [hit.score for hit in now.hits] == [hit.score for hit in theirs.hits]
