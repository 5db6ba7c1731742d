"""Read the columns of numbers, and leave out labels, text and empty columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.core.errors import InputError
from ape.series.reading.decimal_mark import Marks, choose_decimal, find_marks, other_dates
from ape.series.reading.labels import is_label
from ape.series.reading.missing import LARGEST, cleaned, recurring_extreme
from ape.series.reading.number_cells import mostly_numbers, plainly_written
from ape.series.reading.numbers import MOST_UNITS, Numbers, no_numbers, read_numbers, typed_numbers
from ape.series.reading.options import ReadOptions
from ape.series.reading.table import Table, is_text
from ape.series.reading.times import Times

TEXT_SHARE = 0.5  # of the cells: a column with fewer numbers is text
NOT_ZERO = r"^\s*[+-]?[0.,]*[1-9]"
DIFFERENT_UNITS = 0.05  # of the cells: fewer are stray text


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
        int64 or uint64 values of channels that float64 does not represent, by name.
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
    columns: dict[str, pa.ChunkedArray],
    options: ReadOptions,
    column: Sequence[str] | None,
    table: Table,
    where: str,
    empty_too: bool = False,
) -> Columns:
    """Read the chosen columns, or all columns of numbers, as channels; chosen columns without values if ``empty_too``.

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
        if column is None and is_label(name, columns[name]):
            notes.append(f"column '{name}' looks like labels and was left out; --column '{name}' reads it")
            left_out.append(f"{name} (labels)")
        else:
            kept.append(name)
    numbers, decimal_notes = _read_all({name: columns[name] for name in kept}, options, table, where)
    notes += decimal_notes
    values: dict[str, np.ndarray] = {}
    exact: dict[str, np.ndarray] = {}
    for name, result in numbers.items():
        shown = name or "value"
        place = f"{where}, column '{shown}'"
        reason = _reason_to_leave_out(result)
        if reason is not None and column is None and len(columns) > 1:
            notes.append(f"column '{name}' is {reason} and was left out")
            left_out.append(f"{name} ({reason})")
            continue
        if reason != "empty" or not empty_too:
            _require_numbers(result, columns[name], place, table)
        notes += [f"column '{shown}': {note}" for note in (*result.notes, *_extreme_notes(result.values, place))]
        values[shown] = result.values
        if result.exact is not None:
            exact[shown] = result.exact
    if not values:
        what = "no column of numbers" + (f": left out {', '.join(left_out)[:80]}" if left_out else "")
        raise InputError(what, where, "give at least one, or name one with --column")
    return Columns(
        np.column_stack(list(values.values())),
        tuple(values),
        exact=exact,
        left_out=tuple(left_out),
        notes=tuple(notes),
    )


def _read_all(
    columns: dict[str, pa.ChunkedArray], options: ReadOptions, table: Table, where: str
) -> tuple[dict[str, Numbers], list[str]]:
    """Read columns as numbers; the decimal mark of one depends on the others."""
    texts = {name: cleaned(cells, options.missing) for name, cells in columns.items() if is_text(cells)}
    texts = {name: plainly_written(text) for name, text in texts.items() if mostly_numbers(text)}
    marks = {name: Marks() if options.decimal else find_marks(text) for name, text in texts.items()}
    dates = other_dates(table.columns.values())
    decimals, notes = choose_decimal(marks, table.separator, options.decimal, where, dates)
    numbers: dict[str, Numbers] = {}
    for name, cells in columns.items():
        if name in texts:
            result = read_numbers(texts[name], decimals[name])
        elif is_text(cells):
            result = no_numbers(cleaned(cells, options.missing))
        else:
            result = typed_numbers(cells)
        numbers[name] = result.without(options.missing)
    return numbers, notes


def _reason_to_leave_out(result: Numbers) -> str | None:
    """Return why a column is no channel; None for numbers, even with some stray text."""
    present = int((~np.isnan(result.values)).sum())
    if present == 0 and not result.bad.any():
        return "empty"
    text = present <= TEXT_SHARE * (present + int(result.bad.sum()))
    return "text" if text and not _has_different_units(result) else None


def _has_different_units(result: Numbers) -> bool:
    return 0 < len(result.units) <= MOST_UNITS and result.bad.mean() > DIFFERENT_UNITS


def _require_numbers(result: Numbers, cells: pa.ChunkedArray, place: str, table: Table) -> None:
    """Refuse a column without numbers, with stray text or several units, or with more digits than float64 has."""
    values = result.values
    if _has_different_units(result):
        raise InputError(
            f"cells have different units: {', '.join(map(repr, result.units))}",
            place,
            "write them in one unit, or choose other columns with --column",
        )
    if result.bad.any():
        row = int(np.flatnonzero(result.bad)[0])
        raise InputError(
            f"text {str(cells[row].as_py())[:30]!r} in a number column",
            f"{place}, row {table.line(row)}",
            "fix the cell, say --missing if it means a missing value, or choose other columns with --column",
        )
    if np.isnan(values).all():
        raise InputError(f"only missing values, {len(values)} of them", place, "give a column of numbers")
    if result.exact is not None or np.nanmin(values) < np.nanmax(values):
        return
    level = np.nanmax(values)
    if is_text(cells) and level == 0 and pc.any(pc.match_substring_regex(cells, NOT_ZERO)).as_py():
        raise InputError("values below 1e-308, which float64 does not represent", place, "rescale the column")
    if abs(level) > 1e15 and len(pc.unique(cells)) > 1:
        raise InputError(
            f"values near {level:.6g} vary by less than float64 represents there",
            place,
            "subtract the level before writing the file",
        )


def _extreme_notes(values: np.ndarray, place: str) -> list[str]:
    """Return a note on a value such as -999 that may mean missing; refuse one that no measurement can have."""
    found = recurring_extreme(values)
    if found is None:
        return []
    what = f"{found[0]:.15g} occurs {found[1]} times, far from the rest"
    hint = f"if it means missing, say --missing={found[0]:.15g}"
    if abs(found[0]) > LARGEST:
        raise InputError(what, place, hint)
    return [f"{what}: {hint}"]
