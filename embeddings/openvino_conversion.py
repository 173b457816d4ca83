"""Converts a sentence-transformers model: `python -m embeddings.openvino_conversion SOURCE REVISION FOLDER`.

A program of its own, without Django: torch and transformers take hundreds of megabytes, which a web process or
a worker would keep until it ends.
"""

import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openvino

# Raised when what the conversion writes changes.
FORMAT = 1

# Their vectors by sentence-transformers itself are kept beside the graph, for every load to compare with.
REFERENCE_TEXTS = (
    "hammer drill for concrete",
    "Waterproof hiking boots for women. Outdoor > Shoes. Grippy sole, ankle support and a breathable lining.",
    "006R90321 toner cartridge, black, 6 pieces",
    "something to hang a heavy picture",
)


class ConversionError(Exception):
    """The model cannot be converted; the message says why."""


def main() -> None:
    """Convert what the command line names."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    source, revision, folder = sys.argv[1:]
    with _quiet():
        convert(source, revision, Path(folder))


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


def convert(source: str, revision: str, folder: Path) -> None:
    """Convert the SentenceTransformer at `source` into `folder`, which appears complete or not at all.

    Raises ConversionError, or whatever the libraries raise.
    """
    from sentence_transformers import SentenceTransformer

    transformer = SentenceTransformer(
        source, revision=revision or None, device="cpu", model_kwargs={"attn_implementation": "eager"}
    )
    backend = getattr(transformer.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ConversionError("it has no fast tokenizer. Set EMBEDDING_RUNTIME=torch.")
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


if __name__ == "__main__":
    main()
