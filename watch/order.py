"""Put rows in the order of time. A row that was given on is never taken back.

With times:

- **Late**: a row that is older than the newest one is dropped.
- **Repeated**: a row with the time of one of the last ``RECENT`` rows is dropped; the first one counts.
- **Missing**: up to ``LONGEST_GAP`` missing rows are filled with NaN, as `ape.series` does; more are a gap. Where the
  sampling is irregular nothing is filled: a pause is a gap if it exceeds ``LONGEST_GAP`` times the step that 90 % of
  the last steps do not exceed.
- **A clock that is set back** looks like late rows at first. Rows that are not newer but follow one another are held
  back. If a newer row comes, they were late. If ``ENOUGH`` of them have come, the clock was set back: they are given
  on, after a gap, and time runs on from there. An hour less, as at the end of summer time without a zone, is reported
  after ``ENOUGH_FOR_HOUR`` rows and leaves no gap. Rows from before the last ``RECENT`` ones are late, and only after
  ``ENOUGH_OF_OLD`` of them in a row the clock counts as set back.
- **A clock that jumps forward** leaves a gap, as missing rows do. If it is set right again, that is a clock that is
  set back. The hour that was set back before is set forward without a gap.
- **Summer time** changes nothing if the zone is known: the order is that of UTC.

Without times, rows count by position: none is late, repeated or missing.

Counters become their increments; the first one, and the one after a gap, is missing.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ape.series import Requirements
from ape.series.reading.grid import MOST_STEPS, in_night_to_sunday, rows_ahead
from ape.series.reading.names import counted
from ape.series.reading.times import EVEN
from ape.series.series import LONGEST_GAP
from ape.watch.parsing import Block
from ape.watch.rows import Kind, Note, Rows
from ape.watch.stamps import HOUR, SECOND

RECENT = 1024  # rows whose times and values are remembered
ENOUGH_FOR_HOUR, ENOUGH, ENOUGH_OF_OLD = 3, 30, 4096  # rows
STEPS = (32, 256)  # of irregular rows: fewest to judge a pause, and most that are remembered
TOGETHER = 4096  # rows that are looked at together


@dataclass(frozen=True)
class _Row:
    """A row that waits."""

    stamp: int
    clock: int | None
    row: int
    values: tuple[float, ...]


class Order:
    """Puts rows in the order of time, the same however they are cut into blocks.

    Parameters
    ----------
    required : Requirements
        Of the detector: the step and the counters.
    state : dict, optional
        `Order.state` of an earlier watch.
    """

    def __init__(self, required: Requirements, state: dict[str, Any] | None = None) -> None:
        state = state or {}
        self._step = None if required.step is None else max(round(required.step * SECOND), 1)
        self._zoned = required.zone is not None
        self._counters = [k for k, name in enumerate(required.channels) if name in required.counters]
        self._newest: int | None = state.get("newest")  # of the time that runs on
        self._clock: int | None = state.get("clock")
        self._shift: int = state.get("shift", 0)  # what the time that runs on is ahead of the stamps
        self._hours: int = state.get("hours", 0)  # that were set back and not forward again
        self._behind: int = state.get("behind", 0)  # rows since the newest one
        self._held = [_Row(each[0], each[1], each[2], _floats(each[3])) for each in state.get("held", [])]
        self._recent: dict[int, int] = {stamp: print_ for stamp, print_ in state.get("recent", [])}
        self._steps: list[int] = list(state.get("steps", []))
        self._counted: tuple[float, ...] | None = None if not state.get("counted") else _floats(state["counted"])
        self._notes: list[Note] = []

    @property
    def held(self) -> int:
        """Number of rows that wait, since their times are not newer than the newest one."""
        return len(self._held)

    @property
    def newest(self) -> np.datetime64 | None:
        """Time of the newest row, on the clock of the data."""
        return None if self._clock is None else np.datetime64(self._clock, "ns")

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on, as JSON."""
        return {
            "newest": self._newest,
            "clock": self._clock,
            "shift": self._shift,
            "hours": self._hours,
            "behind": self._behind,
            "held": [[each.stamp, each.clock, each.row, _written(each.values)] for each in self._held],
            "recent": [[stamp, print_] for stamp, print_ in self._recent.items()],
            "steps": list(self._steps),
            "counted": None if self._counted is None else _written(self._counted),
        }

    def add(self, block: Block) -> tuple[Rows, list[Note]]:
        """Return the rows that follow those before, and what was unusual."""
        self._notes = []
        if block.stamps is None:
            nothing = np.zeros(len(block.values), dtype=bool)
            return Rows(self._increments(block.values, nothing), None, nothing, nothing), self._notes
        parts, begin = [], 0
        while begin < len(block.row):
            stamps = block.stamps[begin : begin + TOGETHER] + self._shift
            if self._held or (self._newest is not None and stamps[0] <= self._newest):
                parts += self._not_newer(block, begin, int(stamps[0]))
                begin += 1
            else:
                count = self._rising(stamps)
                parts.append(self._given(block, slice(begin, begin + count), stamps[:count], False))
                begin += count
        return self._joined(parts, block), self._notes

    def finish(self) -> list[Note]:
        """Return notes on the rows that are held back when nothing more comes: they are late."""
        self._notes = []
        self._drop_held()
        return self._notes

    def _rising(self, stamps: np.ndarray) -> int:
        """Return how many rows are newer than those before them, up to an hour that is set forward again."""
        steps = np.diff(stamps, prepend=stamps[0] - 1 if self._newest is None else self._newest)
        wrong = np.flatnonzero(steps <= 0)
        count = int(wrong[0]) if len(wrong) else len(stamps)
        if self._hours and self._step is not None:
            forward = np.flatnonzero(np.abs(steps[:count] - HOUR - self._step) <= EVEN * self._step)
            if len(forward) and forward[0] == 0:
                self._hours, self._shift = self._hours - 1, self._shift - HOUR
                stamps -= HOUR
                return self._rising(stamps)
            count = int(forward[0]) if len(forward) else count
        return count

    def _not_newer(self, block: Block, place: int, stamp: int) -> list[Rows]:
        """Take one row that is not newer than the newest, or comes while others are held back."""
        assert self._newest is not None
        values = block.values[place]
        clock = None if block.clock is None else int(block.clock[place])
        row = _Row(stamp, clock, int(block.row[place]), tuple(values.tolist()))
        if stamp > self._newest:
            self._drop_held()
            return [self._given(block, slice(place, place + 1), np.array([stamp]), False)]
        if not self._held and self._recent.get(stamp) == _print_of(values):
            self._note("repeated", f"the row of {_when(row)} came again and was dropped", row.row)
            return []
        self._behind += 1
        hour = self._hour_less(self._held[0] if self._held else row)
        old = len(self._recent) >= RECENT and stamp < next(iter(self._recent)) and not hour
        if (old and self._behind < ENOUGH_OF_OLD) or (self._held and stamp <= self._held[-1].stamp):
            self._drop_held()
        if old and self._behind < ENOUGH_OF_OLD:
            self._drop(row)
            return []
        self._held.append(row)
        if len(self._held) < (ENOUGH_FOR_HOUR if hour else ENOUGH) and not old:
            return []
        return [self._set_back(hour, block.clock is not None)]

    def _set_back(self, hour: bool, dated: bool) -> Rows:
        """Give on the rows that were held back: the clock was set back, and time runs on."""
        assert self._newest is not None
        held, self._held = self._held, []
        change = self._newest + (self._step or SECOND) - held[0].stamp
        change = HOUR if hour else change
        self._shift, self._hours, self._recent = self._shift + change, self._hours + hour, {}
        after = "" if self._clock is None else f" after {_time(self._clock)}"
        note = "an hour, and rows go on without a gap" if hour else "rows go on after a gap"
        self._note("clock", f"the clock was set back{after} to {_when(held[0])}: {note}", held[0].row)
        block = Block(
            np.array([each.values for each in held]),
            None,
            np.array([each.clock for each in held], dtype=np.int64) if dated else None,
            np.array([each.row for each in held]),
        )
        stamps = np.array([each.stamp for each in held], dtype=np.int64) + change
        return self._given(block, slice(None), stamps, not hour)

    def _hour_less(self, row: _Row) -> bool:
        """Whether a row is where the clock leads that is set back by an hour."""
        if self._zoned or row.clock is None or self._step is None or self._newest is None or self._step > HOUR:
            return False
        if self._step > HOUR // 2 and not in_night_to_sunday(np.array(row.clock, "datetime64[ns]")):
            return False  # a row that is written twice
        return abs(row.stamp - (self._newest + self._step - HOUR)) <= EVEN * self._step

    def _given(self, block: Block, where: slice, stamps: np.ndarray, gap: bool) -> Rows:
        """Return rows that rise, with the missing ones before them."""
        values, row = block.values[where], block.row[where]
        clock = stamps if block.clock is None else block.clock[where]
        first = self._newest is None
        before = int(stamps[0]) if self._newest is None else self._newest
        clock_before = int(clock[0]) if self._clock is None else self._clock
        steps = np.diff(stamps, prepend=before)
        missing, pauses = self._missing(steps)
        missing[0], pauses[0] = (0, gap) if first or gap else (missing[0], pauses[0])
        filled = np.where(missing <= LONGEST_GAP, missing, 0)
        gaps = pauses | (missing > LONGEST_GAP)
        reported = (missing > 0) | pauses
        reported[0] &= not gap
        for k in np.flatnonzero(reported).tolist():
            self._report_missing(int(missing[k]), int(steps[k]), int(row[k]), int(clock[k]), block.clock is not None)
        place = np.arange(len(stamps)) + np.cumsum(filled)
        total = int(place[-1]) + 1
        all_values = np.full((total, values.shape[1]), np.nan)
        all_values[place] = values
        all_clock = np.repeat(np.concatenate([[clock_before], clock[:-1]]), filled + 1)
        all_clock[place] = clock
        number = np.arange(total) - np.repeat(place - filled, filled + 1) + 1  # of each filled row in its hole
        part = np.rint(np.repeat(steps / (filled + 1), filled + 1) * number).astype(np.int64)
        is_filled = np.ones(total, dtype=bool)
        is_filled[place] = False
        all_clock = np.where(is_filled, all_clock + part, all_clock)
        all_gaps = np.zeros(total, dtype=bool)
        all_gaps[place] = gaps
        self._newest, self._behind = int(stamps[-1]), 0
        self._clock = None if block.clock is None else int(clock[-1])
        last = slice(max(0, len(stamps) - RECENT), None)
        self._recent.update(zip(stamps[last].tolist(), map(_print_of, values[last]), strict=True))
        for stamp in list(self._recent)[: max(0, len(self._recent) - RECENT)]:
            del self._recent[stamp]
        time = None if block.clock is None else all_clock.astype("datetime64[ns]")
        return Rows(self._increments(all_values, all_gaps), time, all_gaps, is_filled)

    def _missing(self, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how many rows are missing before each row, and where irregular rows pause."""
        pauses = np.zeros(len(steps), dtype=bool)
        if self._step is not None:
            return rows_ahead(steps, self._step) - 1, pauses
        for k, step in enumerate(steps.tolist()):
            if len(self._steps) >= STEPS[0]:
                pauses[k] = step > LONGEST_GAP * np.quantile(self._steps, MOST_STEPS)
            if step > 0:
                self._steps = [*self._steps[-STEPS[1] + 1 :], step]
        return np.zeros(len(steps), dtype=np.int64), pauses

    def _increments(self, values: np.ndarray, gaps: np.ndarray) -> np.ndarray:
        """Return values with the increments of counters."""
        if not self._counters or not len(values):
            return values
        known = values[:, self._counters]
        first = np.full((1, len(self._counters)), np.nan) if self._counted is None else np.array([self._counted])
        increments = np.diff(np.concatenate([first, known]), axis=0)
        increments = np.where(increments < 0, known, increments)
        increments[gaps] = np.nan
        self._counted = tuple(known[-1].tolist())
        result = values.copy()
        result[:, self._counters] = increments
        return result

    def _joined(self, parts: Sequence[Rows], block: Block) -> Rows:
        """Return rows that follow one another as one."""
        if not parts:
            nothing = np.zeros(0, dtype=bool)
            time = None if block.clock is None else np.zeros(0, dtype="datetime64[ns]")
            return Rows(np.zeros((0, block.values.shape[1])), time, nothing, nothing)
        times = [part.time for part in parts if part.time is not None]
        return Rows(
            np.concatenate([part.values for part in parts]),
            np.concatenate(times) if times else None,
            np.concatenate([part.gap for part in parts]),
            np.concatenate([part.filled for part in parts]),
        )

    def _drop_held(self) -> None:
        for row in self._held:
            self._drop(row)
        self._held = []

    def _drop(self, row: _Row) -> None:
        """Report that a row is late, or has the time of another."""
        if row.stamp in self._recent:
            text = f"a second row of {_when(row)} with other values was dropped"
            self._note("repeated", text, row.row)
            return
        newest = "" if self._clock is None else f", after that of {_time(self._clock)},"
        self._note("late", f"the row of {_when(row)} came late{newest} and was dropped", row.row)

    def _report_missing(self, missing: int, step: int, row: int, clock: int, dated: bool) -> None:
        where = f"before {_time(clock)}" if dated else "before this row"
        if not missing:
            self._note("missing", f"a pause of {step / SECOND:.6g} s {where}: a gap", row)
            return
        hint = ""
        an_hour = dated and not self._zoned and step - (self._step or 0) == HOUR
        if an_hour and in_night_to_sunday(np.array(clock, "datetime64[ns]")):
            hint = "; if summer time begins there, train with --timezone"
        what = "was" if missing == 1 else "were"
        how = f"{what} filled with missing values" if missing <= LONGEST_GAP else f"{what} not filled: a gap"
        self._note("missing", f"{counted(missing, 'missing row')} {where} {how}{hint}", row)

    def _note(self, kind: Kind, text: str, row: int) -> None:
        self._notes.append(Note(kind, text, row))


def _when(row: _Row) -> str:
    return f"position {row.row}" if row.clock is None else _time(row.clock)


def _time(clock: int) -> str:
    stamp = np.datetime64(clock, "ns")
    whole = stamp.astype("datetime64[s]")
    return str(whole if whole == stamp else stamp.astype("datetime64[ms]")).replace("T", " ")


def _print_of(values: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(values + 0.0).tobytes())


def _written(values: Sequence[float]) -> list[float | str]:
    return [value if np.isfinite(value) else str(value) for value in values]


def _floats(values: Sequence[float | str]) -> tuple[float, ...]:
    return tuple(map(float, values))
