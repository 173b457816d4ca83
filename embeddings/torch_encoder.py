"""sentence-transformers as it comes, on torch: any device, and the yardstick for faster runtimes."""

import os
from collections.abc import Sequence

from django.conf import settings

from embeddings import model_files
from embeddings.encoders import Encoder, Vectors, threads
from embeddings.exceptions import ModelUnavailableError

# Set before the library is imported, or its tokenizers warn and stall in forked processes.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


class TorchEncoder(Encoder):
    """A SentenceTransformer on the device that the settings name."""

    def __init__(self, name: str, revision: str = "") -> None:
        folder = model_files.resolve(name)  # first, for the libraries take seconds to import

        import torch
        from sentence_transformers import SentenceTransformer

        device = None if settings.EMBEDDING_DEVICE == "auto" else settings.EMBEDDING_DEVICE
        torch.set_num_threads(threads())
        self.transformer = SentenceTransformer(folder, revision=revision or None, device=device)
        self.runtime = f"torch {self.transformer.device.type}"
        self.dimensions = int(self.transformer.get_embedding_dimension() or 0)
        self.window = int(self.transformer.max_seq_length or 0)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder.encode."""
        try:
            return self.transformer.encode(
                list(texts),
                batch_size=settings.EMBEDDING_BATCH_SIZE,
                convert_to_numpy=True,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
        except (RuntimeError, MemoryError) as error:
            raise ModelUnavailableError(f"The embedding model failed: {error}") from error

    def count_tokens(self, text: str) -> int:
        """See Encoder.count_tokens."""
        return len(self.transformer.tokenizer(text, truncation=False, verbose=False)["input_ids"])

    def has_word(self, word: str) -> bool:
        """See Encoder.has_word."""
        tokenizer = self.transformer.tokenizer
        return tokenizer.convert_tokens_to_ids(word) not in (None, tokenizer.unk_token_id)
