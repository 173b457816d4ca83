"""The real encoder, made to fail at texts with a certain word."""

from collections.abc import Sequence

import numpy as np

from embeddings.encoders import Encoder, Vectors


class Refusing(Encoder):
    """The real encoder, but texts with a certain word make it raise."""

    def __init__(self, real: Encoder, word: str) -> None:
        self.real, self.word = real, word
        self.dimensions, self.window, self.runtime = real.dimensions, real.window, real.runtime
        self.seen: list[int] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.seen.append(len(texts))
        if any(self.word in text for text in texts):
            raise ValueError(f"cannot read {self.word}")
        return self.real.encode(texts)

    def count_tokens(self, text: str) -> int:
        return self.real.count_tokens(text)


class Spoiling(Refusing):
    """The real encoder, but texts with a certain word get a vector that is none."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        vectors = self.real.encode(texts)
        for index, text in enumerate(texts):
            if self.word in text:
                vectors[index] = np.nan
        return vectors
