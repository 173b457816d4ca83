"""Which products a query's words find, so that few are scored that cannot be among the best."""

import math
from collections.abc import Sequence

from search.lexical_query import Group, LexicalQuery, documents_of, phrase_sql
from search.scope import Condition
from search.terms import BEST_KEPT

# Products that words find by themselves; more common words find those that have all of these, and else only add to the
# score. Where rare words find next to nothing, a common one may find more. A budget of 3,000 finds no more of what is
# relevant (docs/relevance.md).
CANDIDATE_BUDGET = 1_000
NEXT_TO_NOTHING = 200
# Where words find so few, there is but one good way to look for them.
FEW_CANDIDATES = 3_000
# The best of a word, and what has another one too, are scored instead of all that has it where they are expected to be
# at most such a share of it: to find them the index reads the long lists of the others, and the table by many ids.
PARTING_SHARE = 0.65
# What came since the best of each very common word were found may be among them; at most so many are looked at.
NEWEST = 1_000

_BEST_SQL = (
    "p.id = ANY(ARRAY(SELECT unnest(t.best_product_ids) FROM search_term AS t WHERE t.lexeme = %s))"
    " OR p.id = ANY(ARRAY(SELECT n.id FROM catalog_product AS n"
    " WHERE n.id > (SELECT s.newest_product_id FROM search_termstatistics AS s) ORDER BY n.id DESC LIMIT %s))"
)


def candidate_sql(groups: Sequence[Group], size: int) -> str:
    """The tsquery that finds candidates in a catalogue of `size` products: any rare word, or all the others together.

    A product that has only some of the others is outranked by those that have more of the query.
    """
    rare, others = _by_rarity(groups, size)
    return " | ".join([*(group.sql for group in rare), *_together(others)])


def most_candidates(query: LexicalQuery) -> int:
    """How many products the words may find; 0 where there are none."""
    rare, others = _by_rarity(query.groups, query.size)
    return sum(group.documents for group in [*rare, *others[:1]])


def _by_rarity(groups: Sequence[Group], size: int) -> tuple[list[Group], list[Group]]:
    """The words that find candidates by themselves, the rarest at least; and those that do so together, rarest first.

    Together only where they are several that are not expected to find too many, were they independent.
    """
    by_rarity = sorted(groups, key=lambda group: group.documents)
    alone, found = 0, 0
    for group in by_rarity:
        budget = FEW_CANDIDATES if found < NEXT_TO_NOTHING else CANDIDATE_BUDGET
        if alone and found + group.documents > budget:
            break
        alone, found = alone + 1, found + group.documents
    rare, others = by_rarity[:alone], by_rarity[alone:]
    together = size * math.prod(min(1.0, group.documents / size) for group in others)
    return rare, others if len(others) > 1 and together <= FEW_CANDIDATES else []


def best_candidates(query: LexicalQuery) -> Condition | None:
    """What finds the best products `p` in the whole catalogue where the rarest word is very common; None elsewhere.

    Of those that have the word, the ones that have another one, too, and the ones in which it weighs most or that are
    newer than that knowledge: they outrank the rest. Some of what is found may have lost its words since.
    """
    rare, others = _by_rarity(query.groups, query.size)
    if len(rare) != 1 or query.phrases:
        return None
    (rarest,) = rare
    beside = " | ".join(group.sql for group in query.groups if group is not rarest)
    if beside and not _is_worth_parting(rarest, query):
        return None
    known = [way[0] for way in rarest.ways if len(way) == 1 and way[0].has_best]
    unknown = [way for way in rarest.ways if way != known[:1]]
    # What has two common ways to write the word may be better than what is best for either.
    if not known or documents_of(unknown) > FEW_CANDIDATES:
        return None
    where = Condition(_BEST_SQL, (known[0].text, NEWEST))
    found = [*(f"({phrase_sql(way)})" for way in unknown), *_together(others)]
    if beside:
        found.append(f"({rarest.sql} & ({beside}))")
    if found:
        where = Condition(
            f"{where.sql} OR p.search_vector @@ %s::tsquery", (*where.params, " | ".join(found))
        )
    return Condition(f"({where.sql})", where.params)


def _is_worth_parting(rarest: Group, query: LexicalQuery) -> bool:
    """Whether few of the products with a word are expected to have another one too, were words independent."""
    lacking = math.prod(
        1.0 - min(1.0, group.documents / query.size) for group in query.groups if group is not rarest
    )
    return BEST_KEPT + rarest.documents * (1.0 - lacking) <= PARTING_SHARE * rarest.documents


def _together(groups: Sequence[Group]) -> list[str]:
    return ["(" + " & ".join(group.sql for group in groups) + ")"] if groups else []
