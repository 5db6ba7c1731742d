"""Vectors of sentences from static word vectors, whose weights come with the package wordllama."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np


def vectors(texts: Sequence[str]) -> np.ndarray:
    """Return a vector of length one for each text, float32 [n, 256]: the mean of the vectors of its parts of words."""
    tokenizer, weights = _model()
    found = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    means = np.stack([weights[ids].mean(axis=0) if ids else np.zeros(weights.shape[1]) for ids in found])
    return (means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)).astype(np.float32)


@cache
def _model() -> tuple[Any, np.ndarray]:
    """Load the tokenizer and the weights, which takes a quarter of a second; wordllama's loader may use the network."""
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    folder = files("wordllama")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    (weights,) = load_file(str(folder / "weights" / "l2_supercat_256.safetensors")).values()
    return tokenizer, weights.astype(np.float32)
