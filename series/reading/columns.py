"""Split a table into times and channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ape.series.reading.channels import Columns, read_channels
from ape.series.reading.indices import without_indices
from ape.series.reading.long_tables import one_series, read_long, restarting_times
from ape.series.reading.options import ReadOptions
from ape.series.reading.paired_times import refuse_other_pairs
from ape.series.reading.series_keys import completed, find_keys, keys_named, refuse_joined_series
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
    keys = None if options.series_column is None else keys_named(table.columns, options.series_column, where)
    if keys is not None and keys.value is not None:
        part = one_series(table, keys, where)
        return interpret(part, replace(options, series_column=None), column, where, required)
    notes = list(table.notes)
    columns = dict(table.columns)
    needed = set() if required is None else set(required.channels)
    may_be_times = {name: cells for name, cells in columns.items() if name not in needed}
    times, used, time_notes = find_times(may_be_times, options, table, where)
    measured = [*needed, *(column or ())]
    refuse_other_pairs(columns, used, measured, where)
    named = () if keys is None else keys.columns
    rest = {name: cells for name, cells in columns.items() if name not in used or name in named}
    kept, index_notes = without_indices(rest, [*measured, *named] or None, times)
    counted = restarting_times(may_be_times, table.named) if times is None else None
    clock = times if counted is None else counted.times
    others = {name: cells for name, cells in kept.items() if counted is None or name != counted.column}
    if clock is not None and keys is not None:
        keys = completed(others, keys, clock.stamps)
    elif clock is not None:
        keys = find_keys(others, clock.stamps, measured, where, counted is None or not table.named)
    if times is None and keys is None:
        refuse_joined_series(kept, measured, where)
    if counted is not None and keys is not None:
        times, used, time_notes, kept = counted.times, [counted.column], [], others
    notes += time_notes
    time_column = " and ".join(name or "without a name" for name in used) if used else None
    names = list(rest if column is None else column)
    if required is not None and required.channels and keys is None and required.by_name(names, table.named):
        places, match_notes = required.places(names, table.named, where)
        column = [names[place] for place in places]
        kept, notes = rest, [*notes, *match_notes]
        unused = tuple(f"{name or 'unnamed'} (not in training)" for name in rest if name not in column)
    else:
        notes += index_notes
        unused = ()
    if keys is not None:
        found = read_long(kept, times, keys, options, column, table, where, needed)
        if counted is not None and not counted.seconds:
            note = f"column '{counted.column}' counts the rows of each series and was left out"
            found, time_column = replace(found, times=None, notes=(*found.notes, note)), None
    else:
        found = read_channels(kept, options, column, table, where, required is not None)
        found = replace(found, times=times)
    left_out = (*found.left_out, *unused)
    return replace(found, time_column=time_column, left_out=left_out, notes=(*notes, *found.notes))
