"""Staff's synonyms, found by the words of a query."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from search.lexical_query import Run
from search.merchandising.rules import Entry, text_key


class Meaning(NamedTuple):
    """What a synonym has some words of a query mean."""

    text: str
    synonym_id: int  # 0: not saved yet


class Synonyms:
    """Synonyms by their terms: as written, and in other forms of the same words. Never changed."""

    def __init__(self, entries: Iterable[Entry], form_of: Callable[[str], str]) -> None:
        """`form_of` tells what the forms of a word have in common: “laptop” of “laptops”."""
        self._as_written: dict[str, list[Meaning]] = defaultdict(list)
        for term, means, both_ways, synonym_id in entries:
            self._as_written[text_key(term)].append(Meaning(means, synonym_id))
            if both_ways:
                self._as_written[text_key(means)].append(Meaning(term, synonym_id))
        self._by_form: dict[str, list[Meaning]] = defaultdict(list)
        for term, meanings in self._as_written.items():
            self._by_form[" ".join(map(form_of, term.split()))] += meanings
        self._longest = max((key.count(" ") + 1 for key in (*self._as_written, *self._by_form)), default=0)

    def meanings(self, words: Sequence[str], form_of: Callable[[str], str]) -> dict[Run, list[Meaning]]:
        """What runs of a query's words mean. A term with the very words goes before those with other forms of them."""
        if not self._longest:
            return {}
        found = _runs([form_of(word) for word in words], self._by_form, self._longest)
        return found | _runs([text_key(word) for word in words], self._as_written, self._longest)


def _runs(
    words: Sequence[str], meanings: Mapping[str, list[Meaning]], longest: int
) -> dict[Run, list[Meaning]]:
    return {
        (start, end): meanings[term]
        for start in range(len(words))
        for end in range(start + 1, min(start + longest, len(words)) + 1)
        if (term := " ".join(words[start:end])) in meanings
    }
