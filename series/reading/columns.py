"""Split a table into times and channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ape.series.reading.channels import Columns, read_channels
from ape.series.reading.long_tables import read_long, series_column_of
from ape.series.reading.options import ReadOptions
from ape.series.reading.table import Table
from ape.series.reading.time_columns import find_times, without_indices
from ape.series.reading.times import in_zone


def interpret(table: Table, options: ReadOptions, column: Sequence[str] | None, where: str) -> Columns:
    """Split a table into times and channels.

    Parameters
    ----------
    table : Table
    options : ReadOptions
    column : sequence of str, optional
        Channels to use. By default all columns of numbers.
    where : str

    Raises
    ------
    InputError
        A cell is unreadable, or the table can be read in several ways.
    """
    notes = list(table.notes)
    columns = dict(table.columns)
    times, used, time_notes = find_times(columns, options, table, where)
    notes += time_notes
    rest = {name: cells for name, cells in columns.items() if name not in used}
    time_column = " and ".join(used) if used else None
    if options.timezone is not None and times is not None and times.stamps.dtype.kind == "M":
        times = in_zone(times, options.timezone, where)
    rest, index_notes = without_indices(rest, column)
    notes += index_notes
    series_column = series_column_of(rest, times, options, column, where)
    if series_column is not None:
        return read_long(rest, times, time_column, series_column, options, column, table, tuple(notes), where)
    wide = read_channels(rest, options, column, table, where)
    return replace(wide, times=times, time_column=time_column, notes=(*notes, *wide.notes))
