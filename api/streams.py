"""Rows that follow earlier ones: a stream is a watch whose rows come in requests.

Its state is a file in the run folder, as of ``ape watch``. So workers share streams, and a restart loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ape.api.messages import Streamed, StreamInfo
from ape.api.scoring import BODY, about_body, listed, rows_of, unknown_channels
from ape.api.served import Served
from ape.core.errors import InputError
from ape.series import Requirements
from ape.series.reading.names import counted
from ape.watch.describing import Describer
from ape.watch.events import EventTracker
from ape.watch.formats import kept_format
from ape.watch.lines import Lines, Mark, Piece
from ape.watch.loop import Stop, Watch
from ape.watch.metrics import Metrics
from ape.watch.order import Order
from ape.watch.parsing import Block, Parser
from ape.watch.rows import Note, Rows
from ape.watch.scorer import Judged, LiveScorer, scored_rows, usual_every
from ape.watch.sinks import Sink
from ape.watch.state import SCORER, stored_states
from ape.watch.store import Line, Store, locked, store_path, stores_of

DETECTOR = "detector"  # key of its fingerprint in the store
PREFIX = "api-"  # of the names of watches: those of the command line are others
WAITING = "not newer than the newest row; if more follow, the clock was set back, else they are late"


class _Body:
    """The lines of one body; each body is like another file."""

    def __init__(self, lines: Sequence[bytes | Mark]) -> None:
        self._lines = lines

    def read(self, size: int = 0) -> Piece:
        return Piece((Mark("rotated", "", begins=True), *self._lines))

    def state(self) -> dict[str, Any]:
        return {"kind": "http"}

    def close(self) -> None:
        """There is nothing to close."""


class _Ahead(Parser):
    """A parser that has taken the lines of a body before the watch gives them to it."""

    _taken: tuple[list[Block], list[Note]] | None = None

    def take(self, items: Iterable[bytes | Mark]) -> tuple[list[Block], list[Note]]:
        """Parse lines, which are given again later."""
        self._taken = super().add(items)
        return self._taken

    def add(self, items: Iterable[bytes | Mark]) -> tuple[list[Block], list[Note]]:
        taken, self._taken = self._taken, None
        return super().add(items) if taken is None else taken


class _Answer:
    """Collects the records for the answer."""

    name, where = "http", "the answer"

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def write(self, lines: Sequence[Line]) -> None:
        self.records += [json.loads(line.body) for line in lines]


class _Remembering(LiveScorer):
    """A scorer that keeps the scores of its rows for the answer."""

    final: tuple[np.ndarray, ...] = ()
    first: int | None = None
    newest: np.ndarray = np.zeros(0)

    def forget(self) -> None:
        """Begin another answer."""
        self.final, self.first, self.newest = (), None, np.zeros(0)

    def add(self, rows: Rows, last: bool = False) -> Iterator[Judged]:
        for judged in super().add(rows, last):
            if len(judged.final):
                self.first = judged.first_final if self.first is None else self.first
                self.final = (*self.final, judged.final)
            self.newest = judged.newest
            yield judged


def lines_of_csv(body: bytes) -> list[bytes | Mark]:
    """Return the lines of a body that is CSV or JSON lines."""
    lines = Lines()
    return [*lines.add(body), *lines.end()]


def lines_of_rows(body: bytes) -> list[bytes | Mark]:
    """Return the rows of a JSON body as JSON lines."""
    return [json.dumps(row).encode() for row in rows_of(body)]


def follow(served: Served, stream: str, lines: Sequence[bytes | Mark]) -> Streamed:
    """Score lines that follow those of earlier requests to the same stream.

    Raises
    ------
    StoreInUseError
        Another request has the stream.
    DamagedStoreError, StoreUnavailableError
        The file of the stream cannot be used.
    InputError
        The lines cannot be used, or the detector has changed since the stream began. Nothing of them is kept then.
    """
    path, required = store_path(served.folder, PREFIX + stream), served.required or Requirements()
    source = _Body(lines)
    parser = None if path.is_file() else _parsed(served, None, source)  # before anything of a new stream is written
    with ExitStack() as stack:
        stack.enter_context(locked(path))
        store = stack.enter_context(Store(path))
        before = store.get(DETECTOR)
        if before not in (None, served.fingerprint):
            raise InputError("the detector has changed since the stream began", stream, "take another name")
        if before is None:
            store.put(DETECTOR, served.fingerprint)
        states, notes, answer = stored_states(store, served.detector, drift=False), list[str](), _Answer()
        if parser is None or states["parser"] is not None:  # another request may have begun the stream meanwhile
            parser = _parsed(served, states["parser"], source)
        scorer = _scorer(served, path, store.get(SCORER))
        describer = Describer(scorer, served.text)
        sinks: list[Sink] = [answer]
        watch = Watch(
            source=source,
            parser=parser,
            order=Order(required, states["order"]),
            scorer=scorer,
            tracker=EventTracker(f"{served.name}-{stream}", served.threshold, describer, states["tracker"]),
            store=store,
            sinks=sinks,
            webhook=None,
            metrics=_unread_metrics(),
            say=notes.append,
        )
        watch.run(Stop(), once=True)
        if watch.order.held:
            notes.append(f"clock: {counted(watch.order.held, 'row')} waits: {WAITING}")
        served.scorers.put(path, store.get(SCORER), scorer)
    final = np.concatenate([*scorer.final, np.zeros(0, np.float32)])
    return Streamed(
        detector=served.name,
        stream=stream,
        rows=scorer.known,
        threshold=round(served.threshold.level, 4),
        notes=notes,
        first_final=scorer.first,
        final=listed(final),
        newest=listed(scorer.newest),
        records=answer.records,
    )


def streams_of(served: Served) -> list[StreamInfo]:
    """Return the streams of a detector by name, with what is known of each, or why it cannot be read."""
    found = []
    for path in stores_of(served.folder):
        if not path.stem.startswith(PREFIX):
            continue
        name = path.stem.removeprefix(PREFIX)
        try:
            found.append(_described(served, name, path))
        except InputError as error:
            found.append(
                StreamInfo(stream=name, rows=None, newest_time=None, events=None, open=[], problem=error.what[:500])
            )
    return found


def _described(served: Served, name: str, path: Path) -> StreamInfo:
    with Store(path) as store:
        state, alerts = store.get(SCORER), store.alerts()
        order = stored_states(store, served.detector, drift=False)["order"]
    newest = Order(served.required or Requirements(), order).newest
    return StreamInfo(
        stream=name,
        rows=0 if state is None else scored_rows(state),
        newest_time=None if newest is None else str(newest.astype("datetime64[s]")).replace("T", " "),
        events=len(alerts),
        open=[alert.id for alert in alerts if alert.record["state"] in ("open", "grow")],
        problem=None,
    )


def _parsed(served: Served, state: dict[str, Any] | None, source: _Body) -> _Ahead:
    """Return a parser that goes on from a state, or begins, and has taken the lines of a body.

    A watch goes on after lines of no use and channels that the detector does not know; whoever sends a request gets to
    know at once.

    Raises
    ------
    InputError
        No row of the body can be used, or the detector does not know a channel.
    """
    required = served.required or Requirements()
    known = None if state or not served.request else kept_format(served.folder, served.request, required)
    parser = _Ahead(required, served.reading, known, state, BODY)
    before = set(parser.state()["names"])
    try:
        blocks, notes = parser.take(source.read().items)
        if parser.undecided is not None:
            raise parser.undecided
    except InputError as error:
        raise about_body(error, BODY) from error
    form, channels = parser.format, () if served.required is None else served.required.channels
    times = () if form is None or form.times is None else form.times.columns
    other = [
        name
        for name in parser.state()["names"]
        if name not in {*before, *channels, *times, *(form.keys if form else ())}
    ]
    if other and channels:
        raise unknown_channels(served, ", ".join(f"'{name[:80]}'" for name in other[:8]))
    if not any(len(block.row) for block in blocks):
        raise InputError(notes[-1].text if notes else "no rows", BODY, "send rows with a time and the channels")
    return parser


def _scorer(served: Served, path: Path, state: bytes | None) -> _Remembering:
    """Return the scorer of a stream: that of its last request, or one that goes on from the stored state."""
    kept = served.scorers.take(path, state)
    if isinstance(kept, _Remembering):
        kept.forget()
        return kept
    every = usual_every((served.required or Requirements()).step)
    return _Remembering(served.detector, served.threshold, every, state)


@cache
def _unread_metrics() -> Metrics:
    """Return what a watch counts with, one for all: the service has metrics of its own."""
    return Metrics(0.0)
