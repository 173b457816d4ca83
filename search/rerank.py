"""An optional last step of ranking: a cross-encoder reads the query beside each of the best products.

Off unless SEARCH_RERANK_MODEL names a model. The best SEARCH_RERANK_DEPTH products of the result set come into the
model's order, whichever page is asked; the scores stay with the places. So what was cut off, the total, the facets
and `min_score` hold as they are, and pages agree.
"""

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
from django.conf import settings

from embeddings import model_files
from embeddings.documents import MAX_DESCRIPTION, ProductText, product_text
from embeddings.encoders import threads
from search.exceptions import RerankUnavailableError
from search.ranking import EXACT_SCORE, Ranking
from search.server_timing import timing
from search.statements import fetch
from search.trace import stage

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

logger = logging.getLogger("nearshelf.search")

Pair = tuple[str, str]  # a query and a product's text

# Of a query and a product together; twice as many take more than twice as long and tell little more.
MAX_TOKENS = 256
# The same pair may get another seventh digit in another batch; an order must not hang on that.
DIGITS = 6
REMEMBERED = 20_000

_TEXTS_SQL = """
SELECT p.id, p.name, p.brand, coalesce(c.full_name, ''), p.short_description, left(p.description, %s), p.attributes
FROM catalog_product AS p LEFT JOIN catalog_category AS c ON c.id = p.category_id
WHERE p.id = ANY(%s::bigint[])
"""


class Reranker:
    """A cross-encoder in a thread of its own, loaded when it is first asked. One per process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.complaints: set[str] = set()
        self._pid = os.getpid()
        self._executor = ThreadPoolExecutor(1, "reranker")
        self._model: CrossEncoder | None = None
        self._busy_since: float | None = None
        self._resting_until = 0.0
        self._known: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def belongs_here(self) -> bool:
        """Whether this is the model of the settings, and its thread runs in this process."""
        return self._pid == os.getpid() and self.name == settings.SEARCH_RERANK_MODEL

    def scores(self, pairs: Sequence[Pair], deadline_s: float | None) -> list[float]:
        """How relevant each text is, 0..1. Raises RerankUnavailableError after `deadline_s` at the latest."""
        keys = [_key(pair) for pair in pairs]
        with self._lock:
            scores = {key: self._known[key] for key in keys if key in self._known}
        missing = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in scores}
        if missing:
            self._refuse_to_wait_in_vain(deadline_s)
            waiting = self._executor.submit(self._predict, missing)
            scores |= _result(waiting, deadline_s)
        return [scores[key] for key in keys]

    def load(self) -> None:
        """Begin to load the model; return at once."""
        self._executor.submit(self._predict, {})

    def _refuse_to_wait_in_vain(self, deadline_s: float | None) -> None:
        now = time.monotonic()
        if now < self._resting_until:
            raise RerankUnavailableError("The rerank model has just failed; it is tried again shortly.")
        if deadline_s is not None and now - (self._busy_since or now) > deadline_s:
            raise RerankUnavailableError("The rerank model is busy for longer than a query may wait.")

    def _predict(self, pairs: dict[bytes, Pair]) -> dict[bytes, float]:
        self._busy_since = time.monotonic()
        try:
            self._model = self._model or _cross_encoder(self.name)
            predicted = self._model.predict(list(pairs.values()), show_progress_bar=False) if pairs else ()
        except Exception:  # whatever the runtime raises, fusion's order stands
            self._resting_until = time.monotonic() + settings.SEARCH_MODEL_RETRY_S
            raise
        finally:
            self._busy_since = None
        scores = [round(float(score), DIGITS) for score in predicted]
        if not np.isfinite(scores).all():
            raise RerankUnavailableError("The rerank model gives scores that are no numbers.")
        return self._remember(dict(zip(pairs, scores, strict=True)))

    def _remember(self, scores: dict[bytes, float]) -> dict[bytes, float]:
        with self._lock:
            self._known.update(scores)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return scores


_reranker: Reranker | None = None
_reranker_lock = threading.Lock()


def is_on() -> bool:
    """Whether the settings name a model."""
    return bool(settings.SEARCH_RERANK_MODEL)


def load() -> None:
    """Begin to load the model into this process, if the settings name one; return at once."""
    if is_on():
        _this_process().load()


@stage("rerank")
def reranked(ranking: Ranking, query: str, depth: int, deadline_s: float | None) -> Ranking:
    """The ranking with its best `depth` products in the cross-encoder's order; as it is where that fails or is late.

    Without a deadline somebody measures: then RerankUnavailableError is raised instead.

    Exact matches stay first. Products that the model finds equal keep the order of fusion.
    """
    first = int(np.count_nonzero(ranking.scores >= EXACT_SCORE))
    chosen = ranking.product_ids[first : first + depth]
    if len(chosen) < 2:
        return ranking
    reranker = _this_process()
    try:
        with timing("rerank"):
            texts = _texts(chosen)
            scores = reranker.scores([(query, texts.get(pk, "")) for pk in chosen], deadline_s)
    except RerankUnavailableError as error:
        if deadline_s is None:
            raise
        if str(error) not in reranker.complaints:
            reranker.complaints.add(str(error))
            logger.warning("Answering without reranking: %s (said once)", error)
        return ranking
    places = np.arange(len(ranking.product_ids))
    places[first : first + len(chosen)] = first + np.argsort(-np.array(scores), kind="stable")
    return replace(
        ranking,
        product_ids=[ranking.product_ids[place] for place in places],
        semantic=ranking.semantic[places],
        keyword=ranking.keyword[places],
        rerank=dict(zip(chosen, scores, strict=True)),
    )


def _this_process() -> Reranker:
    global _reranker
    with _reranker_lock:
        if _reranker is None or not _reranker.belongs_here():
            _reranker = Reranker(settings.SEARCH_RERANK_MODEL)
        return _reranker


def _result(waiting: "Future[dict[bytes, float]]", deadline_s: float | None) -> dict[bytes, float]:
    try:
        return waiting.result(deadline_s)
    except FutureTimeoutError as error:
        waiting.cancel()  # where it has begun, it goes on, and the next page finds its scores
        raise RerankUnavailableError("The rerank model did not answer in time.") from error
    except Exception as error:
        raise RerankUnavailableError(str(error)) from error


def _key(pair: Pair) -> bytes:
    return blake2b("\0".join(pair).encode(errors="replace"), digest_size=16).digest()


def _texts(product_ids: Sequence[int]) -> dict[int, str]:
    """What the encoder reads of each product, the cross-encoder reads too."""
    rows = fetch(_TEXTS_SQL, (MAX_DESCRIPTION, list(product_ids)))
    return {
        pk: product_text(
            ProductText(name, brand, category, short, long, known if isinstance(known, dict) else {})
        )
        for pk, name, brand, category, short, long, known in rows
    }


def _cross_encoder(name: str) -> "CrossEncoder":
    """The model on the device of the settings. Raises RerankUnavailableError and whatever its libraries raise."""
    folder = model_files.resolve(name)  # first, for the libraries take seconds to import

    import torch
    from sentence_transformers import CrossEncoder

    torch.set_num_threads(threads())
    device = None if settings.EMBEDDING_DEVICE == "auto" else settings.EMBEDDING_DEVICE
    model = CrossEncoder(folder, device=device, activation_fn=torch.nn.Sigmoid())
    # A model without a head gets one of random weights, and would put products into a random order.
    kinds = model.config.architectures or []
    if model.num_labels != 1 or any(kind.endswith("Model") for kind in kinds):
        raise RerankUnavailableError(f"{name} is no cross-encoder that gives one score to a pair of texts.")
    model.max_seq_length = min(model.max_seq_length or MAX_TOKENS, MAX_TOKENS)
    return model
