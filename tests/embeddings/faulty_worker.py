"""Runs `manage.py embedding_worker` with places to hold it at, and texts that kill it.

A program for tests only: `python faulty_worker.py FOLDER`. While the folder has a file named for a place, the
worker waits there, and says so with a file `PLACE.reached`; `rows` lists the rows that it encoded.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Asleep, about to claim; claimed, about to encode; encoded, about to store; written, not yet committed.
PLACES = ("claiming", "claimed", "encoded", "storing")
# A text with this word ends the process that encodes it, as a fault in native code would.
KILLER = "Killerword"


def main() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django

    django.setup()
    instrument(Path(sys.argv[1]))
    sys.argv = ["manage.py", "embedding_worker"]
    import manage

    manage.main()


def instrument(folder: Path) -> None:
    """Put the places into the pipeline."""
    from embeddings import pipeline

    def at(place: str) -> None:
        marker = folder / place
        if marker.exists():
            reached = folder / f"{place}.reached"
            reached.touch()
            while marker.exists():
                time.sleep(0.01)
            reached.unlink(missing_ok=True)

    claim, encode, store, write = pipeline.claim, pipeline.encode, pipeline.store, pipeline._write

    def held_claim(*arguments: Any) -> Any:
        at("claiming")
        return claim(*arguments)

    def held_encode(encoder: Any, claims: Sequence[pipeline.Claim]) -> Any:
        at("claimed")
        if any(KILLER in claim.text.name for claim in claims):
            os._exit(139)
        with (folder / "rows").open("a") as log:
            log.writelines(f"{claim.row}\n" for claim in claims)
        return encode(encoder, claims)

    def held_store(*arguments: Any) -> Any:
        at("encoded")
        return store(*arguments)

    def held_write(*arguments: Any) -> Any:
        written = write(*arguments)
        at("storing")
        return written

    pipeline.claim, pipeline.encode, pipeline.store = held_claim, held_encode, held_store
    pipeline._write = held_write


if __name__ == "__main__":
    main()
