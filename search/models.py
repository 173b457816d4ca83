"""What search remembers between queries."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from search.analytics.models import SearchEvent, SearchLog
from search.lab.models import EvaluatedQuery, EvaluationRun, Judgment, JudgmentList, Lab
from search.merchandising.models import (
    CurationAction,
    CurationRule,
    CurationUse,
    RulebookChange,
    Synonym,
    SynonymUse,
)

__all__ = [
    "CurationAction",
    "CurationRule",
    "CurationUse",
    "EvaluatedQuery",
    "EvaluationRun",
    "Judgment",
    "JudgmentList",
    "Lab",
    "RulebookChange",
    "SearchEvent",
    "SearchLog",
    "Suggestion",
    "Synonym",
    "SynonymUse",
    "Term",
    "TermStatistics",
    "Word",
]


class Term(models.Model):
    """A lexeme of the keyword index and how many active products have it: what idf is made of."""

    lexeme = models.TextField(primary_key=True)
    documents = models.PositiveIntegerField()
    # Of very common ones, the products in which it weighs most, best first: to score all of them takes long.
    best_product_ids = ArrayField(models.BigIntegerField(), null=True)

    class Meta:
        indexes = [models.Index(fields=["lexeme"], opclasses=["text_pattern_ops"], name="term_prefix")]


class Word(models.Model):
    """A word as the catalogue spells it: what spelling is corrected to, and what completes a prefix."""

    word = models.TextField(primary_key=True)
    documents = models.PositiveIntegerField()
    # The word, and the word with any one letter left out: two words that share one of these are a typo apart.
    deletions = ArrayField(models.TextField(), default=list)

    class Meta:
        indexes = [
            models.Index(fields=["word"], opclasses=["text_pattern_ops"], name="word_prefix"),
            GinIndex(fields=["deletions"], name="word_deletions"),
        ]


class Suggestion(models.Model):
    """What may complete a growing query; made anew from the catalogue together with the terms."""

    class Kind(models.TextChoices):
        """What is suggested."""

        PHRASE = "phrase", "Phrase"
        CATEGORY = "category", "Category"
        BRAND = "brand", "Brand"
        PRODUCT = "product", "Product"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    key = models.TextField(help_text="The text as prefixes are compared: lower case, without accents.")
    text = models.TextField()
    target = models.TextField(blank=True, null=True)  # noqa: DJ001 - NULL: searches for the text itself
    product_id = models.BigIntegerField(null=True)
    documents = models.PositiveIntegerField()
    # Whether it is among those that one or two letters already suggest.
    is_frequent = models.BooleanField(default=False)
    # Of a product, the words of its name as they are written, also without the separators in them, and of its brand.
    words = SearchVectorField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "text", "product_id"], nulls_distinct=False, name="suggestion_unique"
            )
        ]
        indexes = [
            models.Index(
                fields=["kind", "key"],
                opclasses=["varchar_ops", "text_pattern_ops"],
                name="suggestion_prefix",
            ),
            models.Index(
                fields=["kind", "key"],
                opclasses=["varchar_ops", "text_pattern_ops"],
                name="suggestion_short_prefix",
                condition=models.Q(is_frequent=True),
            ),
            GinIndex(
                fields=["words"],
                name="suggestion_words",
                fastupdate=False,
                condition=models.Q(words__isnull=False),
            ),
        ]


class TermStatistics(models.Model):
    """One row: the size of the catalogue when the terms were counted, and when that was."""

    documents = models.PositiveIntegerField()
    refreshed_at = models.DateTimeField()
    # Writes to the catalogue that PostgreSQL had counted by then; while it counts no more, nothing changed.
    writes = models.BigIntegerField(default=-1)
    # Products that came later are in no term's best.
    newest_product_id = models.BigIntegerField(default=0, db_default=0)
