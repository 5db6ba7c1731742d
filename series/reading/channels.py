"""Read the columns of numbers, and leave out labels, text and empty columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.core.errors import InputError
from ape.series.reading.names import LABEL_WORDS, LABELS, LABELS_IF_BINARY, key_of
from ape.series.reading.numbers import (
    Marks,
    Numbers,
    choose_decimal,
    cleaned,
    dot_note,
    find_marks,
    looks_like_number,
    mostly_numbers,
    read_numbers,
    sentinel_note,
)
from ape.series.reading.options import ReadOptions
from ape.series.reading.table import Table, is_text
from ape.series.reading.times import Times

TEXT_SHARE = 0.5  # of the cells: a column with fewer numbers is text


@dataclass(frozen=True)
class Columns:
    """The columns of a table by their meaning.

    Parameters
    ----------
    values : ndarray, float64 [n, C]
    names : tuple of str
        Channels.
    times : Times or None
    time_column : str or None
    exact : dict of ndarray
        int64 values of channels that float64 does not represent, by name.
    left_out : tuple of str
        Other columns, with the reason.
    notes : tuple of str
    """

    values: np.ndarray
    names: tuple[str, ...]
    times: Times | None = None
    time_column: str | None = None
    exact: dict[str, np.ndarray] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_channels(
    columns: dict[str, pa.ChunkedArray], options: ReadOptions, column: Sequence[str] | None, table: Table, where: str
) -> Columns:
    """Read the chosen columns, or all columns of numbers, as channels.

    Raises
    ------
    InputError
        A chosen column is not one of numbers, a column of numbers has stray text, or no column is left.
    """
    wanted = list(columns) if column is None else [name.strip() for name in column]
    for name in wanted:
        if name not in columns:
            raise InputError(f"no numeric column '{name}'", where, f"give one of {', '.join(list(columns)[:30])}")
    left_out, notes, kept = [], [], []
    for name in wanted:
        reason = _label_reason(name, columns[name]) if column is None else None
        if reason is not None:
            notes.append(reason)
            left_out.append(f"{name} (labels)")
        else:
            kept.append(name)
    texts = {name: cleaned(columns[name], options.missing) for name in kept if is_text(columns[name])}
    marks = {name: find_marks(text) if options.decimal is None else Marks() for name, text in texts.items()}
    plausible = {name: mark for name, mark in marks.items() if mostly_numbers(texts[name])}
    decimals, decimal_notes = choose_decimal(plausible, table.separator, options.decimal, where)
    notes += decimal_notes
    values: dict[str, np.ndarray] = {}
    reasons: list[InputError] = []
    exact: dict[str, np.ndarray] = {}
    for name in kept:
        if name in texts:
            if name in plausible:
                result = read_numbers(texts[name], decimals[name])
            else:
                result = Numbers(np.full(len(texts[name]), np.nan), pc.is_valid(texts[name]).to_numpy())
        else:
            result = _typed_numbers(columns[name])
        problem = _problem(name, result, column is not None, columns[name], table, where)
        if problem is None:
            shown = name or "value"
            _require_digits(result.values, texts.get(name), f"{where}, column '{shown}'")
            values[shown] = result.values
            notes += [f"column '{shown}': {note}" for note in result.notes]
            if result.exact is not None:
                exact[shown] = result.exact
            if name in texts and decimals.get(name) == "." and options.decimal is None and table.separator == ";":
                notes += dot_note(texts[name], shown)
            if (note := sentinel_note(result.values)) is not None:
                notes.append(f"column '{shown}': {note}")
        else:
            notes.append(problem[0])
            left_out.append(problem[1])
            reasons.append(_why_no_number(name, result, columns[name], table, where))
    if not values:
        if len(reasons) == 1:
            raise reasons[0]
        what = "no number column" if not left_out else f"no number column: left out {', '.join(left_out)[:80]}"
        raise InputError(what, where, "give at least one column of numbers, or name one with --column")
    return Columns(
        np.column_stack(list(values.values())), tuple(values), exact=exact, left_out=tuple(left_out), notes=tuple(notes)
    )


def _label_reason(name: str, cells: pa.ChunkedArray) -> str | None:
    key = key_of(name)
    if key in LABELS:
        return f"column '{name}' looks like labels and was left out"
    if key in LABELS_IF_BINARY or any(word in key for word in LABEL_WORDS):
        few = pc.unique(cells.slice(0, 1000)).drop_null()
        if len(few) <= 3 and len(pc.unique(cells).drop_null()) <= 3 and _binary(few.to_pylist()):
            return f"column '{name}' looks like labels and was left out"
    return None


def _binary(values: Sequence[object]) -> bool:
    words = {str(value).strip().lower() for value in values} - {""}
    return words <= {"0", "1", "0.0", "1.0", "-1", "true", "false"} or not any(
        looks_like_number(word) for word in words
    )


def _typed_numbers(cells: pa.ChunkedArray) -> Numbers:
    kind = cells.type
    if pa.types.is_integer(kind):
        values = pc.cast(cells, pa.float64(), safe=False).to_numpy()
        large = len(values) and not cells.null_count and np.abs(values).max() >= 2.0**53
        exact = pc.cast(cells, pa.int64()).to_numpy() if large and not pa.types.is_uint64(kind) else None
        return Numbers(values, np.zeros(len(values), bool), exact)
    if pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind):
        values = pc.cast(cells, pa.float64(), safe=False).to_numpy()
        return Numbers(values, np.zeros(len(values), bool))
    return Numbers(np.full(len(cells), np.nan), np.ones(len(cells), bool))


def _require_digits(values: np.ndarray, text: pa.ChunkedArray | None, place: str) -> None:
    """Refuse a column whose different numbers are equal as float64."""
    if text is None or len(values) == 0 or np.ptp(values) > 0 or not np.abs(values[0]) > 1e15:
        return
    if len(pc.unique(text)) > 1:
        raise InputError(
            f"values near {values[0]:.6g} vary by less than float64 represents there",
            place,
            "subtract the level before writing the file",
        )


def _problem(
    name: str, result: Numbers, chosen: bool, cells: pa.ChunkedArray, table: Table, where: str
) -> tuple[str, str] | None:
    """Return the note and the reason why a column is left out; refuse stray text in a column of numbers."""
    bad = result.bad
    present = int(np.isfinite(result.values).sum()) + int(np.isinf(result.values).sum())
    place = f"{where}, column '{name}'"
    if not bad.any():
        if present == 0 and len(result.values):
            if chosen:
                raise InputError("the column is empty", place, "choose other columns with --column")
            return f"column '{name}' is empty and was left out", f"{name} (empty)"
        return None
    different = next((note for note in result.notes if note.startswith("cells have different units")), None)
    row = int(np.flatnonzero(bad)[0])
    cell = str(cells[row].as_py())[:30]
    if different is not None and bad.sum() > 0.05 * len(bad):
        raise InputError(different, place, "write them in one unit, or choose other columns with --column")
    if chosen or present > TEXT_SHARE * (present + int(bad.sum())):
        raise InputError(
            f"text {cell!r} in a number column",
            f"{place}, row {row + table.first_row}",
            "fix the cell, say --missing if it means a missing value, or choose other columns with --column",
        )
    return f"column '{name}' is text and was left out", f"{name} (text)"


def _why_no_number(name: str, result: Numbers, cells: pa.ChunkedArray, table: Table, where: str) -> InputError:
    """Return the error for a file whose only column has no numbers."""
    place = f"{where}, column '{name}'"
    if not result.bad.any():
        return InputError(f"only missing values, {len(result.values)} of them", place, "give a column of numbers")
    row = int(np.flatnonzero(result.bad)[0])
    return InputError(
        f"text {str(cells[row].as_py())[:30]!r} in a number column",
        f"{place}, row {row + table.first_row}",
        "give a column of numbers",
    )
