"""Vectors do not depend on how many texts are encoded together, nor on which graph does it."""

import os
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

from embeddings.encoders import encoder_for
from embeddings.model_files import PACKAGED_MODEL
from embeddings.models import EmbeddingModel
from embeddings.openvino_encoder import QUERY_TOKENS, TOGETHER, WORTH_IT, OpenVinoEncoder

SHORT = ["picture hook", "usb-c hub", "something to hang a heavy picture", "TN-2110", "", "écran 27 pouces"]
LONG = "a cordless drill with two batteries and a case for masonry, wood, metal and everything else at home"


@pytest.fixture
def encoder(db: None) -> OpenVinoEncoder:
    encoder = encoder_for(EmbeddingModel.objects.active())
    assert isinstance(encoder, OpenVinoEncoder)
    encoder.prepare_for_queries()
    return encoder


def test_a_query_has_the_same_vector_alone_and_among_others(encoder: OpenVinoEncoder) -> None:
    texts = [*SHORT, LONG]
    together = encoder.encode_queries(texts)
    for number in (1, 2, WORTH_IT, TOGETHER):
        groups = [encoder.encode_queries(texts[at : at + number]) for at in range(0, len(texts), number)]
        vectors = np.concatenate(groups)
        assert vectors.shape == together.shape == (len(texts), encoder.dimensions)
        assert vectors.dtype == np.float32
        # bfloat16 has three digits; vectors of different texts are at least a tenth apart.
        assert np.all((vectors * together).sum(axis=1) > 0.999)
    assert encoder.encode_queries([]).shape == (0, encoder.dimensions)


def test_short_queries_meet_graphs_of_one_shape_each(
    encoder: OpenVinoEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: dict[str, list[tuple[int, ...]]] = {"alone": [], "together": [], "any": []}
    graphs = (encoder._query_graphs[1], encoder._query_graphs[TOGETHER], encoder._graph)
    for graph, seen in zip(graphs, shapes.values(), strict=True):
        infer = graph.infer
        monkeypatch.setattr(
            graph, "infer", lambda texts, i=infer, s=seen: (s.append(texts["input_ids"].shape), i(texts))[1]
        )
    longest = " ".join(["hook"] * (QUERY_TOKENS - 2))  # and two tokens that frame every text
    assert encoder.count_tokens(longest) == QUERY_TOKENS
    encoder.encode_queries([longest])
    encoder.encode_queries(SHORT[: WORTH_IT - 1])
    assert shapes == {"alone": [(1, QUERY_TOKENS)] * WORTH_IT, "together": [], "any": []}
    encoder.encode_queries(SHORT[:WORTH_IT])
    encoder.encode_queries([*SHORT[:TOGETHER], longest])
    assert shapes["together"] == [(TOGETHER, QUERY_TOKENS)] * 2
    assert len(shapes["alone"]) == WORTH_IT + 1
    assert not shapes["any"]
    encoder.encode_queries([f"{longest} hook", *SHORT[:TOGETHER], f"hook {longest}"])
    assert [len(seen) for seen in shapes.values()] == [WORTH_IT + 1, 3, 1]


def test_the_first_query_does_not_wait_for_its_graphs(
    encoder: OpenVinoEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs, prepared = encoder._query_graphs, threading.Event()
    monkeypatch.setattr(encoder, "_query_graphs", {})
    monkeypatch.setattr(encoder, "_answers_queries", False)
    monkeypatch.setattr(encoder, "prepare_for_queries", prepared.set)
    first = encoder.encode_queries(SHORT[:1])
    assert prepared.wait(10)
    monkeypatch.setattr(encoder, "_query_graphs", graphs)
    assert float((first * encoder.encode_queries(SHORT[:1])).sum()) > 0.999


def test_a_process_may_end_while_graphs_are_made(encoder: OpenVinoEncoder, settings: Any) -> None:
    # Queries are encoded in a daemon, whose threads are daemons unless they say otherwise.
    script = f"""
import threading, django
django.setup()
from embeddings.openvino_encoder import OpenVinoEncoder
encoder = OpenVinoEncoder({PACKAGED_MODEL!r})
thread = threading.Thread(target=encoder.encode_queries, args=(["drill"],), daemon=True)
thread.start()
thread.join()
"""
    environment = {**os.environ, "MODEL_CACHE_DIR": str(settings.MODEL_CACHE_DIR)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_the_models_of_several_processes_share_the_cores(encoder: OpenVinoEncoder) -> None:
    for graph in (encoder._graph, *encoder._query_graphs.values()):
        assert graph._compiled.get_property("ENABLE_CPU_PINNING") is False
