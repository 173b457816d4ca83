"""sentence-transformers models on OpenVINO, which on a CPU is two to four times as fast as torch.

On first use a model is loaded with sentence-transformers and its whole pipeline (transformer, pooling,
normalisation) is converted to one OpenVINO graph, kept under MODEL_CACHE_DIR. Later loads need neither torch
nor transformers: they take half a second instead of five, and a fraction of the memory. Vectors made by
sentence-transformers itself are kept beside the graph, and every load is measured against them.
"""

import fcntl
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openvino
from django.conf import settings
from tokenizers import Encoding, Tokenizer

from embeddings import model_files, openvino_conversion
from embeddings.encoders import Encoder, Vectors, threads
from embeddings.exceptions import ModelUnavailableError
from embeddings.openvino_conversion import REFERENCE_TEXTS

logger = logging.getLogger("nearshelf.embeddings")

# Vectors of two runtimes may live in one model's rows when they agree at least so far.
MIN_COSINE = 0.999

# Texts are padded to a multiple of so many tokens; short ones to a finer one.
SHAPE_STEP = 8
SHORT_STEP = 4
SHORT = 32

# Queries of at most so many tokens are padded to as many, for graphs of one shape each: OpenVINO prepares its graph
# anew whenever a text has another shape than the one before, which takes half as long as to encode it.
QUERY_TOKENS = 12
# One graph is for a query alone, one for so many: half of what one takes is to read the model's weights.
TOGETHER = 4
# For fewer, the graph for one is as fast.
WORTH_IT = 3


class OpenVinoEncoder(Encoder):
    """One converted model, compiled for this CPU; in bfloat16 where the CPU has it and vectors agree."""

    def __init__(self, name: str, revision: str = "") -> None:
        folder = _converted(name, revision)
        about = json.loads((folder / "about.json").read_text())
        self._folder = folder
        self._query_graphs: dict[int, _Graph] = {}  # by how many queries they encode
        self._answers_queries = False
        self._preparing = threading.Lock()
        self.dimensions: int = about["dimensions"]
        self.window: int = about["window"]
        self._inputs: list[str] = about["inputs"]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(self.window)
        self._tokenizer.no_padding()
        self._pad_id: int = about["pad_id"]
        self._counter = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._counter.no_truncation()
        self._counter.no_padding()
        self._compile(folder, np.array(about["reference"], dtype=np.float32))

    def _compile(self, folder: Path, reference: Vectors) -> None:
        """Compile for the fastest precision whose vectors match the reference."""
        core = openvino.Core()
        precisions = ["f32"]
        if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            precisions.insert(0, "bf16")
        for precision in precisions:
            self._config = {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": precision,
                "INFERENCE_NUM_THREADS": threads(),
                # Else the models of all processes compute on the same first cores, whatever others are free.
                "ENABLE_CPU_PINNING": False,
            }
            cached = {**self._config, "CACHE_DIR": str(folder / "compiled")}
            self._graph = _Graph(core.compile_model(str(folder / "model.xml"), "CPU", cached))
            self.runtime = f"openvino {precision}"
            cosine = float((self.encode(REFERENCE_TEXTS) * reference).sum(axis=1).mean())
            if cosine >= MIN_COSINE:
                return
        raise ModelUnavailableError(
            f"OpenVINO's vectors differ from sentence-transformers' (cosine {cosine:.4f}). "
            "Set EMBEDDING_RUNTIME=torch for this model."
        )

    def prepare_for_queries(self) -> None:
        """Make the graphs for queries of QUERY_TOKENS; only who answers queries has them.

        They are compiled each time: from OpenVINO's cache one would take three times the memory, where this way most
        of its weights are pages of the model's file.
        """
        with self._preparing:
            if not self._query_graphs:
                self._query_graphs = {number: self._query_graph(number) for number in (1, TOGETHER)}

    def _query_graph(self, number: int) -> "_Graph":
        core = openvino.Core()
        model = core.read_model(str(self._folder / "model.xml"))
        model.reshape({name: [number, QUERY_TOKENS] for name in self._inputs})
        return _Graph(core.compile_model(model, "CPU", self._config))

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder.encode."""
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        return self._encoded(self._tokenizer.encode_batch(list(texts)))

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """See Encoder.encode_queries. The first queries do not wait for their graphs."""
        encodings = self._tokenizer.encode_batch([self.query_prompt + text for text in texts])
        if not encodings:
            return self.encode([])
        if not self._answers_queries:
            self._answers_queries = True
            # No daemon, as a thread of one would be: a process that ends while OpenVINO compiles is aborted.
            threading.Thread(target=self.prepare_for_queries, name="query-graphs", daemon=False).start()
        if not self._query_graphs:
            return self._encoded(encodings)
        are_short = np.array([len(encoding.ids) <= QUERY_TOKENS for encoding in encodings])
        short, long = np.flatnonzero(are_short), np.flatnonzero(~are_short)
        vectors = np.empty((len(encodings), self.dimensions), dtype=np.float32)
        for group in (short[at : at + TOGETHER] for at in range(0, len(short), TOGETHER)):
            vectors[group] = self._short_queries([encodings[place] for place in group])
        if len(long):
            vectors[long] = self._encoded([encodings[place] for place in long])
        return vectors

    def _short_queries(self, encodings: Sequence[Encoding]) -> Vectors:
        """Vectors of up to TOGETHER texts of up to QUERY_TOKENS."""
        if len(encodings) < WORTH_IT:
            alone = [self._query_graphs[1].infer(self._features([one], QUERY_TOKENS)) for one in encodings]
            return np.concatenate(alone)
        filled = [*encodings, *[encodings[0]] * (TOGETHER - len(encodings))]
        return self._query_graphs[TOGETHER].infer(self._features(filled, QUERY_TOKENS))[: len(encodings)]

    def _encoded(self, encodings: Sequence[Encoding]) -> Vectors:
        """Vectors of texts together, padded to the longest.

        OpenVINO keeps what it compiled for each shape it met: fewer shapes, less memory.
        """
        longest = max(len(encoding.ids) for encoding in encodings)
        step = SHORT_STEP if longest <= SHORT else SHAPE_STEP
        return self._graph.infer(self._features(encodings, -(-longest // step) * step))

    def _features(self, encodings: Sequence[Encoding], tokens: int) -> dict[str, npt.NDArray[np.int64]]:
        """What the model reads: arrays `(n, tokens)`, padded."""
        shape = len(encodings), tokens
        features = {
            "input_ids": np.full(shape, self._pad_id, dtype=np.int64),
            "attention_mask": np.zeros(shape, dtype=np.int64),
            "token_type_ids": np.zeros(shape, dtype=np.int64),
        }
        for row, encoding in enumerate(encodings):
            places = slice(len(encoding.ids))
            features["input_ids"][row, places] = encoding.ids
            features["attention_mask"][row, places] = 1
            features["token_type_ids"][row, places] = encoding.type_ids
        return {name: features[name] for name in self._inputs}

    def count_tokens(self, text: str) -> int:
        """See Encoder.count_tokens."""
        return len(self._counter.encode(text).ids)

    def has_word(self, word: str) -> bool:
        """See Encoder.has_word."""
        return self._counter.token_to_id(word) is not None


class _Graph:
    """A model compiled for this CPU. Any thread may use it."""

    def __init__(self, compiled: openvino.CompiledModel) -> None:
        self._compiled = compiled
        # An infer request serves one call at a time: each thread has its own.
        self._requests = threading.local()

    def infer(self, features: Mapping[str, npt.NDArray[np.int64]]) -> Vectors:
        """What the model makes of some texts. Raises ModelUnavailableError."""
        try:
            request = self._requests.request
        except AttributeError:
            request = self._requests.request = self._compiled.create_infer_request()
        try:
            # Shared arrays are not copied, which is a tenth of a query's time; the result is copied below.
            output = request.infer(features, share_inputs=True, share_outputs=True)
        except (RuntimeError, MemoryError) as error:
            raise ModelUnavailableError(f"The embedding model failed: {error}") from error
        return np.array(output[0], dtype=np.float32)


def _converted(name: str, revision: str) -> Path:
    """Folder with the converted model, made now if it is not there."""
    source = model_files.resolve(name)
    identity = model_files.fingerprint(source) if Path(source).is_dir() else ""
    label = "".join(c if c.isalnum() or c in "-." else "-" for c in Path(name).name)[:60]
    key = f"{label}-{revision or 'main'}-{identity or 'hub'}-{openvino_conversion.FORMAT}"
    folder = Path(settings.MODEL_CACHE_DIR) / key
    if not (folder / "about.json").exists():
        with _exclusive(folder.parent / f"{key}.lock"):
            if not (folder / "about.json").exists():
                _convert(source, revision, folder)
    return folder


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file: of several processes that start at once, one converts and the others wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _convert(source: str, revision: str, folder: Path) -> None:
    """Convert in a process of its own: torch's hundreds of megabytes go away with it. Raises ModelUnavailableError."""
    logger.info("Converting the embedding model for OpenVINO, once: %s", source)
    command = [sys.executable, "-m", openvino_conversion.__name__, source, revision, str(folder)]
    done = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise ModelUnavailableError(f"The model {source} cannot be converted for OpenVINO: {reason[0]}")
