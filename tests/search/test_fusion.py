"""Fusion, cut-off and the category prior, on plain values."""

import numpy as np
import pytest

from search import fusion


def test_convex_fusion_weighs_both_scores() -> None:
    assert fusion.convex(np.array([1.0, 0.5]), np.array([0.0, 1.0]), 0.6).tolist() == pytest.approx(
        [0.6, 0.7]
    )


def test_among_what_is_near_enough_in_meaning_words_decide() -> None:
    semantic, keyword = np.array([0.6, 0.56, 0.3]), np.array([0.8, 0.9, 0.9])
    scores = fusion.hybrid(semantic, keyword, 0.7, 0.25)
    assert scores.argsort()[::-1].tolist() == [1, 0, 2]
    assert fusion.hybrid(semantic, np.full(3, 0.9), 0.7, 0.25).argsort()[::-1].tolist() == [0, 1, 2]


def test_where_no_product_has_a_word_every_difference_in_meaning_counts() -> None:
    semantic = np.array([0.6, 0.59, 0.3])
    assert fusion.levelled(semantic, np.zeros(3), 0.25).tolist() == pytest.approx(semantic.tolist())
    assert fusion.levelled(np.array([]), np.array([]), 0.25).tolist() == []


def test_what_is_hardly_near_at_all_is_not_levelled() -> None:
    semantic = np.array([0.2, 0.1])
    assert fusion.levelled(semantic, np.ones(2), 0.25).tolist() == pytest.approx(semantic.tolist())


def test_half_of_the_words_is_worth_less_than_half() -> None:
    half, all_of_them = fusion.hybrid(np.zeros(2), np.array([0.5, 1.0]), 0.7, 0.25)
    assert 0 < half < all_of_them / 2


def test_a_product_without_a_vector_is_judged_by_its_words() -> None:
    unknown, known = fusion.hybrid(np.array([np.nan, 0.8]), np.array([1.0, 0.0]), 0.7, 0.3)
    assert unknown == pytest.approx(1.0)
    assert known == pytest.approx(0.7 * (0.69 + fusion.LEAST_SLOPE * 0.11))
    assert not np.isnan(fusion.hybrid(np.array([np.nan]), np.array([0.5]), 0.7, 0.25)).any()


def test_rank_fusion_of_the_first_in_both_is_one() -> None:
    ids = np.array([7, 8, 9])
    scores = fusion.reciprocal_rank([fusion.ranks(ids, np.array(one)) for one in ([7, 8], [7, 9])])
    assert scores[0] == pytest.approx(1.0)
    assert scores[1] == scores[2] < 0.5


def test_what_a_ranking_lacks_has_no_rank() -> None:
    wanted = np.array([5, 7, 6])
    assert fusion.ranks(wanted, np.array([7, 9, 5])).tolist() == [3, 1, 0]
    assert fusion.ranks(wanted, np.array([], dtype=np.int64)).tolist() == [0, 0, 0]
    assert fusion.reciprocal_rank([fusion.ranks(wanted, np.array([7]))]).tolist() == [0, 1, 0]


def test_bm25_is_scaled_by_the_most_it_can_give() -> None:
    assert fusion.normalise_keyword(np.array([0.0, 2.0, 9.0]), 4.0).tolist() == [0.0, 0.5, 1.0]
    assert fusion.normalise_keyword(np.array([3.0]), 0.0).tolist() == [0.0]


def test_the_cut_off_is_relative_to_the_best_and_drops_zero() -> None:
    scores = np.array([0.9, 0.5, 0.44, 0.0])
    assert fusion.cut(scores, 0.5, 0.0, scores).tolist() == [True, True, False, False]
    assert fusion.cut(scores, 0.0, 0.6, scores).tolist() == [True, False, False, False]
    assert fusion.cut(scores, 0.5, 0.0, scores[1:]).tolist() == [True, True, True, False]
    assert fusion.cut(np.array([]), 0.5, 0.0, np.array([])).tolist() == []


def test_products_of_the_prevailing_category_are_lifted() -> None:
    scores = fusion.with_category_prior(np.array([0.5, 0.49, 0.495]), np.array([1, 1, 2]), 0.1)
    assert scores.argsort()[::-1].tolist() == [0, 1, 2]
    assert scores.max() <= 1
    unchanged = fusion.with_category_prior(np.array([0.5]), np.array([0]), 0.1)
    assert unchanged[0] == pytest.approx(0.5 / 1.1)


@pytest.mark.parametrize("highest", [50, 100_000, fusion.HIGHEST_IN_A_TABLE + 50])
@pytest.mark.parametrize(("wanted", "keys"), [(0, 0), (0, 3), (3, 0), (1, 1), (40, 25), (25, 40)])
@pytest.mark.parametrize("left_in_memory", [0, 1, 2**32 - 1])
def test_keys_are_found_where_they_stand(
    wanted: int, keys: int, highest: int, left_in_memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(wanted)
    ids = highest - 49 + random.permutation(50)
    among, looked_for = ids[:keys], random.permutation(ids)[:wanted]
    stands_at = {key: place for place, key in enumerate(among.tolist())}
    with monkeypatch.context() as patch:
        patch.setattr(np, "empty", lambda size, dtype: np.full(size, left_in_memory, dtype=dtype))
        found = fusion.places(looked_for, among)
    assert found.tolist() == [stands_at.get(key, -1) for key in looked_for.tolist()]
