"""The catalogue's words, counted."""

from typing import Any

import pytest

from embeddings import upkeep
from search import terms
from search.analysis import analyse
from search.models import Term
from search.parsing import parse
from search.terms import refresh_terms, remembered, terms_age


@pytest.mark.django_db(transaction=True)
def test_the_worker_keeps_the_words_counted(make_product: Any, monkeypatch: Any) -> None:
    make_product("Rotary hammer")
    for chore in upkeep.CHORES:
        monkeypatch.setattr(chore, "due", 0.0)
    upkeep.mend()
    assert Term.objects.filter(lexeme="hammer").exists()
    age = terms_age()
    assert age is not None


def test_a_chore_rests_ten_times_as_long_as_it_takes(monkeypatch: Any) -> None:
    now = [100.0]
    monkeypatch.setattr(upkeep.time, "monotonic", lambda: now[0])
    done: list[float] = []

    def slow() -> None:
        done.append(now[0])
        now[0] += 5

    chore = upkeep.Chore(slow)
    chore.run()
    now[0] += 49
    chore.run()
    assert len(done) == 1
    now[0] += 1
    chore.run()
    assert len(done) == 2


@pytest.mark.django_db
@pytest.mark.usefixtures("steady")
def test_what_the_frequencies_say_of_a_word_is_remembered(
    make_product: Any, django_assert_num_queries: Any
) -> None:
    make_product("Hammer drill")
    refresh_terms()
    query = parse("hamer drill")
    first = analyse(query, "hamer drill")
    with django_assert_num_queries(0):
        assert analyse(query, "hamer drill") == first
    make_product("Hammer")
    refresh_terms()
    assert analyse(query, "hamer drill") != first


@pytest.mark.django_db
def test_words_are_remembered_until_they_are_counted_anew(
    make_product: Any, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_product("Hammer drill")
    refresh_terms()
    remembered()["hammer"] = 1
    monkeypatch.setattr(terms, "FREQUENCIES_LAST_S", -1.0)
    with django_assert_num_queries(1):  # it is seen that nobody has counted
        assert remembered() == {"hammer": 1}
    refresh_terms()
    with django_assert_num_queries(1):
        assert remembered() == {}


@pytest.mark.django_db
@pytest.mark.usefixtures("steady")
def test_a_memory_that_is_full_begins_anew_and_takes_nothing_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terms, "MOST_REMEMBERED", 2)
    full = remembered()
    full.update({"a": 1, "b": 2, "c": 3})
    assert remembered() == {}
    assert full["a"] == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("steady")
def test_before_words_are_counted_nothing_is_remembered(make_product: Any) -> None:
    make_product("Hammer drill")
    before = analyse(parse("drill"), "drill")
    Term.objects.create(lexeme="drill", documents=1)  # as the worker does, in another process
    after = analyse(parse("drill"), "drill")
    assert (before.groups[0].documents, after.groups[0].documents) == (0, 1)
