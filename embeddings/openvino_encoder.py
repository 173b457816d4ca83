"""sentence-transformers models on OpenVINO, which on a CPU is two to four times as fast as torch.

On first use a model is loaded with sentence-transformers and its whole pipeline (transformer, pooling,
normalisation) is converted to one OpenVINO graph, kept under MODEL_CACHE_DIR. Later loads need neither torch
nor transformers: they take half a second instead of five, and a fraction of the memory. Vectors made by
sentence-transformers itself are kept beside the graph, and every load is measured against them.
"""

import fcntl
import json
import logging
import os
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from django.conf import settings
from tokenizers import Tokenizer

from embeddings import model_files
from embeddings.encoders import Encoder, Vectors, threads
from embeddings.exceptions import ModelUnavailableError

logger = logging.getLogger("nearshelf.embeddings")

# Vectors of two runtimes may live in one model's rows when they agree at least so far.
MIN_COSINE = 0.999
REFERENCE_TEXTS = (
    "hammer drill for concrete",
    "Waterproof hiking boots for women. Outdoor > Shoes. Grippy sole, ankle support and a breathable lining.",
    "006R90321 toner cartridge, black, 6 pieces",
    "something to hang a heavy picture",
)
# Raised when what the conversion writes changes.
_FORMAT = 1


class OpenVinoEncoder(Encoder):
    """One converted model, compiled for this CPU; in bfloat16 where the CPU has it and vectors agree."""

    def __init__(self, name: str, revision: str = "") -> None:
        folder = _converted(name, revision)
        about = json.loads((folder / "about.json").read_text())
        self.dimensions: int = about["dimensions"]
        self.window: int = about["window"]
        self._inputs: list[str] = about["inputs"]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(self.window)
        self._tokenizer.enable_padding(pad_id=about["pad_id"], pad_token=about["pad_token"])
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
            self._compiled = core.compile_model(
                str(folder / "model.xml"),
                "CPU",
                {
                    "PERFORMANCE_HINT": "LATENCY",
                    "INFERENCE_PRECISION_HINT": precision,
                    "INFERENCE_NUM_THREADS": threads(),
                    "CACHE_DIR": str(folder / "compiled"),
                },
            )
            # An infer request serves one call at a time: each thread has its own.
            self._requests = threading.local()
            self.runtime = f"openvino {precision}"
            cosine = float((self.encode(REFERENCE_TEXTS) * reference).sum(axis=1).mean())
            if cosine >= MIN_COSINE:
                return
        raise ModelUnavailableError(
            f"OpenVINO's vectors differ from sentence-transformers' (cosine {cosine:.4f}). "
            "Set EMBEDDING_RUNTIME=torch for this model."
        )

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder.encode."""
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        encodings = self._tokenizer.encode_batch(list(texts))
        features = {
            "input_ids": [encoding.ids for encoding in encodings],
            "attention_mask": [encoding.attention_mask for encoding in encodings],
            "token_type_ids": [encoding.type_ids for encoding in encodings],
        }
        try:
            request = self._requests.request
        except AttributeError:
            request = self._requests.request = self._compiled.create_infer_request()
        try:
            output = request.infer({name: np.array(features[name], dtype=np.int64) for name in self._inputs})
        except (RuntimeError, MemoryError) as error:
            raise ModelUnavailableError(f"The embedding model failed: {error}") from error
        return np.array(output[0], dtype=np.float32)

    def count_tokens(self, text: str) -> int:
        """See Encoder.count_tokens."""
        return len(self._counter.encode(text).ids)


def _converted(name: str, revision: str) -> Path:
    """Folder with the converted model, made now if it is not there."""
    source = model_files.resolve(name)
    identity = model_files.fingerprint(source) if Path(source).is_dir() else ""
    label = "".join(c if c.isalnum() or c in "-." else "-" for c in Path(name).name)[:60]
    key = f"{label}-{revision or 'main'}-{identity or 'hub'}-{_FORMAT}"
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
    """Convert the SentenceTransformer at `source` into `folder`, which appears complete or not at all."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logger.info("Converting the embedding model for OpenVINO, once: %s", source)
    with _quiet():
        _write(source, revision, folder)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' progress bars, and their advice on tracing, which is for their own developers."""
    from transformers.utils import logging as transformers_logging

    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(level)


def _write(source: str, revision: str, folder: Path) -> None:
    """Convert and write, in a folder beside, which takes its place when it is complete."""
    from sentence_transformers import SentenceTransformer

    transformer = SentenceTransformer(
        source, revision=revision or None, device="cpu", model_kwargs={"attn_implementation": "eager"}
    )
    backend = getattr(transformer.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelUnavailableError(
            "This model has no fast tokenizer, which OpenVINO needs here. Set EMBEDDING_RUNTIME=torch."
        )
    features = transformer.preprocess(list(REFERENCE_TEXTS[:2]))
    inputs: list[str] = [
        name for name in ("input_ids", "attention_mask", "token_type_ids") if name in features
    ]
    graph = _traced(_pipeline(transformer, inputs), {name: features[name] for name in inputs})
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".converting-"))
    try:
        openvino.save_model(graph, part / "model.xml", compress_to_fp16=False)
        backend.save(str(part / "tokenizer.json"))
        about = {
            "dimensions": transformer.get_embedding_dimension(),
            "window": transformer.max_seq_length or 512,
            "inputs": inputs,
            "pad_id": transformer.tokenizer.pad_token_id or 0,
            "pad_token": transformer.tokenizer.pad_token or "[PAD]",
            "reference": transformer.encode(
                list(REFERENCE_TEXTS), normalize_embeddings=True, show_progress_bar=False
            ).tolist(),
        }
        (part / "about.json").write_text(json.dumps(about))
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _pipeline(transformer: Any, inputs: list[str]) -> Any:
    """A torch module from token ids to unit-length sentence embeddings, through every stage of the model."""
    import torch

    class Pipeline(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stages = torch.nn.ModuleList(transformer.children())

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            features: dict[str, Any] = dict(zip(inputs, tensors, strict=True))
            for stage in self.stages:
                features = stage(features)
            return torch.nn.functional.normalize(features["sentence_embedding"], p=2.0, dim=1)

    return Pipeline().eval()


def _traced(module: Callable[..., Any], example: dict[str, Any]) -> openvino.Model:
    """The OpenVINO graph of a torch module, with inputs of any batch size and length.

    The frontend is used directly: `openvino.convert_model` would also report usage to its makers.
    """
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with torch.no_grad():
        decoder = TorchScriptPythonDecoder(module, example_input=tuple(example.values()))
        frontend = FrontEndManager().load_by_framework("pytorch")
        graph = frontend.convert(frontend.load(decoder))
    for port, name in zip(graph.inputs, example, strict=True):
        port.get_tensor().set_names({name})
        port.get_node().set_partial_shape(openvino.PartialShape([-1, -1]))
        port.get_node().set_element_type(openvino.Type.i64)
    graph.validate_nodes_and_infer_types()
    return graph
