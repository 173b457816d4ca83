"""What decides the order of a hybrid search: by default what the settings say, or a configuration to try."""

from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings


class Fusion(StrEnum):
    """How the two legs of a hybrid search become one ranking."""

    CONVEX = "convex"
    RRF = "rrf"


@dataclass(frozen=True)
class RankingConfiguration:
    """Weights and limits of ranking. docs/relevance.md says what each does."""

    fusion: Fusion
    semantic_weight: float  # 0..1; the rest is words
    category_weight: float  # 0: no category prior
    cutoff: float  # share of the best score, 0..1
    semantic_floor: float  # cosine, -1..1
    semantic_depth: int
    rerank: bool  # where the settings name a model
    rerank_depth: int
    model_id: int | None = None  # the embedding model's; None: the active one

    @classmethod
    def from_settings(cls) -> "RankingConfiguration":
        """What customers' searches are answered with."""
        return cls(
            fusion=Fusion(settings.SEARCH_FUSION),
            semantic_weight=settings.SEARCH_SEMANTIC_WEIGHT,
            category_weight=settings.SEARCH_CATEGORY_WEIGHT,
            cutoff=settings.SEARCH_CUTOFF,
            semantic_floor=settings.SEARCH_SEMANTIC_FLOOR,
            semantic_depth=settings.SEARCH_SEMANTIC_DEPTH,
            rerank=bool(settings.SEARCH_RERANK_MODEL),
            rerank_depth=settings.SEARCH_RERANK_DEPTH,
        )
