"""Recognise long tables, whose rows belong to several series, and turn the series into channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.core.errors import InputError
from ape.series.reading.channels import Columns, read_channels
from ape.series.reading.labels import LABELS
from ape.series.reading.missing import cleaned
from ape.series.reading.names import NUMBERED_SERIES, SERIES_NAMES, TIMES, key_of
from ape.series.reading.number_cells import mostly_numbers
from ape.series.reading.options import ReadOptions
from ape.series.reading.table import Table, is_text
from ape.series.reading.times import Times

MOST_SERIES = 5_000  # of a long table
SHARED_TIMES = 0.9  # of all times: what each series of a long table has at least, to be pivoted without asking


def series_column_of(
    columns: dict[str, pa.ChunkedArray],
    times: Times | None,
    options: ReadOptions,
    column: Sequence[str] | None,
    where: str,
) -> tuple[str, str | None] | None:
    """Return the column of a long table that names the series, and the one series to read."""
    given = options.series_column
    if given is not None:
        name, _, value = given.partition("=")
        if given in columns:
            name, value = given, ""
        if name not in columns:
            raise InputError(f"no column '{name}'", where, f"give one of {', '.join(list(columns)[:30])}")
        return name, value or None
    if times is None or len(times.stamps) < 4:
        return None
    rising = bool((np.diff(times.stamps) > np.timedelta64(0, "ns")).all())
    distinct = len(times.stamps) if rising else len(np.unique(times.stamps))
    if distinct > 0.6 * len(times.stamps):
        _refuse_joined_series(columns, column, where)
        return None
    for name in sorted(columns, key=lambda each: key_of(each) not in SERIES_NAMES):
        if not _may_name_series(name, columns[name]):
            continue
        codes = _codes(columns[name])
        count = int(codes.max()) + 1
        if not 2 <= count <= min(MOST_SERIES, len(codes) // 2):
            continue
        pairs = np.unique(np.column_stack([codes, times.stamps.astype(np.int64)]), axis=0)
        if len(pairs) < 0.95 * len(codes):
            continue
        if len(codes) < SHARED_TIMES * distinct * count:
            raise InputError(
                f"a long table: column '{name}' names {count} series with different times",
                where,
                f"read one with --series-column {name}={columns[name][0].as_py()}, or all with --series-column {name}",
            )
        return name, None
    return None


def _may_name_series(name: str, cells: pa.ChunkedArray) -> bool:
    """Whether a column is named like names of series, or has words."""
    key = key_of(name)
    if key in SERIES_NAMES:
        return True
    return key not in LABELS | TIMES and is_text(cells) and not mostly_numbers(cleaned(cells))


def _refuse_joined_series(columns: dict[str, pa.ChunkedArray], column: Sequence[str] | None, where: str) -> None:
    """Refuse a table of several series with different times, which would become one series."""
    for name, cells in columns.items():
        if key_of(name) not in SERIES_NAMES - {"type", "unit", "location", "name", "number"} or (
            column and name in column
        ):
            continue
        if not is_text(cells) and not pa.types.is_integer(cells.type):
            continue
        numbered = is_text(cells) and mostly_numbers(cleaned(cells))
        if numbered and key_of(name) not in NUMBERED_SERIES:
            continue
        codes = _codes(cells)
        count = int(codes.max()) + 1
        if 2 <= count <= min(MOST_SERIES, len(codes) // 10):
            raise InputError(
                f"column '{name}' names {count} series with different times",
                where,
                f"read one with --series-column {name}={cells[0].as_py()}, or all with --series-column {name}",
            )


def _codes(cells: pa.ChunkedArray) -> np.ndarray:
    coded = pc.dictionary_encode(cells, null_encoding="encode").combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.chunk(0)
    return coded.indices.to_numpy(zero_copy_only=False)


def names_of_series(table: Table, column: str, where: str) -> list[str]:
    """Return the names of the series of a long table, in the order of the file.

    Raises
    ------
    InputError
        The table has no such column, or it has no names.
    """
    if column not in table.columns:
        raise InputError(f"no column '{column}'", where, f"give one of {', '.join(list(table.columns)[:30])}")
    names = pc.unique(pc.utf8_trim_whitespace(pc.cast(table.columns[column], pa.string()))).to_pylist()
    found = [name for name in names if name]
    if not 1 <= len(found) <= MOST_SERIES:
        raise InputError(
            f"column '{column}' names {len(found)} series", where, f"give one that names 1 to {MOST_SERIES}"
        )
    return found


def read_long(
    columns: dict[str, pa.ChunkedArray],
    times: Times | None,
    time_column: str | None,
    series_column: tuple[str, str | None],
    options: ReadOptions,
    column: Sequence[str] | None,
    table: Table,
    notes: tuple[str, ...],
    where: str,
) -> Columns:
    """Read one series of a long table, or turn its series into channels."""
    name, value = series_column
    ids = pc.utf8_trim_whitespace(pc.cast(columns[name], pa.string()))
    rest = {each: cells for each, cells in columns.items() if each != name}
    if value is not None:
        chosen = pc.equal(ids, value)
        count = pc.sum(chosen).as_py() or 0
        if count == 0:
            known = ", ".join(map(str, pc.unique(ids).to_pylist()[:20]))
            raise InputError(f"no series '{value}' in column '{name}'", where, f"give one of {known}")
        rows = np.flatnonzero(chosen.to_numpy())
        part = table.take(rows)
        wide = read_channels({each: part.columns[each] for each in rest}, options, column, part, where)
        own = None if times is None else times.take(rows)
        note = f"a long table: only the series '{value}' of column '{name}' is read"
        return replace(wide, times=own, time_column=time_column, notes=(*notes, note, *wide.notes))
    if times is None:
        raise InputError(
            "a long table without times cannot be pivoted", where, f"read one series with --series-column {name}=NAME"
        )
    codes = _codes(ids)
    labels = [str(each) for each in pc.unique(ids).to_pylist()]
    measured = column if column is not None and all(each in rest for each in column) else None
    flat = read_channels(rest, options, measured, table, where)
    stamps, first, place = np.unique(times.stamps, return_index=True, return_inverse=True)
    several = len(flat.names) > 1
    names, blocks = [], []
    repeated = 0
    for code, label in enumerate(labels):
        for k, measure in enumerate(flat.names):
            block = np.full(len(stamps), np.nan)
            rows = np.flatnonzero(codes == code)
            block[place[rows]] = flat.values[rows, k]
            repeated += len(rows) - len(np.unique(place[rows]))
            names.append(f"{label} {measure}" if several else label)
            blocks.append(block)
    if repeated:
        raise InputError(
            f"{repeated} rows repeat a time of their series", f"{where}, column '{name}'", "keep one row for each time"
        )
    values = np.column_stack(blocks)
    if column is not None and measured is None:
        missing = [each for each in column if each not in names]
        if missing:
            raise InputError(f"no channel '{missing[0]}'", where, f"give one of {', '.join(names[:30])}")
        values = values[:, [names.index(each) for each in column]]
        names = list(column)
    note = f"a long table: the {len(labels)} series of column '{name}' are the channels"
    return replace(
        flat,
        values=values,
        names=tuple(names),
        times=times.take(first),
        time_column=time_column,
        exact={},
        notes=(*notes, note, *flat.notes),
    )
