"""Turn the series of a long table, whose rows belong to several series, into channels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.core.errors import InputError
from ape.series.reading.channels import Columns, read_channels
from ape.series.reading.elapsed_times import ELAPSED_UNITS, elapsed_numbers, elapsed_unit
from ape.series.reading.missing import cleaned
from ape.series.reading.names import ROW_NUMBERS, TIMES, key_of
from ape.series.reading.number_cells import plainly_written
from ape.series.reading.numbers import plain_numbers
from ape.series.reading.options import ReadOptions
from ape.series.reading.series_keys import MOST_SERIES, SeriesKeys, codes_of, keys_named, names_in
from ape.series.reading.table import Table, is_text
from ape.series.reading.times import Times

CYCLES = ROW_NUMBERS - {""} | {"cycle", "cycles", "steps", "timecycles", "timeincycles", "timestep"}  # that count time
MOST_UNNAMED = 3  # first columns that are tried if they have no names
NEAR_START = 0.05  # of the range of times: where those of the next series begin
MOST_PARTS = 60  # of a day, an hour or a month: numbers up to it restart there too
DAYS_OF_YEAR = (365, 366)
NUMBER = r"^[+-]?[$€£¥]?[\d.,]*\d"  # how the cells of a series of numbers begin
FEWEST_NUMBERS = 0.5  # share of the cells of a series: with fewer, it is one of words


@dataclass(frozen=True)
class Restarting:
    """A column of numbers that restarts in each series of a long table."""

    column: str
    times: Times
    seconds: bool  # whether the name of the column has a unit; otherwise it counts


def names_of_series(table: Table, column: str, where: str) -> list[str]:
    """Return the names of the series of a long table, in the order of the file.

    Raises
    ------
    InputError
        The table has no such column, or it has no names.
    """
    keys = keys_named(table.columns, column, where)
    names = pc.unique(names_in(table.columns, keys.columns)).to_pylist()
    found = [name for name in names if name]
    if not 1 <= len(found) <= MOST_SERIES:
        raise InputError(
            f"column '{column}' names {len(found)} series", where, f"give one that names 1 to {MOST_SERIES}"
        )
    return found


def read_long(
    columns: dict[str, pa.ChunkedArray],
    times: Times | None,
    keys: SeriesKeys,
    options: ReadOptions,
    column: Sequence[str] | None,
    table: Table,
    where: str,
    needed: Collection[str] = (),
) -> Columns:
    """Turn the series of a long table into channels; those that are ``needed`` stay, even if constant or empty."""
    if times is None:
        raise InputError(
            "a long table without times cannot be pivoted",
            where,
            f"read one series with --series-column {keys.title}=NAME",
        )
    ids = names_in(columns, keys.columns)
    codes, labels = codes_of(ids), pc.unique(ids).to_pylist()
    stamps, first, place = np.unique(times.stamps, return_index=True, return_inverse=True)
    repeated = len(codes) - len(np.unique(codes * len(stamps) + place))
    if repeated:
        zone = times.zone is None and times.stamps.dtype.kind == "M"
        raise InputError(
            f"{repeated} rows repeat a time of their series",
            f"{where}, column '{keys.title}'",
            "keep one row for each time" + (", or say --timezone if the clock was set back" if zone else ""),
        )
    rest = {each: cells for each, cells in columns.items() if each not in keys.columns}
    measured = column if column is not None and all(each in rest for each in column) else None
    flat = read_channels(_without_words(rest, codes, options), options, measured, table, where)
    described = [] if measured else _descriptions(flat, codes, labels, needed)
    flat = replace(
        flat,
        values=np.delete(flat.values, described, axis=1),
        names=tuple(np.delete(flat.names, described).tolist()),
        left_out=(*flat.left_out, *(f"{flat.names[k]} (describes the series)" for k in described)),
    )
    cube = np.full((len(stamps), len(labels), len(flat.names)), np.nan)
    cube[place, codes] = flat.values
    several = len(flat.names) > 1
    names = [f"{label} {measure}" if several else label for label in labels for measure in flat.names]
    values = cube.reshape(len(stamps), len(names))
    if column is not None and measured is None:
        missing = [each for each in column if each not in names]
        if missing:
            raise InputError(f"no channel '{missing[0]}'", where, f"give one of {', '.join(names[:30])}")
        values = values[:, [names.index(each) for each in column]]
        names = list(column)
    some = np.isfinite(values).any(axis=0) | np.isin(names, list(needed))
    empty = [name for name, present in zip(names, some, strict=True) if not present]
    whose = f"column '{keys.title}'" if len(keys.columns) == 1 else f"columns '{keys.title}'"
    return replace(
        flat,
        values=values[:, some],
        names=tuple(np.array(names)[some].tolist()),
        times=times.take(first),
        exact={},
        left_out=(*flat.left_out, *(f"{name} (no numbers)" for name in empty)),
        notes=(
            f"a long table: the {len(labels)} series of {whose} are the channels",
            *(f"series '{name}' has no numbers and was left out" for name in empty),
            *flat.notes,
        ),
    )


def one_series(table: Table, keys: SeriesKeys, where: str) -> Table:
    """Return the rows of one series of a long table, without the columns that name it.

    Raises
    ------
    InputError
        There is no such series.
    """
    ids = names_in(table.columns, keys.columns)
    rows = np.flatnonzero(pc.equal(ids, keys.value).to_numpy())
    if not len(rows):
        known = ", ".join(pc.unique(ids).to_pylist()[:20])
        raise InputError(f"no series '{keys.value}' in column '{keys.title}'", where, f"give one of {known}")
    part = table.take(rows)
    note = f"a long table: only the series '{keys.value}' of column '{keys.title}' is read"
    columns = {name: cells for name, cells in part.columns.items() if name not in keys.columns}
    return replace(part, columns=columns, notes=(*part.notes, note))


def restarting_times(columns: dict[str, pa.ChunkedArray], named: bool) -> Restarting | None:
    """Return the column of most numbers that may count the time and restart in each series of a long table.

    Without names of the columns (``named``), it rises by one, and to more than the parts of a day or a year.
    """
    found, most = None, 0
    for name, cells in list(columns.items())[: None if named else MOST_UNNAMED]:
        unit = elapsed_unit(name)
        counts = named and (unit is not None or key_of(name) in TIMES | CYCLES)
        numbers = plain_numbers(cells) if counts or not named else None
        if numbers is None or len(numbers) < 4:
            continue
        steps = np.diff(numbers)
        low, high = numbers.min(), numbers.max()
        restarts = numbers[1:][steps < 0]
        if (steps > 0).all() or (steps > 0).mean() * len(numbers) < len(np.unique(numbers)) - 1:
            continue
        if (restarts > low + NEAR_START * (high - low)).any():
            continue
        if not named and (high <= MOST_PARTS or high in DAYS_OF_YEAR or (steps[steps > 0] != 1).any()):
            continue
        if len(np.unique(numbers)) <= most:
            continue
        most = len(np.unique(numbers))
        times = elapsed_numbers(numbers, unit or "s")
        found = Restarting(name, times, unit is not None and unit.lower() in ELAPSED_UNITS)
    return found


def _descriptions(flat: Columns, codes: np.ndarray, labels: Sequence[str], needed: Collection[str]) -> list[int]:
    """Return the columns that have one value in each series, such as its place, if others have more."""
    first = np.unique(codes, return_index=True)[1]
    constant = ((flat.values == flat.values[first[codes]]) | np.isnan(flat.values)).all(axis=0)
    if constant.all():
        return []
    return [
        k
        for k, name in enumerate(flat.names)
        if constant[k] and not any(f"{label} {name}" in needed for label in labels)
    ]


def _without_words(
    columns: dict[str, pa.ChunkedArray], codes: np.ndarray, options: ReadOptions
) -> dict[str, pa.ChunkedArray]:
    """Return the columns without the cells of series of words, where other series of the column have numbers."""
    result = {}
    for name, cells in columns.items():
        if is_text(cells):
            text = cleaned(cells, options.missing)
            present = text.is_valid().to_numpy()
            number = pc.fill_null(pc.match_substring_regex(plainly_written(text), NUMBER), False).to_numpy()
            words = np.bincount(codes, number) < FEWEST_NUMBERS * np.bincount(codes, present)
            if words.any() and not words.all():
                cells = pc.if_else(pa.array(words[codes]), pa.scalar(None, pa.string()), cells)
        result[name] = cells
    return result
