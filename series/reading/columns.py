"""Split a table into times and channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ape.series.reading.channels import Columns, read_channels
from ape.series.reading.indices import without_indices
from ape.series.reading.long_tables import read_long, series_column_of
from ape.series.reading.options import ReadOptions
from ape.series.reading.table import Table
from ape.series.reading.time_columns import find_times
from ape.series.requirements import Requirements


def interpret(
    table: Table,
    options: ReadOptions,
    column: Sequence[str] | None,
    where: str,
    required: Requirements | None = None,
) -> Columns:
    """Split a table into times and channels.

    Parameters
    ----------
    table : Table
    options : ReadOptions
    column : sequence of str, optional
        Channels to use. By default all columns of numbers.
    where : str
    required : Requirements, optional
        Of a trained detector: its channels are read, in its order, whatever their names and values look like.

    Raises
    ------
    InputError
        A cell is unreadable, the table can be read in several ways, or a required channel is missing.
    """
    notes = list(table.notes)
    columns = dict(table.columns)
    needed = set() if required is None else set(required.channels)
    may_be_times = {name: cells for name, cells in columns.items() if name not in needed}
    times, used, time_notes = find_times(may_be_times, options, table, where)
    notes += time_notes
    rest = {name: cells for name, cells in columns.items() if name not in used}
    time_column = " and ".join(name or "without a name" for name in used) if used else None
    kept, index_notes = without_indices(rest, [*needed, *(column or ())] or None)
    series_column = series_column_of(kept, times, options, column, where)
    long = series_column is not None and series_column[1] is None
    names = list(rest if column is None else column)
    if required is not None and required.channels and not long and required.by_name(names, table.named):
        places, match_notes = required.places(names, table.named, where)
        column = [names[place] for place in places]
        kept, notes = rest, [*notes, *match_notes]
        unused = tuple(f"{name or 'unnamed'} (not in training)" for name in rest if name not in column)
    else:
        notes += index_notes
        unused = ()
    if series_column is not None:
        return read_long(kept, times, time_column, series_column, options, column, table, tuple(notes), where)
    wide = read_channels(kept, options, column, table, where, required is not None)
    left_out = (*wide.left_out, *unused)
    return replace(wide, times=times, time_column=time_column, left_out=left_out, notes=(*notes, *wide.notes))
