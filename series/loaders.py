"""Load series from CSV, NPZ, UCR text files, pandas, numpy, and the example data of the aeon package.

Labels are never read. Columns named like labels are left out. From a UCR file name, only the end of the training part
is used.
"""

from __future__ import annotations

import importlib.util
import re
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ape.core.errors import InputError
from ape.series.checks import validated
from ape.series.series import Series

LABEL_COLUMNS = {
    "label", "labels", "anomaly", "anomalies", "is_anomaly", "is_anomalous", "outlier", "is_outlier", "attack",
    "changepoint", "ground_truth", "gt", "target_label", "class", "anomaly_label",
}  # fmt: skip
TIME_COLUMNS = {"timestamp", "timestamps", "time", "datetime", "date", "ts"}
UCR_NAME = re.compile(r"^\d{3}_UCR_Anomaly_.+_(\d+)_\d+_\d+$")
EXAMPLES = {
    "internal-bleeding": (
        "Arterial blood pressure of a pig in an internal bleeding study, one pulse wave a heartbeat.\n"
        "A premature or missing beat changes the timing and the shape of a single pulse.\n"
        "Blood loss lowers the pressure; catheter damping flattens the wave.\n"
    )
}


def load(
    path: str | Path,
    column: str | Sequence[str] | None = None,
    train_end: int | None = None,
    text: str | None = None,
) -> Series:
    """Load and validate a series.

    Parameters
    ----------
    path : str or Path
        ``.csv`` or ``.tsv`` (comma, semicolon or tab), ``.npz`` (``values`` [T] or [T, C], optional ``train_end`` and
        ``channels``), ``.txt`` (UCR: numbers separated by line breaks, spaces or commas), or
        ``example:internal-bleeding`` (needs aeon).
    column : str or sequence of str, optional
        Channels to use. By default all numeric columns.
    train_end : int, optional
        Overrides the value in the file. Points before it are assumed to be normal.
    text : str, optional
        Free-text description of the scenario.

    Returns
    -------
    Series

    Raises
    ------
    InputError
        The file cannot be read, or the series is not usable.
    """
    if str(path).startswith("example:"):
        return _example(str(path).removeprefix("example:"), train_end, text)
    path = Path(path)
    if not path.is_file():
        raise InputError("no such file", str(path), "check the path")
    if path.stat().st_size == 0:
        raise InputError("the file is empty", str(path), "give a file with values")
    readers = {".csv": _read_csv, ".tsv": _read_csv, ".npz": _read_npz, ".txt": _read_text}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"cannot read '{path.suffix}' files", str(path), f"give one of {', '.join(sorted(readers))}")
    parts = reader(path)
    if train_end is not None:
        parts["train_end"] = train_end
    return _build(parts, column=column, text=text, name=path.stem, where=str(path))


def from_array(
    values: np.ndarray,
    channels: Sequence[str] | None = None,
    train_end: int | None = None,
    timestamps: np.ndarray | None = None,
    text: str | None = None,
    name: str = "series",
) -> Series:
    """Make a series from an array [T] or [T, C].

    Parameters
    ----------
    values : ndarray [T] or [T, C]
    channels : sequence of str, optional
        Channel names. By default ``value``, or ``channel0``, ``channel1``, ...
    train_end : int, optional
        Points before it are assumed to be normal.
    timestamps : ndarray, datetime64 [T], optional
    text : str, optional
        Free-text description of the scenario.
    name : str
        For people and reports.

    Raises
    ------
    InputError
        The series is not usable.
    """
    parts = {"values": values, "channels": channels, "train_end": train_end, "timestamps": timestamps}
    return _build(parts, column=None, text=text, name=name, where="array")


def from_dataframe(
    frame: pd.DataFrame,
    column: str | Sequence[str] | None = None,
    train_end: int | None = None,
    text: str | None = None,
    name: str = "series",
) -> Series:
    """Make a series from a DataFrame.

    Numeric columns are channels. A datetime index or a time column gives the timestamps. See `load` for the parameters
    and errors.
    """
    if isinstance(frame.index, pd.DatetimeIndex):
        frame = frame.reset_index(names="timestamp")
    parts = _from_frame(frame.astype(object), "DataFrame", first_row=0)
    return _build(parts | {"train_end": train_end}, column=column, text=text, name=name, where="DataFrame")


def _build(
    parts: dict[str, Any], *, column: str | Sequence[str] | None, text: str | None, name: str, where: str
) -> Series:
    raw = np.asarray(parts["values"])
    if raw.dtype == object or raw.dtype.kind not in "fiub":
        raise InputError(f"values are not numbers but {raw.dtype}", where, "give numbers")
    if raw.ndim not in (1, 2) or raw.size == 0:
        raise InputError(f"values have shape {raw.shape}", where, "give an array [T] or [T, C]")
    values = raw.reshape(len(raw), -1).astype(np.float64)
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
        values = values[:, [names.index(c) for c in wanted]]
        names = wanted
    return validated(
        values,
        names,
        train_end=parts.get("train_end"),
        timestamps=parts.get("timestamps"),
        text=text if text is not None else parts.get("text"),
        name=name,
        notes=tuple(parts.get("notes", ())),
        where=where,
    )


def _default_names(count: int) -> list[str]:
    return ["value"] if count == 1 else [f"channel{i}" for i in range(count)]


def _read_csv(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            first = lines.readline()
        separator = max(",;\t", key=first.count)
        has_header = any(
            pd.isna(pd.to_numeric(cell, errors="coerce")) for cell in first.strip().split(separator) if cell
        )
        frame = pd.read_csv(
            path,
            sep=separator,
            header=0 if has_header else None,
            encoding="utf-8-sig",
            skipinitialspace=True,
            skip_blank_lines=separator in first,  # in a single column, an empty line is a missing value
        )
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(
            f"not a readable CSV: {error}", str(path), "give UTF-8 text with one row a time step"
        ) from error
    if not has_header:
        frame.columns = pd.Index(_default_names(frame.shape[1]))
    if frame.empty:
        raise InputError("the file has a header and no rows", str(path), "give a file with values")
    return _from_frame(frame, str(path), first_row=2 if has_header else 1)


def _from_frame(frame: pd.DataFrame, where: str, first_row: int) -> dict[str, Any]:
    """Split a table into channels, timestamps and notes. Errors number the rows from ``first_row``."""
    notes: list[str] = []
    timestamps = None
    columns: dict[str, np.ndarray] = {}
    for position, label in enumerate(frame.columns):
        name = str(label).strip()
        column = frame[label]
        if name.lower() in LABEL_COLUMNS:
            notes.append(f"column '{name}' looks like labels and was left out")
            continue
        numbers = pd.to_numeric(column, errors="coerce")
        is_text = numbers.isna() & column.notna()
        if timestamps is None and (name.lower() in TIME_COLUMNS or (position == 0 and bool(is_text.all()))):
            timestamps, note = _timestamps(column, numbers, bool(is_text.any()), where, name)
            notes += [note] if note else []
            continue
        if name.startswith("Unnamed") and position == 0:
            notes.append("the unnamed first column was taken as an index and left out")
            continue
        if is_text.any():
            row = int(np.flatnonzero(is_text.to_numpy())[0])
            raise InputError(
                f"text {str(column.iloc[row])[:30]!r} in a number column",
                f"{where}, column '{name}', row {row + first_row}",
                "fix the cell, or choose other columns with --column",
            )
        columns[name] = numbers.to_numpy(dtype=np.float64)
    if not columns:
        raise InputError("no number column", where, "give at least one column of numbers")
    return {
        "values": np.column_stack(list(columns.values())),
        "channels": list(columns),
        "timestamps": timestamps,
        "notes": notes,
    }


def _timestamps(
    column: pd.Series, numbers: pd.Series, is_text: bool, where: str, name: str
) -> tuple[np.ndarray | None, str | None]:
    if is_text or column.dtype.kind == "M":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # format guessing; unreadable times raise below
            parsed = pd.to_datetime(column, errors="coerce", utc=True)
        if parsed.isna().any():
            row = int(np.flatnonzero(parsed.isna().to_numpy())[0])
            raise InputError(
                f"unreadable time {str(column.iloc[row])[:30]!r}",
                f"{where}, column '{name}', row {row + 2}",
                "write times as 2024-01-31 12:00:00",
            )
        stamps = parsed.dt.tz_localize(None).to_numpy(dtype="datetime64[ns]")
    elif float(numbers.min()) > 1e8:  # seconds, milliseconds, microseconds or nanoseconds since 1970
        unit = ("s", "ms", "us", "ns")[min(3, int(np.log10(float(numbers.max())) - 8) // 3)]
        stamps = pd.to_datetime(numbers, unit=unit).to_numpy(dtype="datetime64[ns]")  # type: ignore[call-overload]
    else:
        return None, f"column '{name}' is a step counter and was left out"
    if (np.diff(stamps) <= np.timedelta64(0, "ns")).any():
        return None, f"times in column '{name}' do not always increase: rows keep the file order, times are left out"
    return stamps, None


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
    return {"values": values, "train_end": int(ucr_name.group(1)) if ucr_name else None}


def _example(name: str, train_end: int | None, text: str | None) -> Series:
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
    return _build(parts, column=None, text=text, name=name, where=f"example:{name}")
