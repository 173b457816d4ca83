"""What staff decide about search: synonyms, and rules that curate results."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pgtrigger
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from catalog.models import Category, Product
from catalog.texts import text_problem
from search.merchandising import rules
from search.merchandising.querysets import CurationRuleQuerySet
from search.merchandising.rules import Action, Rule, Target, text_key
from search.parsing import parse

MAX_POSITION = 100
STRONGEST = 10.0
WEAKEST = 0.01
DEFAULT_BOOST = 2.0
DEFAULT_BURY = 0.5


def note_change(table: str) -> pgtrigger.Trigger:
    """A trigger by which every writer, raw SQL and cascades included, tells web processes that the book is old.

    Writers wait for each other at the one row, so that the times come in the order of the commits.
    """
    return pgtrigger.Trigger(
        name=f"{table}_changes_rulebook",
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
        func="""
            INSERT INTO search_rulebookchange AS c (id, changed_at) VALUES (1, clock_timestamp())
            ON CONFLICT (id) DO UPDATE SET changed_at = clock_timestamp();
            RETURN NULL;
        """,
    )


def refuse_unstorable(**texts: str) -> None:
    """Raise ValidationError for texts that PostgreSQL cannot store, by field."""
    problems = {
        field: f"The text {problem}." for field, text in texts.items() if (problem := text_problem(text))
    }
    if problems:
        raise ValidationError(problems)


def refuse_empty_words(**texts: str) -> None:
    """Raise ValidationError for texts in which there is nothing to search for, by field; none at all is no text."""
    empty = [field for field, text in texts.items() if text and not any(map(str.isalnum, text))]
    if empty:
        raise ValidationError(dict.fromkeys(empty, "There is no letter and no digit in it. Type a word."))


def refuse_exclusions(query: str) -> None:
    """Raise ValidationError for a query that excludes something, for rules are found by what is left."""
    excluded = parse(query).excluded
    if excluded:
        raise ValidationError(
            {
                "query": f"“-{excluded[0]}” excludes something, and a rule is found only by what customers look for. "
                "Leave it out, or type it without the minus."
            }
        )


class RulebookChange(models.Model):
    """One row: when a rule or a synonym was last written, by whatever way."""

    ONLY_ROW = 1

    changed_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    @classmethod
    def wait_for_turn(cls) -> None:
        """Let whoever is writing finish, and keep others waiting until this transaction ends.

        What is checked from here on still holds when it is written.
        """
        cls.objects.select_for_update().get_or_create(
            pk=cls.ONLY_ROW, defaults={"changed_at": timezone.now()}
        )


class Synonym(models.Model):
    """Words that staff say mean the same: a query with one of them finds the other."""

    term = models.CharField(
        max_length=100,
        help_text="What customers type, such as “telly”. Several words are found where they follow each other.",
    )
    means = models.CharField(max_length=100, help_text="What the catalogue calls it, such as “television”.")
    both_ways = models.BooleanField(
        default=True,
        help_text="Also find the first for the second. Leave this out where the second is wider: somebody who types "
        "“ultrabook” means a laptop, but not everybody who types “laptop” means an ultrabook.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("term"),
                Lower("means"),
                name="synonym_unique",
                violation_error_message="There is this synonym already.",
            ),
            models.CheckConstraint(
                condition=~Q(term__iexact=models.F("means")),
                name="synonym_not_of_itself",
                violation_error_message="A word is no synonym of itself.",
            ),
            models.CheckConstraint(
                condition=~Q(term__regex=r"^\s*$") & ~Q(means__regex=r"^\s*$"), name="synonym_not_blank"
            ),
        ]
        triggers = [note_change("synonym")]

    def __str__(self) -> str:
        return f"{self.term} {'=' if self.both_ways else '→'} {self.means}"

    def clean(self) -> None:
        """Refuse what would say nothing new, written in another way."""
        refuse_unstorable(term=self.term, means=self.means)
        refuse_empty_words(term=self.term, means=self.means)
        self.term, self.means = " ".join(self.term.split()), " ".join(self.means.split())
        if self.term and text_key(self.term) == text_key(self.means):
            raise ValidationError({"means": "Search takes these for the same word already."})
        mirrored = Synonym.objects.exclude(pk=self.pk).filter(
            term__iexact=self.means, means__iexact=self.term, both_ways=True
        )
        if mirrored.exists():
            raise ValidationError(
                "The synonym the other way round, which works both ways, says this already."
            )


class CurationRule(models.Model):
    """What is done to the results of a query, of a category, or of a query within a category."""

    class Match(models.TextChoices):
        """How the words are compared."""

        EXACT = rules.Match.EXACT.value, "is exactly"
        CONTAINS = rules.Match.CONTAINS.value, "contains the words"

    class State(models.TextChoices):
        """How a rule stands at this moment; follows from the switch and the times."""

        ACTIVE = "active", "Active now"
        SCHEDULED = "scheduled", "Scheduled"
        EXPIRED = "expired", "Expired"
        OFF = "off", "Off"

    name = models.CharField(
        max_length=120,
        help_text="For you and your colleagues. Explanations of results show it, to visitors too.",
    )
    note = models.TextField(
        blank=True, default="", max_length=2000, help_text="Why it is there. Only staff see this."
    )
    query = models.CharField(
        max_length=200,
        blank=True,
        default="",
        help_text="What customers type; case, accents, punctuation and the number of spaces do not matter. Leave it "
        "empty for a rule about a category alone.",
    )
    match = models.CharField(
        max_length=10,
        choices=Match.choices,
        default=Match.EXACT,
        help_text="“Contains the words” holds when a query has all of these words, in any order. Where the query is "
        "empty, “is exactly” is for browsing the category without typing anything, “contains the words” also for "
        "everything that is searched within it.",
    )
    category = models.ForeignKey(
        Category,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="curation_rules",
        help_text="Only where customers filter by this very category.",
    )
    valid_from = models.DateTimeField(null=True, blank=True, help_text="Empty: at once.")
    valid_to = models.DateTimeField("valid until", null=True, blank=True, help_text="Empty: without an end.")
    is_active = models.BooleanField("switched on", default=True)
    priority = models.SmallIntegerField(
        default=0,
        help_text="Where two rules want the same position, the one with the higher number has it, the other one the "
        "next free position.",
    )

    objects = CurationRuleQuerySet.as_manager()

    class Meta:
        verbose_name = "curation rule"
        ordering = ["-priority", "id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(query="") | Q(category__isnull=False),
                name="curation_rule_has_trigger",
                violation_error_message="Say for which query or for which category the rule is.",
            ),
            models.CheckConstraint(
                condition=Q(valid_from__isnull=True)
                | Q(valid_to__isnull=True)
                | Q(valid_from__lt=models.F("valid_to")),
                name="curation_rule_ends_after_it_begins",
                violation_error_message="The rule must end after it begins.",
            ),
            models.CheckConstraint(condition=Q(match__in=["exact", "contains"]), name="curation_rule_match"),
            models.CheckConstraint(condition=~Q(name__regex=r"^\s*$"), name="curation_rule_name_not_blank"),
        ]
        triggers = [note_change("curationrule")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Bring the query into one line. Raises ValidationError for a text that cannot be stored or never applies."""
        refuse_unstorable(name=self.name, note=self.note, query=self.query)
        refuse_empty_words(query=self.query)
        refuse_exclusions(self.query)
        self.query = " ".join(self.query.split())

    def get_state(self, now: datetime | None = None) -> "CurationRule.State":
        """How it stands; the same rule as `CurationRuleQuerySet.in_state`."""
        now = now or timezone.now()
        if not self.is_active:
            return self.State.OFF
        if self.valid_to is not None and self.valid_to <= now:
            return self.State.EXPIRED
        if self.valid_from is not None and self.valid_from > now:
            return self.State.SCHEDULED
        return self.State.ACTIVE

    def as_rule(self, actions: Iterable[Action]) -> Rule:
        """The plain value that search works with."""
        return Rule(
            id=self.pk or 0,
            name=self.name,
            key=text_key(self.query),
            match=rules.Match(self.match),
            category_id=self.category_id,
            starts=self.valid_from.timestamp() if self.valid_from else float("-inf"),
            ends=self.valid_to.timestamp() if self.valid_to else float("inf"),
            priority=self.priority,
            actions=tuple(actions),
        )


class CurationAction(models.Model):
    """One thing that a rule does."""

    class Kind(models.TextChoices):
        """What is done."""

        PIN = rules.Kind.PIN.value, "Pin to a position"
        BOOST = rules.Kind.BOOST.value, "Boost"
        BURY = rules.Kind.BURY.value, "Bury"
        HIDE = rules.Kind.HIDE.value, "Hide"

    rule = models.ForeignKey(CurationRule, on_delete=models.CASCADE, related_name="actions")
    kind = models.CharField("action", max_length=5, choices=Kind.choices, default=Kind.PIN)
    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, null=True, blank=True, related_name="curation_actions"
    )
    category = models.ForeignKey(
        Category,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="curation_actions",
        help_text="With everything below it.",
    )
    brand = models.CharField(max_length=120, blank=True, default="", help_text="Exactly as products have it.")
    position = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_POSITION)],
        help_text=f"Of a pin: 1 is the first place, {MAX_POSITION} the last.",
    )
    factor = models.FloatField(
        "strength",
        null=True,
        blank=True,
        validators=[MinValueValidator(WEAKEST), MaxValueValidator(STRONGEST)],
        help_text=f"The score is multiplied by it: above 1 for a boost (empty: {DEFAULT_BOOST:g}), below 1 for a bury "
        f"(empty: {DEFAULT_BURY:g}).",
    )

    class Meta:
        verbose_name = "action"
        ordering = ["id"]
        constraints = [
            # Deferred, so that two pins can change places in one save.
            models.UniqueConstraint(
                fields=["rule", "position"],
                name="curation_action_position_unique",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.CheckConstraint(
                # What is compared must be there: a check that comes out as NULL lets the row in.
                condition=Q(
                    kind="pin",
                    product__isnull=False,
                    position__isnull=False,
                    position__range=(1, MAX_POSITION),
                    factor=None,
                )
                | Q(kind="boost", position=None, factor__isnull=False, factor__gt=1, factor__lte=STRONGEST)
                | Q(kind="bury", position=None, factor__isnull=False, factor__gte=WEAKEST, factor__lt=1)
                | Q(kind="hide", position=None, factor=None),
                name="curation_action_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(product__isnull=False, category=None, brand="")
                | Q(product=None, category__isnull=False, brand="")
                | (Q(product=None, category=None) & ~Q(brand="")),
                name="curation_action_has_one_target",
            ),
        ]
        triggers = [note_change("curationaction")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.product or self.category or self.brand}"

    def clean(self) -> None:
        """Fill in the usual strength, drop what does not belong to the kind; say in words what is missing."""
        refuse_unstorable(brand=self.brand)
        errors: dict[str, Any] = {}
        chosen = [name for name in ("product", "category") if getattr(self, f"{name}_id") is not None]
        chosen += ["brand"] if self.brand else []
        if len(chosen) != 1:
            errors["product"] = "Choose one: a product, a category or a brand."
        elif self.kind == self.Kind.PIN and chosen != ["product"]:
            errors["product"] = "Only a product can be pinned."
        if self.kind == self.Kind.PIN:
            self.factor = None
            if self.position is None:
                errors["position"] = "Say to which position."
        else:
            self.position = None
            errors |= self._clean_factor()
        if errors:
            raise ValidationError(errors)

    def _clean_factor(self) -> dict[str, str]:
        if self.kind == self.Kind.HIDE:
            self.factor = None
        elif self.kind == self.Kind.BOOST:
            self.factor = DEFAULT_BOOST if self.factor is None else self.factor
            if not 1 < self.factor <= STRONGEST:
                return {"factor": f"A boost is above 1, and {STRONGEST:g} at most."}
        elif self.kind == self.Kind.BURY:
            self.factor = DEFAULT_BURY if self.factor is None else self.factor
            if not WEAKEST <= self.factor < 1:
                return {"factor": f"A bury is below 1, and {WEAKEST:g} at least."}
        return {}

    def as_action(self) -> Action:
        """The plain value that search works with."""
        return action_of(self.kind, self.product_id, self.category_id, self.brand, self.position, self.factor)


def action_of(
    kind: str,
    product_id: int | None,
    category_id: int | None,
    brand: str,
    position: int | None,
    factor: float | None,
) -> Action:
    """The plain value of an action's columns."""
    if product_id is not None:
        target = Target("product", product_id)
    elif category_id is not None:
        target = Target("category", category_id)
    else:
        target = Target("brand", brand)
    return Action(rules.Kind(kind), target, position, 1.0 if factor is None else factor)


class Use(models.Model):
    """How often something was used; a row of its own, so that counting never meets an edit.

    Without a foreign key in the database: a count that comes late must not keep anything from being deleted.
    """

    searches = models.BigIntegerField(default=0)
    last_used_at = models.DateTimeField()

    class Meta:
        abstract = True
        default_permissions = ()


class CurationUse(Use):
    """How often a rule was used."""

    rule = models.OneToOneField(
        CurationRule, on_delete=models.CASCADE, primary_key=True, related_name="use", db_constraint=False
    )


class SynonymUse(Use):
    """How often a synonym was used."""

    synonym = models.OneToOneField(
        Synonym, on_delete=models.CASCADE, primary_key=True, related_name="use", db_constraint=False
    )
