"""Leave out columns that only number the rows or repeat the times."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ape.series.reading.names import ROW_NUMBERS, key_of
from ape.series.reading.numbers import plain_numbers
from ape.series.reading.other_times import repeats_times
from ape.series.reading.times import Times

UNNAMED = re.compile(r"#\d+|Unnamed: [\d.]+")  # names of columns that have none
UNNAMED_FIRST = "channel0"  # the first column of a table without a header
CONSECUTIVE = 0.9  # share of the numbers of rows that follow one another: rows may be missing or repeated


def numbers_rows(numbers: np.ndarray) -> bool:
    """Whether numbers [n] count the rows, in any order; some may be missing or occur twice."""
    distinct = np.unique(numbers)
    steps = np.diff(distinct)
    return len(steps) > 0 and len(distinct) >= CONSECUTIVE * len(numbers) and bool((steps == 1).mean() >= CONSECUTIVE)


def _counts_from_start(cells: pa.ChunkedArray) -> bool:
    """Whether cells are 0, 1, 2 and so on, or 1, 2, 3."""
    numbers = plain_numbers(cells)
    return numbers is not None and len(numbers) > 2 and numbers[0] in (0, 1) and bool((np.diff(numbers) == 1).all())


def without_indices(
    columns: dict[str, pa.ChunkedArray], wanted: Sequence[str] | None, times: Times | None = None
) -> tuple[dict[str, pa.ChunkedArray], list[str]]:
    """Leave out row numbers and columns that repeat the times, unless asked for by name or there are no others."""
    kept, notes = {}, []
    for position, (name, cells) in enumerate(columns.items()):
        if (wanted is not None and name in wanted) or len(columns) == 1:
            kept[name] = cells
        elif not name and position == 0:
            notes.append("the unnamed first column was taken as an index and left out")
        elif position == 0 and name == UNNAMED_FIRST and _counts_from_start(cells):
            notes.append("the first column numbers the rows and was left out")
        elif (
            (key_of(name) in ROW_NUMBERS or UNNAMED.fullmatch(name))
            and (numbers := plain_numbers(cells)) is not None
            and numbers_rows(numbers)
        ):
            notes.append(f"column '{name}' is a step counter and was left out")
        elif what := repeats_times(name, cells, times):
            notes.append(f"column '{name}' is {what} and was left out")
        else:
            kept[name] = cells
    return (kept, notes) if kept else (columns, [])
