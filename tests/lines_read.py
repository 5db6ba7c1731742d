"""Reads lines as a watch does, in pieces and with restarts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ape.series import ReadOptions, Requirements
from ape.watch.formats import Known
from ape.watch.lines import Lines, Mark
from ape.watch.order import Order
from ape.watch.parsing import Parser
from ape.watch.rows import Note, Rows

MINUTE = Requirements(channels=("a", "b"), step=60.0)
DATED = Known(names=("time", "a", "b"), decimal=".", times={"time": ("2026-03-01 00:00:00",)})


@dataclass(frozen=True)
class Came:
    """All rows and notes of a stream."""

    values: np.ndarray
    time: np.ndarray | None
    gap: np.ndarray
    filled: np.ndarray
    notes: list[Note]

    @property
    def kinds(self) -> list[str]:
        """The kinds of the notes, in order."""
        return [note.kind for note in self.notes]


def came(
    pieces: Iterable[bytes | Mark],
    required: Requirements = MINUTE,
    options: ReadOptions | None = None,
    known: Known | None = DATED,
    restarts: Sequence[int] = (),
) -> Came:
    """Return what becomes of bytes that come in pieces; a restart goes on from the states, as JSON."""
    options = options or ReadOptions()
    lines, parser, order = Lines(), Parser(required, options, known), Order(required)
    parts: list[Rows] = []
    parsed: list[Note] = []
    ordered: list[Note] = []
    for number, piece in enumerate(pieces):
        if number in restarts:
            states = json.loads(json.dumps([parser.state(), order.state()], allow_nan=False))
            parser, order = Parser(required, options, None, states[0]), Order(required, states[1])
        items = [piece] if isinstance(piece, Mark) else lines.add(piece)
        blocks, notes = parser.add(items)
        parsed += notes
        for block in blocks:
            rows, notes = order.add(block)
            parts.append(rows)
            ordered += notes
    ordered += order.finish()
    times = [part.time for part in parts if part.time is not None]
    width = len(required.channels)
    return Came(
        np.concatenate([np.zeros((0, width)), *(part.values for part in parts)]),
        np.concatenate(times) if times else None,
        np.concatenate([np.zeros(0, bool), *(part.gap for part in parts)]),
        np.concatenate([np.zeros(0, bool), *(part.filled for part in parts)]),
        sorted([*parsed, *ordered], key=lambda note: (note.row, note.kind, note.text)),
    )


def same(first: Came, second: Came) -> None:
    """Require that two streams became the same."""
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.gap, second.gap)
    np.testing.assert_array_equal(first.filled, second.filled)
    assert first.notes == second.notes
    assert (first.time is None) == (second.time is None)
    if first.time is not None and second.time is not None:
        np.testing.assert_array_equal(first.time, second.time)


def stamp(minute: float) -> str:
    """Return a time some minutes after the begin of 2 March 2026."""
    time = np.datetime64("2026-03-02", "s") + np.timedelta64(round(minute * 60), "s")
    return str(time).replace("T", " ")


def table(minutes: Iterable[float], header: str = "time,a,b") -> bytes:
    """Return a CSV with a row for each minute: channel a is the minute, and b half of it."""
    return "\n".join([header, *(f"{stamp(each)},{each},{each / 2}" for each in minutes), ""]).encode()
