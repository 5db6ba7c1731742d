"""Load series from CSV, Parquet, Feather, NPZ and UCR text files, data frames, arrays, and the example data of aeon.

Labels are never read. Columns named like labels are left out. From a UCR file name, only the end of the training part
is used.
"""

from __future__ import annotations

import importlib.util
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ape.core.errors import InputError
from ape.series.checks import validated
from ape.series.reading.channels import Columns
from ape.series.reading.columns import interpret
from ape.series.reading.compression import COMPRESSED
from ape.series.reading.counters import difference_counters
from ape.series.reading.files import TABLES, read_table, suffix_of
from ape.series.reading.frames import table_of_frame
from ape.series.reading.grid import Gridded, on_grid
from ape.series.reading.options import ReadOptions
from ape.series.reading.table import Table
from ape.series.reading.train_end import resolve_train_end
from ape.series.requirements import Requirements, aligned
from ape.series.series import Reading, Series

FLOAT64_STEP = 2048  # multiples of it are exact in float64 up to 2^63
SUFFIXES = (*TABLES, ".npz", ".txt")
UCR_NAME = re.compile(r"^\d{3}_UCR_Anomaly_.+_(\d+)_\d+_\d+$")
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
        ``.parquet``, ``.feather``, ``.npz`` (``values`` [T] or [T, C], optional ``train_end`` and ``channels``),
        ``.txt`` (UCR: numbers separated by line breaks, spaces or commas), or ``example:internal-bleeding`` (needs
        aeon).
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
    options = options or ReadOptions()
    if str(path).startswith("example:"):
        return _example(str(path).removeprefix("example:"), train_end, text, required, scoring)
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
    name = stem_of(path)
    if suffix == ".npz" or (suffix == ".txt" and _is_ucr(path)):
        parts = (_read_npz if suffix == ".npz" else _read_text)(path)
        if train_end is not None:
            parts["train_end"] = train_end
        return _build(parts, column, text, name, str(path), options, required, scoring)
    table = read_table(path, options)
    return _from_table(table, column, train_end, text, name, str(path), options, required, scoring)


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
    parts = {"values": values, "channels": channels, "train_end": train_end, "timestamps": timestamps}
    return _build(parts, None, text, name, "array", ReadOptions(), required, scoring)


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
    where = "DataFrame"
    table = table_of_frame(frame, where)
    return _from_table(table, column, train_end, text, name, where, options or ReadOptions(), required, scoring)


def _from_table(
    table: Table,
    column: str | Sequence[str] | None,
    train_end: int | str | None,
    text: str | None,
    name: str,
    where: str,
    options: ReadOptions,
    required: Requirements | None,
    scoring: bool,
) -> Series:
    wanted = [column] if isinstance(column, str) else None if column is None else list(column)
    columns = _chosen(interpret(table, options, wanted, where, required), required, table.named, where)
    relative, base = _relative(columns.values, columns.exact, columns.names)
    if columns.times is None:
        grid = Gridded(relative, None)
        unordered: tuple[str, ...] = ()
    else:
        grid = on_grid(relative, columns.times)
        unordered = columns.times.notes
    known = required.counters if required is not None and required.channels else None
    values, counters, counter_notes = difference_counters(
        grid.values, columns.names, grid.gaps, options.difference, known
    )
    times = grid.times
    dated = times is not None and times.stamps.dtype.kind == "M"
    clock = None
    if times is not None and dated:
        offset = times.clock_offset
        clock = times.stamps if offset is None else times.stamps + offset.astype("timedelta64[s]")
    series = validated(
        values,
        columns.names,
        train_end=resolve_train_end(
            train_end, len(values), times if dated else None, clock, grid.point_of_row, where, options.dayfirst
        ),
        timestamps=times.stamps if times is not None and dated else None,
        text=text,
        name=name,
        notes=(*columns.notes, *unordered, *grid.notes, *counter_notes),
        where=where,
        base=np.where(np.isin(columns.names, counters), 0, base),
        required=required,
        scoring=scoring,
        zone=times.zone if times is not None else None,
        clock_offset=times.clock_offset if times is not None else None,
        elapsed=times.stamps if times is not None and not dated else None,
        step=grid.step,
        gaps=grid.gaps,
        point_of_row=grid.point_of_row,
        named=table.named,
        counters=counters,
        reading=_reading(table, columns, grid),
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


def _reading(table: Table, columns: Columns, grid: Gridded) -> Reading:
    times = None
    if grid.times is not None:
        zone = f", zone {grid.times.zone}" if grid.times.zone else ""
        times = f"column {columns.time_column}, {grid.times.format}{zone}"
    return Reading(table.format, times, grid.step_name, columns.left_out)


def _build(
    parts: dict[str, Any],
    column: str | Sequence[str] | None,
    text: str | None,
    name: str,
    where: str,
    options: ReadOptions,
    required: Requirements | None,
    scoring: bool,
) -> Series:
    raw = np.asarray(parts["values"])
    if raw.dtype == object or raw.dtype.kind not in "fiub":
        raise InputError(f"values are not numbers but {raw.dtype}", where, "give numbers")
    if raw.ndim not in (1, 2) or raw.size == 0:
        raise InputError(f"values have shape {raw.shape}", where, "give an array [T] or [T, C]")
    raw = raw.reshape(len(raw), -1)
    values = raw.astype(np.float64)
    channels = parts.get("channels")
    names = [str(c) for c in channels] if channels is not None else _default_names(values.shape[1])
    if len(names) != values.shape[1]:
        raise InputError(f"{len(names)} channel names for {values.shape[1]} channels", where, "name every channel")
    if len(set(names)) != len(names):
        raise InputError("two channels have the same name", where, "rename one of them")
    if column is not None:
        wanted = [column] if isinstance(column, str) else list(column)
        missing = [c for c in wanted if c not in names]
        if missing:
            raise InputError(f"no numeric column '{missing[0]}'", where, f"give one of {', '.join(names)}")
        chosen = [names.index(c) for c in wanted]
        values, raw, names = values[:, chosen], raw[:, chosen], wanted
    exact = {}
    if raw.dtype.kind == "i":
        exact = {c: raw[:, k].astype(np.int64) for k, c in enumerate(names) if np.abs(values[:, k]).max() >= 2.0**53}
    named = channels is not None
    columns = _chosen(Columns(values, tuple(names), exact=exact), required, named, where)
    known = required.counters if required is not None and required.channels else None
    relative, base = _relative(columns.values, columns.exact, columns.names)
    values, counters, counter_notes = difference_counters(relative, columns.names, (), options.difference, known)
    timestamps = parts.get("timestamps")
    series = validated(
        values,
        columns.names,
        train_end=resolve_train_end(parts.get("train_end"), len(values), None, timestamps, None, where),
        timestamps=timestamps,
        text=text if text is not None else parts.get("text"),
        name=name,
        notes=(*columns.notes, *counter_notes),
        where=where,
        base=np.where(np.isin(columns.names, counters), 0, base),
        required=required,
        scoring=scoring,
        named=named,
        counters=counters,
        reading=Reading(parts["format"]) if "format" in parts else None,
    )
    return series if required is None else aligned(series, required)


def _default_names(count: int) -> list[str]:
    return ["value"] if count == 1 else [f"channel{i}" for i in range(count)]


def _is_ucr(path: Path) -> bool:
    """Whether a text file has only numbers, without a table around them."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b";" in head or b"\t" in head:
        return False
    words = head.replace(b",", b" ").split()
    return bool(words) and _is_float(words[0])


def _is_float(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _read_npz(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            if "values" not in stored:
                raise InputError("no array 'values'", str(path), "store the series as 'values', [T] or [T, C]")
            parts: dict[str, Any] = {"values": stored["values"]}
            if "train_end" in stored:
                parts["train_end"] = int(stored["train_end"])
            if "channels" in stored:
                parts["channels"] = [str(c) for c in stored["channels"]]
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"not a readable NPZ: {error}", str(path), "write it again with numpy.savez") from error
    parts["format"] = "NPZ"
    if parts.get("train_end") == 0:  # used by data sets without a training part
        parts["train_end"] = None
    return parts


def _read_text(path: Path) -> dict[str, Any]:
    try:
        words = path.read_text(encoding="utf-8").replace(",", " ").split()
    except UnicodeDecodeError as error:
        raise InputError("not a text file", str(path), "give numbers as UTF-8 text") from error
    try:
        values = np.array(words, dtype=np.float64)
    except ValueError as error:
        bad = next(i for i, word in enumerate(words) if pd.isna(pd.to_numeric(word, errors="coerce")))
        raise InputError(
            f"text {words[bad][:30]!r} among the numbers", f"{path}, value {bad + 1}", "give one number a line"
        ) from error
    ucr_name = UCR_NAME.match(path.stem)
    return {"values": values, "train_end": int(ucr_name.group(1)) if ucr_name else None, "format": "text, one series"}


def _example(
    name: str, train_end: int | str | None, text: str | None, required: Requirements | None, scoring: bool
) -> Series:
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
    parts = {"values": whole, "train_end": len(training) if train_end is None else train_end, "text": EXAMPLES[name]}
    return _build(parts, None, text, name, f"example:{name}", ReadOptions(), required, scoring)
