"""Sentences as numbers: static word vectors, hashed words and pieces of words, and the stems of the lexicon."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from ape.agents.understanding.hints import _HARMLESS, MECHANISM, MORPHOLOGY, _weights
from ape.core.errors import InputError

PARTS = ("vectors", "words", "pieces", "stems")
BUCKETS = 2**14  # that words and pieces are hashed to
SCALES = {"vectors": 2.0, "stems": 0.7}  # so that no part outweighs the others


def features(texts: Sequence[str], parts: Sequence[str] = PARTS) -> scipy.sparse.csr_matrix:
    """Return the features of some sentences.

    Parameters
    ----------
    texts : sequence of str
    parts : sequence of str
        Which of ``PARTS`` to use.

    Returns
    -------
    scipy.sparse.csr_matrix, shape (n_texts, n_features)
    """
    return scipy.sparse.hstack([SCALES.get(part, 1.0) * _PARTS[part](texts) for part in parts], format="csr")


def vectors(texts: Sequence[str]) -> np.ndarray:
    """Return the mean vector of the word pieces of each sentence, of length 1, shape (n_texts, 256).

    The vectors are those of wordllama (Miller 2024): token embeddings of large language models, compressed. The
    package's own loader downloads its tokenizer, so its two files are read here.
    """
    tokenizer, table = _wordllama()
    encodings = tokenizer.encode_batch([text.lower() for text in texts], add_special_tokens=False)
    counts = [len(encoding.ids) for encoding in encodings]
    rows, columns = np.repeat(np.arange(len(texts)), counts), [i for encoding in encodings for i in encoding.ids]
    tokens = scipy.sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (len(texts), len(table)))
    used = np.unique(columns).astype(int)
    sums = tokens[:, used] @ table[used].astype(np.float32)
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)


@cache
def _wordllama() -> tuple[Any, np.ndarray]:
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


def _hashed(texts: Sequence[str], **options: Any) -> scipy.sparse.csr_matrix:
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(n_features=BUCKETS, alternate_sign=False, **options).transform(texts)


def _stems(texts: Sequence[str]) -> scipy.sparse.csr_matrix:
    rows = []
    for text in texts:
        found = [(_weights(text, patterns), patterns) for patterns in (MECHANISM, MORPHOLOGY)]
        counts = [weights.get(term, (0.0, ""))[0] for weights, patterns in found for term in patterns]
        rows.append([*counts, float(bool(_HARMLESS.search(text)))])
    return scipy.sparse.csr_matrix(np.array(rows).reshape(len(texts), len(MECHANISM) + len(MORPHOLOGY) + 1))


_PARTS = {
    "vectors": lambda texts: scipy.sparse.csr_matrix(vectors(texts)),
    "words": lambda texts: _hashed(texts, ngram_range=(1, 2)),
    "pieces": lambda texts: _hashed(texts, analyzer="char_wb", ngram_range=(2, 5)),
    "stems": _stems,
}
