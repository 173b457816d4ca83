"""The rulebook as this process last read it.

Every write to a rule or a synonym moves one row's time (see models). A process looks at that row at most once in
FRESH_FOR_S, when it is asked, and reads the book again only where the time has moved: a saved rule is live everywhere
about a second later, and searches between two looks cost nothing.
"""

import threading
import time
from collections import defaultdict
from typing import Any

from django.db.models.signals import post_delete, post_save
from django.utils import timezone

from search.merchandising.models import CurationAction, CurationRule, Synonym, action_of
from search.merchandising.rules import Action, Entry, Rulebook
from search.statements import fetch

FRESH_FOR_S = 1.0

_CHANGED_SQL = "SELECT changed_at FROM search_rulebookchange"


class _Shelf:
    """The book, and until when it need not be looked after."""

    def __init__(self) -> None:
        self.book: Rulebook | None = None
        self.changed: object = None
        self.fresh_until = float("-inf")
        self.lock = threading.Lock()


_shelf = _Shelf()


def current() -> Rulebook:
    """What staff have saved, as it was at most about FRESH_FOR_S ago.

    While one thread looks, the others go on with the book they have.
    """
    book = _shelf.book
    if book is not None and (time.monotonic() < _shelf.fresh_until or _shelf.lock.locked()):
        return book
    with _shelf.lock:
        return _look()


def forget(**_: Any) -> None:
    """Read the book anew on the next question."""
    _shelf.book = None


def read() -> Rulebook:
    """The book as it stands in the database now."""
    rules = CurationRule.objects.not_over(timezone.now())
    actions: dict[int, list[Action]] = defaultdict(list)
    columns = ("rule_id", "kind", "product_id", "category_id", "brand", "position", "factor")
    rows = CurationAction.objects.filter(rule__in=rules).order_by("pk")
    for rule_id, *values in rows.values_list(*columns):
        actions[rule_id].append(action_of(*values))
    synonyms = map(Entry._make, Synonym.objects.order_by("pk").values_list(*Entry._fields))
    return Rulebook((rule.as_rule(actions[rule.pk]) for rule in rules), synonyms)


def _look() -> Rulebook:
    # First the time, then the book: what is written in between is read once more at the next look.
    began = time.monotonic()
    book = _shelf.book
    if book is not None and began < _shelf.fresh_until:
        return book  # whoever had the lock before has just looked
    changed = fetch(_CHANGED_SQL)
    if book is None or changed != _shelf.changed:
        book = read()
    _shelf.book, _shelf.changed, _shelf.fresh_until = book, changed, began + FRESH_FOR_S
    return book


# Whoever saves sees it at once in this process, inside a transaction too.
for model in (Synonym, CurationRule, CurationAction):
    post_save.connect(forget, sender=model)
    post_delete.connect(forget, sender=model)
