"""Static vectors of sentences, whose weights come with the package wordllama."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from ape.core.errors import InputError


def vectors(texts: Sequence[str]) -> np.ndarray:
    """Return the mean vector of the word pieces of each text.

    The vectors are those of wordllama (Miller 2024): token embeddings of large language models, compressed to 256
    numbers.

    Returns
    -------
    ndarray, shape (n_texts, 256), float32
        Of length 1, or zero for a text without words.
    """
    tokenizer, table = _model()
    encodings = tokenizer.encode_batch([text.lower() for text in texts], add_special_tokens=False)
    rows = np.repeat(np.arange(len(texts)), [len(encoding.ids) for encoding in encodings])
    columns = np.array([token for encoding in encodings for token in encoding.ids], int)
    used, places = np.unique(columns, return_inverse=True)
    counts = scipy.sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, places)), (len(texts), len(used)))
    sums = counts @ table[used].astype(np.float32)
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)


@cache
def _model() -> tuple[Any, np.ndarray]:
    """The tokenizer and the table of vectors. The package's own loader downloads the tokenizer, which it has."""
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    package = find_spec("wordllama")
    if package is None or package.origin is None:
        raise InputError("package missing", "wordllama", "pip install wordllama")
    folder = Path(package.origin).parent
    tokenizer = Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer, load_file(folder / "weights" / "l2_supercat_256.safetensors")["embedding.weight"]
