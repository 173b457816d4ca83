"""A variant is one way to answer queries: the mode and the ranking's configuration. Two are compared side by side."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from search.configuration import Fusion, RankingConfiguration
from search.query import Filters, Mode, SearchQuery

LABELS = {
    "mode": "mode",
    "fusion": "fusion",
    "semantic_weight": "share of meaning",
    "category_weight": "category prior",
    "cutoff": "cut-off",
    "semantic_floor": "least similarity",
    "semantic_depth": "candidates by meaning",
    "rerank": "rerank",
    "rerank_depth": "reranked products",
    "model_id": "model",
}


@dataclass(frozen=True)
class Variant:
    """A mode and a configuration."""

    mode: Mode
    configuration: RankingConfiguration

    @classmethod
    def current(cls) -> "Variant":
        """How customers' searches are answered."""
        return cls(Mode.HYBRID, RankingConfiguration.from_settings())

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Variant":
        """What `as_json` gave."""
        values = {**stored, "fusion": Fusion(stored["fusion"])}
        mode = Mode(values.pop("mode"))
        known = {field.name for field in fields(RankingConfiguration)}
        return cls(mode, RankingConfiguration(**{name: values[name] for name in values if name in known}))

    def as_json(self) -> dict[str, Any]:
        """Every value by its name."""
        return {"mode": self.mode.value, **asdict(self.configuration)}

    def changed(self, **values: Any) -> "Variant":
        """The same with some values replaced."""
        mode = values.pop("mode", self.mode)
        return Variant(mode, replace(self.configuration, **values))

    def query(self, text: str, filters: Filters | None = None, **options: Any) -> SearchQuery:
        """A search that is answered this way."""
        return SearchQuery(text, self.mode, filters or Filters(), configuration=self.configuration, **options)

    def differences(self, other: "Variant", models: Mapping[int, str]) -> list[str]:
        """What differs from another one, in words; empty where nothing does. `models` are names by number."""
        theirs = other.as_json()
        return [
            f"{LABELS[name]} {_shown(name, value, models)}"
            for name, value in self.as_json().items()
            if value != theirs[name]
        ]


def _shown(name: str, value: Any, models: Mapping[int, str]) -> str:
    if name == "model_id":
        return "the active one" if value is None else models.get(value, f"{value}, gone since")
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
