"""Where in its table the row of each product's vector lies, as far as this process has met it.

PostgreSQL finds a row by its place in a third of the time that the index takes. Nothing has to be right here: a row
that was written since then is not found where it lay (an old version is invisible, and who took its place says so by
its id), so it is asked for by its id again.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import orjson

from search.statements import TID, Ids

# Six bytes for each id up to the highest one met; products with higher ids are always found by the index.
HIGHEST_ID = 4_000_000

Places = npt.NDArray[np.void]  # of dtype TID; offset 0, which no row has: unknown


@dataclass
class RowPlaces:
    """The places of one model's rows, by product id."""

    _places: Places = field(default_factory=lambda: np.zeros(0, dtype=TID))

    def of(self, product_ids: Ids) -> Places:
        """The places of products, those of unknown ones with offset 0."""
        places = np.zeros(len(product_ids), dtype=TID)
        known = self._places
        inside = product_ids < len(known)
        places[inside] = known[product_ids[inside]]
        return places

    def learn(self, product_ids: Ids, places: Places) -> None:
        """Remember where rows were just now."""
        kept = product_ids <= HIGHEST_ID
        product_ids, places = product_ids[kept], places[kept]
        if not len(product_ids):
            return
        known = self._places  # threads may grow it at once; what one of them learned is learned again
        if (highest := int(product_ids.max())) >= len(known):
            grown = np.zeros(highest + highest // 4 + 1, dtype=TID)
            grown[: len(known)] = known
            known = self._places = grown
        known[product_ids] = places


_by_model: dict[int, RowPlaces] = {}


def places_of(model_id: int) -> RowPlaces:
    """What this process knows of a model's rows."""
    return _by_model.setdefault(model_id, RowPlaces())


def tid_array(places: Places) -> str:
    """Places as PostgreSQL reads a `tid[]`."""
    pairs = np.column_stack((places["block"], places["offset"]))
    listed = orjson.dumps(pairs, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return '{"' + listed[1:-1].replace("],[", ')","(').replace("[", "(").replace("]", ")") + '"}'
