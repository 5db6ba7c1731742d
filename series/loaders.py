"""Load series from CSV, Parquet, Feather, NPZ and UCR text files, data frames, arrays, and the example data of aeon.

Labels are never read. Columns named like labels are left out. From a UCR file name, only the end of the training part
is used.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ape.core.errors import InputError
from ape.series.checks import validated
from ape.series.reading.array_files import ArrayFile, is_ucr, read_arrays
from ape.series.reading.arrays import columns_of_array
from ape.series.reading.channels import Columns
from ape.series.reading.columns import interpret
from ape.series.reading.compression import COMPRESSED
from ape.series.reading.counters import difference_counters
from ape.series.reading.files import TABLES, read_table, suffix_of
from ape.series.reading.frames import table_of_frame
from ape.series.reading.grid import Gridded, on_grid
from ape.series.reading.options import ReadOptions
from ape.series.reading.table import Table
from ape.series.reading.time_zones import in_zone, is_zone
from ape.series.reading.train_end import resolve_train_end
from ape.series.requirements import Requirements, aligned
from ape.series.series import Reading, Series

FLOAT64_STEP = 2048  # multiples of it are exact in float64 up to 2^63
ARRAYS = (".npz", ".npy")
SUFFIXES = (*TABLES, *ARRAYS, ".txt")
EXAMPLES = {
    "internal-bleeding": (
        "Arterial blood pressure of a pig in an internal bleeding study, one pulse wave a heartbeat.\n"
        "A premature or missing beat changes the timing and the shape of a single pulse.\n"
        "Blood loss lowers the pressure; catheter damping flattens the wave.\n"
    )
}


def is_series_file(path: Path) -> bool:
    """Whether the name of a file is that of a series."""
    return suffix_of(path) in SUFFIXES


def stem_of(path: Path) -> str:
    """Return the name of a file without its suffix and that of its compression."""
    if path.suffix.lower() in COMPRESSED and suffix_of(path):
        return path.name[: -len(path.suffix)].rsplit(".", 1)[0]
    return path.stem


def load(
    path: str | Path,
    column: str | Sequence[str] | None = None,
    train_end: int | str | None = None,
    text: str | None = None,
    options: ReadOptions | None = None,
    required: Requirements | None = None,
    scoring: bool = False,
) -> Series:
    """Load and validate a series.

    Parameters
    ----------
    path : str or Path
        A CSV file (``.csv``, ``.tsv``, ``.txt`` with several columns; any separator, encoding and compression),
        ``.parquet``, ``.feather``, ``.npz`` (``values`` [T] or [T, C]; optional ``train_end``, ``channels`` and
        ``timestamps``), ``.npy``, ``.txt`` (UCR: numbers separated by line breaks, spaces or commas), or
        ``example:internal-bleeding`` (needs aeon).
    column : str or sequence of str, optional
        Channels to use. By default all numeric columns.
    train_end : int or str, optional
        Overrides the value in the file. Points before it are assumed to be normal. A row, a date on the clock of the
        file, or a percentage such as ``60%``.
    text : str, optional
        Free-text description of the scenario.
    options : ReadOptions, optional
        How to read the file. By default everything is inferred.
    required : Requirements, optional
        ``detector.required`` of a trained detector: its channels are read, whatever the file has besides, in its order
        and relative to its offsets. Notes of the series say what differs from the training data.
    scoring : bool
        The series is only scored. Rules for training data do not apply: it may be short or constant, and values may
        be missing or infinite anywhere.

    Returns
    -------
    Series

    Raises
    ------
    InputError
        The file cannot be read, the series is not usable, or a required channel is missing.
    """
    asked = _asked(str(path), column, train_end, text, options, required, scoring)
    if str(path).startswith("example:"):
        return _example(str(path).removeprefix("example:"), asked)
    path = Path(path)
    if not path.is_file():
        raise InputError("no such file", str(path), "check the path")
    if path.stat().st_size == 0:
        raise InputError("the file is empty", str(path), "give a file with values")
    suffix = suffix_of(path)
    if suffix not in SUFFIXES:
        given = path.suffix if suffix == path.suffix.lower() else suffix + path.suffix
        hint = "save it as CSV" if suffix.startswith(".xls") else f"give one of {', '.join(sorted(SUFFIXES))}"
        raise InputError(f"cannot read '{given}' files", str(path), hint)
    asked = replace(asked, name=stem_of(path))
    if suffix in ARRAYS or (suffix == ".txt" and is_ucr(path)):
        return _from_arrays(read_arrays(path), asked)
    return _from_table(read_table(path, asked.options), asked)


def from_array(
    values: np.ndarray,
    channels: Sequence[str] | None = None,
    train_end: int | str | None = None,
    timestamps: np.ndarray | None = None,
    text: str | None = None,
    name: str = "series",
    required: Requirements | None = None,
    scoring: bool = False,
) -> Series:
    """Make a series from an array [T] or [T, C].

    Parameters
    ----------
    values : ndarray [T] or [T, C]
    channels : sequence of str, optional
        Channel names. By default ``value``, or ``channel0``, ``channel1``, ...
    train_end : int or str, optional
        Points before it are assumed to be normal.
    timestamps : ndarray, datetime64 [T], optional
    text : str, optional
        Free-text description of the scenario.
    name : str
        For people and reports.
    required, scoring
        See `load`.

    Raises
    ------
    InputError
        The series is not usable, or a required channel is missing.
    """
    arrays = ArrayFile(values, "array", None if channels is None else tuple(channels), timestamps)
    return _from_arrays(arrays, _asked("array", None, train_end, text, None, required, scoring, name))


def from_dataframe(
    frame: Any,
    column: str | Sequence[str] | None = None,
    train_end: int | str | None = None,
    text: str | None = None,
    name: str = "series",
    options: ReadOptions | None = None,
    required: Requirements | None = None,
    scoring: bool = False,
) -> Series:
    """Make a series from a DataFrame of pandas, or of Polars and others through the dataframe interchange protocol.

    Numeric columns are channels. A datetime index or a time column gives the timestamps. See `load` for the parameters
    and errors.
    """
    asked = _asked("DataFrame", column, train_end, text, options, required, scoring, name)
    return _from_table(table_of_frame(frame, asked.where), asked)


@dataclass(frozen=True)
class _Asked:
    """What the caller of a loader asks for; see `load`."""

    where: str
    name: str
    column: Sequence[str] | None
    train_end: int | str | None
    text: str | None
    options: ReadOptions
    required: Requirements | None
    scoring: bool


def _asked(
    where: str,
    column: str | Sequence[str] | None,
    train_end: int | str | None,
    text: str | None,
    options: ReadOptions | None,
    required: Requirements | None,
    scoring: bool,
    name: str = "series",
) -> _Asked:
    names = [column] if isinstance(column, str) else column
    return _Asked(where, name, names, train_end, text, options or ReadOptions(), required, scoring)


def _from_table(table: Table, asked: _Asked) -> Series:
    columns = interpret(table, asked.options, asked.column, asked.where, asked.required)
    columns = _in_known_zone(columns, asked.options.timezone, asked.required, asked.where)
    return _series(columns, table.format, table.named, asked)


def _from_arrays(arrays: ArrayFile, asked: _Asked) -> Series:
    columns = columns_of_array(arrays.values, arrays.channels, arrays.timestamps, asked.column, asked.where)
    train_end = arrays.train_end if asked.train_end is None else asked.train_end
    return _series(columns, arrays.format, arrays.channels is not None, replace(asked, train_end=train_end))


def _series(columns: Columns, form: str, named: bool, asked: _Asked) -> Series:
    required, options = asked.required, asked.options
    columns = _chosen(columns, required, named, asked.where)
    relative, base = _relative(columns.values, columns.exact, columns.names)
    grid = Gridded(relative, None) if columns.times is None else on_grid(relative, columns.times)
    known = required.counters if required is not None and required.channels else None
    values, counters, counter_notes = difference_counters(
        grid.values, columns.names, grid.gaps, options.difference, known
    )
    times, dates, clock = grid.times, None, None
    if times is not None and times.stamps.dtype.kind == "M":
        offset = times.clock_offset
        dates, clock = times, times.stamps if offset is None else times.stamps + offset.astype("timedelta64[s]")
    train_end = resolve_train_end(
        asked.train_end, len(values), dates, clock, grid.point_of_row, asked.where, options.dayfirst
    )
    time_notes = () if columns.times is None else columns.times.notes
    series = validated(
        values,
        columns.names,
        train_end=train_end,
        timestamps=None if dates is None else dates.stamps,
        text=asked.text,
        name=asked.name,
        notes=(*columns.notes, *time_notes, *grid.notes, *counter_notes),
        where=asked.where,
        base=np.where(np.isin(columns.names, counters), 0, base),
        required=required,
        scoring=asked.scoring,
        zone=None if times is None else times.zone,
        clock_offset=None if times is None else times.clock_offset,
        elapsed=times.stamps if times is not None and dates is None else None,
        step=grid.step,
        gaps=grid.gaps,
        point_of_row=grid.point_of_row,
        named=named,
        counters=counters,
        reading=_reading(form, columns, grid),
    )
    return series if required is None else aligned(series, required)


def _chosen(columns: Columns, required: Requirements | None, named: bool, where: str) -> Columns:
    """Return the columns that a detector requires, in its order and under its names."""
    if required is None or not required.channels:
        return columns
    places, notes = required.places(columns.names, named, where)
    exact = {
        channel: columns.exact[columns.names[place]]
        for channel, place in zip(required.channels, places, strict=True)
        if columns.names[place] in columns.exact
    }
    return replace(
        columns,
        values=columns.values[:, places],
        names=required.channels,
        exact=exact,
        notes=tuple(dict.fromkeys((*columns.notes, *notes))),
    )


def _in_known_zone(columns: Columns, timezone: str | None, required: Requirements | None, where: str) -> Columns:
    """Read dates without a zone in the zone of the training data; say so, and that the file's own zone counts."""
    times, zone = columns.times, None if required is None else required.zone
    if times is None or times.stamps.dtype.kind != "M":
        return columns
    if times.zone is not None:
        note = f"the times have their own zone, {times.zone}: --timezone {timezone} only tells what abbreviations mean"
        return columns if timezone in (None, times.zone) else replace(columns, notes=(*columns.notes, note))
    if zone is None or not is_zone(zone):  # in training, the clock may have had several offsets
        return columns
    note = f"times without a zone are read in {zone}, as in training; --timezone says otherwise"
    return replace(columns, times=in_zone(times, zone, where), notes=(*columns.notes, note))


def _relative(
    values: np.ndarray, exact: Mapping[str, np.ndarray], names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Subtract a level from integers that float64 does not represent; return the values and the levels."""
    base = np.zeros(len(names))
    if not exact:
        return values, base
    values = values.copy()
    for column, name in enumerate(names):
        if name in exact:
            low = int(exact[name].min()) // FLOAT64_STEP * FLOAT64_STEP
            if int(exact[name].max()) - low < 2**62:
                base[column] = low
                values[:, column] = exact[name] - low
    return values, base


def _reading(form: str, columns: Columns, grid: Gridded) -> Reading:
    times = None
    if grid.times is not None:
        zone = f", zone {grid.times.zone}" if grid.times.zone else ""
        times = f"column {columns.time_column}, {grid.times.format}{zone}"
    return Reading(form, times, grid.step_name, columns.left_out)


def _example(name: str, asked: _Asked) -> Series:
    if name not in EXAMPLES:
        raise InputError(f"no example '{name}'", "example:", f"give one of {', '.join(EXAMPLES)}")
    spec = importlib.util.find_spec("aeon")  # finds the folder without the slow import
    if spec is None or spec.origin is None:
        raise InputError(
            "the package aeon, which contains it, is not installed", name, "pip install 'ape-tsad[examples]'"
        )
    folder = Path(spec.origin).parent / "datasets/data/KDD-TSAD_135"
    whole, training = (
        pd.read_csv(folder / f"135_UCR_Anomaly_InternalBleeding16_{part}.csv", usecols=["value"])["value"].to_numpy()
        for part in ("TEST", "TRAIN")
    )
    text = EXAMPLES[name] if asked.text is None else asked.text
    return _from_arrays(ArrayFile(whole, "example", train_end=len(training)), replace(asked, name=name, text=text))
