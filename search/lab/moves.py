"""How the places of products differ between two rankings. Pure functions of plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Move:
    """What became of one product; the symbol and the words say the same."""

    kind: str  # up, down, same, new, gone
    places: int = 0

    @property
    def symbol(self) -> str:
        """For the eye."""
        return {"up": "▲", "down": "▼", "same": "=", "new": "+", "gone": "✕"}[self.kind]

    @property
    def text(self) -> str:
        """In words."""
        return f"{self.kind} {self.places}" if self.places else self.kind


def moves(before: Sequence[str], after: Sequence[str]) -> Mapping[str, Move]:
    """The move of every product of either ranking, by its name."""
    places = {name: place for place, name in enumerate(before)}
    found = {name: _move(places.get(name), place) for place, name in enumerate(after)}
    return {**{name: Move("gone") for name in before}, **found}


def _move(before: int | None, after: int) -> Move:
    if before is None:
        return Move("new")
    if before == after:
        return Move("same")
    return Move("up" if after < before else "down", abs(after - before))
