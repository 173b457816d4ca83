"""The catalogue's words, counted."""

from typing import Any

import pytest

from embeddings import upkeep
from search.models import Term
from search.terms import terms_age


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
