"""Leave out columns that only number the rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ape.series.reading.names import COUNTERS, TIMES, WEAK_TIMES, key_of
from ape.series.reading.numbers import plain_numbers

CONSECUTIVE = 0.9  # share of the numbers of rows that follow one another: rows may be missing or repeated


def numbers_rows(numbers: np.ndarray) -> bool:
    """Whether numbers [n] count the rows, in any order; some may be missing or occur twice."""
    distinct = np.unique(numbers)
    steps = np.diff(distinct)
    return len(steps) > 0 and len(distinct) >= CONSECUTIVE * len(numbers) and bool((steps == 1).mean() >= CONSECUTIVE)


def without_indices(
    columns: dict[str, pa.ChunkedArray], wanted: Sequence[str] | None
) -> tuple[dict[str, pa.ChunkedArray], list[str]]:
    """Leave out row numbers and second columns of times, unless they are asked for by name or all there is."""
    kept, notes = {}, []
    for position, (name, cells) in enumerate(columns.items()):
        if (wanted is not None and name in wanted) or len(columns) == 1:
            kept[name] = cells
            continue
        key = key_of(name)
        if not name and position == 0:
            notes.append("the unnamed first column was taken as an index and left out")
            continue
        if key in COUNTERS or key in TIMES - WEAK_TIMES:
            numbers = plain_numbers(cells)
            steps = None if numbers is None or len(numbers) < 2 else np.diff(numbers)
            if numbers is not None and key in COUNTERS and numbers_rows(numbers):
                notes.append(f"column '{name}' is a step counter and was left out")
                continue
            if steps is not None and key in TIMES and bool((steps > 0).all()):
                notes.append(f"column '{name}' is a second column of times and was left out")
                continue
        kept[name] = cells
    return (kept, notes) if kept else (columns, [])
