"""Sentences as numbers: static word vectors, hashed words and pieces of words, and the stems of the lexicon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse

from ape.agents.understanding.stems import HARMLESS, MECHANISM, MORPHOLOGY, weights
from ape.agents.understanding.vectors import vectors

PARTS = ("vectors", "words", "pieces", "stems")
COMPARED = ("vectors", "words", "pieces")  # the rows of each have length 1
BUCKETS = 2**14  # that words and pieces are hashed to
SCALES = {"vectors": 2.0, "stems": 0.7}  # so that no part outweighs the others

Features = Mapping[str, Any]  # a matrix for each part, sparse except that of vectors


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
    return stacked(features_by_part(texts, parts))


def features_by_part(texts: Sequence[str], parts: Sequence[str] = PARTS) -> Features:
    """Return the features of each part, of shape (n_texts, n_features_of_part)."""
    return {part: _PARTS[part](texts) for part in parts}


def stacked(parts: Features) -> scipy.sparse.csr_matrix:
    """Return the features of all parts side by side, scaled."""
    columns = [SCALES.get(part, 1.0) * scipy.sparse.csr_matrix(matrix) for part, matrix in parts.items()]
    return scipy.sparse.hstack(columns, format="csr")


def similarities(some: Features, others: Features) -> np.ndarray:
    """Return how much texts resemble others: the sum of the cosines of their vectors, words and pieces.

    Returns
    -------
    ndarray, shape (n_some, n_others)
    """
    products = (some[part] @ others[part].T for part in COMPARED)
    return sum(product.toarray() if scipy.sparse.issparse(product) else product for product in products)


def _hashed(texts: Sequence[str], **options: Any) -> scipy.sparse.csr_matrix:
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(n_features=BUCKETS, alternate_sign=False, **options).transform(texts)


def _stems(texts: Sequence[str]) -> scipy.sparse.csr_matrix:
    rows = []
    for text in texts:
        stems = [(weights(text, patterns), patterns) for patterns in (MECHANISM, MORPHOLOGY)]
        counts = [named.get(term, (0.0, ""))[0] for named, patterns in stems for term in patterns]
        rows.append([*counts, float(bool(HARMLESS.search(text)))])
    return scipy.sparse.csr_matrix(np.array(rows).reshape(len(texts), len(MECHANISM) + len(MORPHOLOGY) + 1))


_PARTS = {
    "vectors": vectors,
    "words": lambda texts: _hashed(texts, ngram_range=(1, 2)),
    "pieces": lambda texts: _hashed(texts, analyzer="char_wb", ngram_range=(2, 5)),
    "stems": _stems,
}
