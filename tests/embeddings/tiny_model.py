"""Sentence-transformers models, made by the tests: a BERT of two small layers with random weights.

They know no meaning, but they are real models: another dimension, another vocabulary, another vector space.
"""

from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

DIMENSIONS = 32
WINDOW = 64
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_WORDS = (
    "a adjustable and battery bit blue board boots brush claw coffee compact concrete cordless "
    "cotton drill drills for garden gloves green grinder hammer handle heavy holes hooks hose in "
    "into kettle kitchen knife ladder leather light maker masonry metal mug of paint pan pipe power "
    "red rubber safety saw screwdriver set shirt shoes small steel stone strong tea the to tool "
    "tools wall water waterproof with wood wool wrench "
)


def make_tiny_model(folder: Path, dimensions: int = DIMENSIONS) -> Path:
    """Write the model into `folder`, in the layout of sentence-transformers, and return it.

    Vectors of another length than DIMENSIONS come from a dense layer on top.
    """
    base = _transformer(BertModel, folder.parent / f"{folder.name}-transformer")
    modules = [Transformer(str(base), max_seq_length=WINDOW), Pooling(DIMENSIONS, "mean")]
    if dimensions != DIMENSIONS:
        modules.append(Dense(DIMENSIONS, dimensions))
    model = SentenceTransformer(modules=[*modules, Normalize()], device="cpu")
    model.save(str(folder), create_model_card=False)
    return folder


def make_tiny_cross_encoder(folder: Path, labels: int = 1) -> Path:
    """Write a model that reads two texts at once into `folder`, and return it."""
    return _transformer(BertForSequenceClassification, folder, num_labels=labels)


def _transformer(kind: type[PreTrainedModel], folder: Path, **options: Any) -> Path:
    """Write a transformer with its tokenizer; the same weights each time."""
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=DIMENSIONS,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * DIMENSIONS,
        max_position_embeddings=WINDOW,
        # Wide enough that different texts get clearly different vectors.
        initializer_range=0.5,
        **options,
    )
    state = torch.random.get_rng_state()
    torch.manual_seed(7)
    kind(config).eval().save_pretrained(folder)
    torch.random.set_rng_state(state)
    return folder


def _tokenizer() -> PreTrainedTokenizerFast:
    """Words of the list are one token each; others are spelled letter by letter."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,:>-"
    pieces = [*_SPECIAL, *_WORDS.split(), *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=WINDOW,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
