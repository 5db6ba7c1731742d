"""Turn lines into rows: CSV as `ape.series.reading` reads it, with or without a header, or JSON lines.

What is unusual gives a note, and the watch goes on:

- A line with more cells than columns, or without a readable time, is left out (``unreadable``).
- A line with fewer cells lacks the values at its end; a cell that is no number, or infinite, is a missing value
  (``unreadable``).
- A column that was not there before is left out (``new channel``). A channel whose column is gone has missing values
  (``lost channel``) until it is there again.
- A time that the zone leaves out in spring is left out (``clock``).

Blank lines, comments, and a repeated header are no rows. Another header, and another file, start a new table: its
columns are matched by name again. A cell must not go on in the next line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from ape.core.errors import InputError
from ape.series import ReadOptions, Requirements
from ape.series.reading.lines import COMMENT, kind_of
from ape.series.reading.names import counted
from ape.series.reading.report import printable
from ape.series.reading.series_keys import JOINT
from ape.series.requirements import LARGEST
from ape.watch.formats import MOST_LINES, Format, Known, cells_of, decide, json_cells
from ape.watch.lines import Mark
from ape.watch.numbers import read_values
from ape.watch.rows import Kind, Note
from ape.watch.stamps import SECOND, TIME_OF_DAY, in_local_zone, read_stamps, with_midnights

BOM = b"\xef\xbb\xbf"
MOST_NAMES = 10_000  # columns that are remembered
LONGEST_TEXT = 30  # characters of a cell in a note


@dataclass(frozen=True)
class Block:
    """Rows in the order of the input.

    Parameters
    ----------
    values : ndarray, float64 [m, C]
        Data units; the channels of training in their order. NaN is a missing value.
    stamps : ndarray, int64 [m], or None
        Nanoseconds that order the rows: of UTC if the zone is known. None without times.
    clock : ndarray, int64 [m], or None
        Nanoseconds on the clock of the data; None without dates.
    row : ndarray, int64 [m]
        Number of each row of the input.
    """

    values: np.ndarray
    stamps: np.ndarray | None
    clock: np.ndarray | None
    row: np.ndarray


class Parser:
    """Turns lines into rows, the same however the lines are cut into calls.

    Parameters
    ----------
    required : Requirements
        Of the detector.
    options : ReadOptions
        Of the run.
    known : Known, optional
        What the training file tells, for a first start.
    state : dict, optional
        `Parser.state` of an earlier watch.
    where : str
        Where the lines come from, in messages.
    """

    def __init__(
        self,
        required: Requirements,
        options: ReadOptions,
        known: Known | None = None,
        state: dict[str, Any] | None = None,
        where: str = "the rows",
    ) -> None:
        state = state or {}
        self.required, self.options, self.where = required, options, where
        self._series = (options.series_column or "").partition("=")[2]  # of a long table
        self.known = TypeAdapter(Known).validate_python(state["known"]) if "known" in state else known or Known()
        form = state.get("format")
        self.format = None if form is None else TypeAdapter(Format).validate_python(form)
        self.rows: int = state.get("rows", 0)
        self._pending: list[str] = list(state.get("pending", []))
        self._begins: bool = state.get("begins", False)
        self._started: bool = state.get("started", False)
        self._names: dict[str, None] = dict.fromkeys(state.get("names", self.known.names))
        self._lost: list[str] = list(state.get("lost", []))
        self._units: dict[str, str] = dict(state.get("units", {}))
        self._last: int | None = state.get("last")
        self._notes: list[Note] = []

    @property
    def undecided(self) -> InputError | None:
        """Why the last lines wait until their format is decided; None if none wait."""
        try:
            if self._pending:
                decide(self._pending, self.required, self.options, self.known, self.where, self._started)
        except InputError as error:
            return error
        return None

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on, as JSON."""
        return {
            "known": asdict(self.known),
            "format": None if self.format is None else asdict(self.format),
            "rows": self.rows,
            "pending": list(self._pending),
            "begins": self._begins,
            "started": self._started,
            "names": list(self._names),
            "lost": list(self._lost),
            "units": dict(self._units),
            "last": self._last,
        }

    def add(self, items: Iterable[bytes | Mark]) -> tuple[list[Block], list[Note]]:
        """Return the rows of the next lines, and what was unusual.

        Raises
        ------
        InputError
            The first lines are not those of a table with the channels of the detector.
        """
        self._notes = []
        blocks: list[Block] = []
        lines: list[str] = []
        for item in items:
            if isinstance(item, Mark):
                blocks += self._blocks(lines)
                lines = []
                if item.text:
                    self._note(item.kind, item.text, self.rows)
                self._begins |= item.begins
            else:
                lines.append(_decoded(item))
        blocks += self._blocks(lines)
        return [block for block in blocks if len(block.row)], self._notes

    def _note(self, kind: Kind, text: str, row: int) -> None:
        self._notes.append(Note(kind, printable(" ".join(text.split())), row))

    def _blocks(self, lines: Sequence[str]) -> list[Block]:
        blocks = []
        decided = False
        while lines:
            if self._begins:
                lines = self._at_begin(lines)
            elif self.format is None:
                lines, decided = [*self._decided(lines[0]), *lines[1:]], True
            else:
                block, lines = self._read(lines, self.format, decided)
                blocks.append(block)
                decided = False
        return blocks

    def _at_begin(self, lines: Sequence[str]) -> Sequence[str]:
        """Keep the format at the begin of another file if its first line has it; return the lines from there on."""
        first = next((k for k, line in enumerate(lines) if line.strip()), None)
        if first is None:
            return []
        self._begins, self._pending = False, []
        if self.format is not None and not self._fits(lines[first], self.format):
            self.format = None
        return lines[first:]

    def _fits(self, line: str, form: Format) -> bool:
        """Whether a line is the header or a row in a format."""
        if form.json:
            return json_cells(line) is not None
        cells = cells_of(line, form.separator, form.split_first)
        if tuple(cells) in form.header:
            return True
        if len(cells) != form.width or self._is_header(cells, form):
            return False
        if form.times is not None:
            return bool(
                read_stamps({name: [cells[form.places[name]]] for name in form.times.columns}, form.times)[1][0]
            )
        values = [cells[form.places[name]] for name in form.channels if name is not None]
        return all(kind_of(cell) in ("number", "missing") for cell in values)

    def _decided(self, line: str) -> list[str]:
        """Decide the format if the lines up to this one are enough; return those with values."""
        if not line.strip() and not self._pending:
            return []
        self._pending.append(line)
        try:
            if "\0" in line:
                raise InputError("a zero byte in the text", self.where, "write it as UTF-8")
            form, skip, names = decide(
                self._pending, self.required, self.options, self.known, self.where, self._started
            )
        except InputError as error:
            if len(self._pending) >= MOST_LINES or "\0" in line:
                if not self._started:
                    raise InputError(error.what, error.where, _hint(error.hint)) from error
                text = f"{counted(len(self._pending), 'line')} left out: {error.what}"
                self._note("unreadable", text, self.rows)
                self.rows, self._pending, self._begins = self.rows + len(self._pending), [], True
            return []
        rows, self._pending, self.format = self._pending[skip:], [], form
        if self._started or self.known.names:
            self._report_new(names, self.rows)
        self._names = dict.fromkeys([*self._names, *names][:MOST_NAMES])
        if not form.json:
            self._report_lost([name for name, column in self._channels(form) if column is None], self.rows)
        self._started = True
        return rows

    def _channels(self, form: Format) -> list[tuple[str, str | None]]:
        """Return the channels and their columns; an object of JSON may have a lost one again."""
        names = self.required.channels or tuple(map(str, form.channels))
        return [
            (name, name if column is None and form.json else column)
            for name, column in zip(names, form.channels, strict=True)
        ]

    def _report_new(self, names: Iterable[str], row: int) -> None:
        for name in names:
            if name not in self._names and name not in self.required.channels and len(self._names) < MOST_NAMES:
                self._note("new channel", f"column '{name}' was not there before and is left out", row)
                self._names[name] = None

    def _report_lost(self, lost: list[str], row: int) -> None:
        for name in lost:
            if name not in self._lost:
                text = f"channel '{name}' is gone: its values are missing until it is there again"
                self._note("lost channel", text, row)
        self._lost = lost

    def _is_header(self, cells: Sequence[str], form: Format) -> bool:
        """Whether cells are names: all are words, and one is that of a channel or of the times."""
        names = {*self.required.channels, *(() if form.times is None else form.times.columns)}
        return not names.isdisjoint(cells) and all(kind_of(cell) in ("text", "missing") for cell in cells)

    def _read(self, lines: Sequence[str], form: Format, decided: bool) -> tuple[Block, Sequence[str]]:
        """Read the lines up to another header; return the rows, and the lines from there on.

        The first line is a row if the format was just ``decided`` from it.
        """
        earlier, self._notes = self._notes, []
        cells: Sequence[list[str] | dict[str, str]]
        rest: Sequence[str] = []
        if form.json:
            cells, numbers = self._json_rows(lines, form)
        else:
            cells, numbers, rest = self._csv_rows(lines, form, decided)
        row = np.array(numbers, dtype=np.int64)
        wanted = {*(() if form.times is None else form.times.columns), *(name for _, name in self._channels(form))}
        table = {name: [_cell(each, name, form) for each in cells] for name in wanted if name is not None}
        stamps, clock, good = self._times(table, row, form)
        if not good.all():
            kept = np.flatnonzero(good).tolist()
            table = {name: [column[k] for k in kept] for name, column in table.items()}
            row = row[good]
            stamps, clock = (None if each is None else each[good] for each in (stamps, clock))
        values = self._values(table, row, form)
        self._notes = earlier + sorted(self._notes, key=lambda note: note.row)
        if rest:
            self.format = None
        return Block(values, stamps, clock, row), rest

    def _csv_rows(
        self, lines: Sequence[str], form: Format, decided: bool
    ) -> tuple[list[list[str]], list[int], Sequence[str]]:
        """Return the cells and the numbers of the rows up to another header, and the lines from there on."""
        repeated = {header for header in form.header if any(kind_of(cell) == "text" for cell in header)}
        found: list[list[str]] = []
        numbers: list[int] = []
        for k, line in enumerate(lines):
            if not line.strip() or COMMENT.match(line):
                continue
            cells = cells_of(line, form.separator, form.split_first)
            if tuple(cells) in repeated:
                continue
            if form.header and not (decided and k == 0) and self._is_header(cells, form):
                return found, numbers, lines[k:]
            number, self.rows = self.rows, self.rows + 1
            while len(cells) > form.width and not cells[-1]:
                cells.pop()
            if len(cells) != form.width:
                what = f"{counted(len(cells), 'cell')} for {counted(form.width, 'column')}"
                if len(cells) > form.width or form.separator == " " or "\0" in line:
                    self._note("unreadable", f"{what}: the row '{line[:LONGEST_TEXT]}' was left out", number)
                    continue
                self._note("unreadable", f"{what}: the values at the end of the row are missing", number)
                cells += [""] * (form.width - len(cells))
            if not self._is_of_series(cells, form):
                continue
            found.append(cells)
            numbers.append(number)
        return found, numbers, []

    def _json_rows(self, lines: Sequence[str], form: Format) -> tuple[list[dict[str, str]], list[int]]:
        """Return the cells and the numbers of the rows; what is no object is none."""
        channels = self._channels(form)
        found, numbers = [], []
        for line in lines:
            if not line.strip():
                continue
            number, self.rows = self.rows, self.rows + 1
            cells = json_cells(line)
            if cells is None:
                self._note("unreadable", f"not an object of JSON: '{line[:LONGEST_TEXT]}' was left out", number)
                continue
            if not self._is_of_series(cells, form):
                continue
            self._report_new(cells, number)
            self._report_lost([name for name, column in channels if column not in cells], number)
            found.append(cells)
            numbers.append(number)
        return found, numbers

    def _is_of_series(self, row: Any, form: Format) -> bool:
        """Whether a row is of the series that is watched; every row is, unless the table is long."""
        return not form.keys or JOINT.join(_cell(row, name, form).strip() for name in form.keys) == self._series

    def _times(
        self, table: Mapping[str, list[str]], row: np.ndarray, form: Format
    ) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray]:
        """Return what orders the rows, their clock, and which of them have a readable time."""
        times = form.times
        if times is None:
            return None, None, np.ones(len(row), dtype=bool)
        stamps, good, offsets = read_stamps({name: table[name] for name in times.columns}, times)
        for k in np.flatnonzero(~good).tolist():
            cell = " ".join(table[name][k] for name in times.columns)[:LONGEST_TEXT]
            what = f"unreadable time '{cell}'" if cell.strip() else "no time"
            self._note("unreadable", f"{what}: the row was left out", int(row[k]))
        clock = stamps + offsets
        step = round((self.required.step or 0) * SECOND)
        if times.zone is not None and times.dated:
            utc, exists = in_local_zone(stamps[good], times.zone, self._last, step)
            for k in np.flatnonzero(good)[~exists].tolist():
                text = f"the time {stamps[k].astype('datetime64[ns]').astype('datetime64[s]')} does not exist in"
                self._note("clock", f"{text} {times.zone}: the row was left out", int(row[k]))
            stamps[good], good[good] = utc, exists
        elif times.form == TIME_OF_DAY:
            stamps[good] = with_midnights(stamps[good], self._last)
        if good.any():
            self._last = int(stamps[good][-1])
        return stamps, clock if times.dated else None, good

    def _values(self, table: Mapping[str, list[str]], row: np.ndarray, form: Format) -> np.ndarray:
        """Return the values of the channels, float64 [m, C]."""
        values = np.full((len(row), len(form.channels)), np.nan)
        for k, (channel, column) in enumerate(self._channels(form)):
            if column is None or not len(row):
                continue
            cells = table[column]
            unit = self._units.get(channel)
            values[:, k], bad, unit = read_values(cells, form.decimal, self.options.missing, unit)
            if unit is not None:
                self._units[channel] = unit
            infinite = np.isinf(values[:, k])
            values[infinite, k], bad = np.nan, bad | infinite
            for place in np.flatnonzero(np.abs(values[:, k]) > LARGEST).tolist():
                text = f"channel '{channel}': {values[place, k]:g} is beyond {LARGEST:g} and is scored as that value"
                self._note("unreadable", text, int(row[place]))
            values[:, k] = values[:, k].clip(-LARGEST, LARGEST)
            for place in np.flatnonzero(bad).tolist():
                text = f"channel '{channel}': '{cells[place][:LONGEST_TEXT]}' is not a number and counts as missing"
                self._note("unreadable", text, int(row[place]))
        return values


def _cell(row: Any, name: str, form: Format) -> str:
    """Return a cell of a row; one that an object of JSON lacks is empty."""
    cell: str = row.get(name, "") if form.json else row[form.places[name]]
    return cell


def _hint(hint: str) -> str:
    """Return how to fix the rows. What options say how to read them is that of training, not of the watch."""
    return f"{hint}, when you train with 'ape run'; or write the rows as the training data" if "--" in hint else hint


def _decoded(line: bytes) -> str:
    """Return a line as text: UTF-8, or Windows-1252 where it is not."""
    line = line.removeprefix(BOM)
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")
