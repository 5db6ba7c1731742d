"""The names of months in several languages."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# By their first letters in lower case.
MONTHS = {
    "jan": 1, "ene": 1, "gen": 1, "feb": 2, "fev": 2, "fév": 2, "mar": 3, "mär": 3, "mrz": 3, "maa": 3, "mrt": 3,
    "apr": 4, "avr": 4, "abr": 4, "may": 5, "mai": 5, "maj": 5, "mei": 5, "mag": 5, "jun": 6, "giu": 6, "juin": 6,
    "jul": 7, "lug": 7, "juil": 7, "aug": 8, "aoû": 8, "aou": 8, "ago": 8, "sep": 9, "set": 9, "oct": 10, "okt": 10,
    "out": 10, "ott": 10, "nov": 11, "dec": 12, "dez": 12, "dic": 12, "déc": 12,
}  # fmt: skip


def month_of(name: str) -> int:
    """Return the number of a month, or 0 if the name is not known."""
    low = name.lower()
    return MONTHS.get(low[:4], 0) or MONTHS.get(low[:3], 0)


def months_of(names: pa.ChunkedArray) -> np.ndarray:
    """Return the number of each month, or 0 where the name is not known, int64 [n]."""
    coded = pc.dictionary_encode(names).combine_chunks()
    return np.array([month_of(name) for name in coded.dictionary.to_pylist()])[coded.indices.to_numpy()]
