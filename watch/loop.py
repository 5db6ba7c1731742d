"""The loop of a watch: what has come is read, scored, stored with its records in one transaction, and delivered."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ape.core.errors import InputError
from ape.series.reading.names import counted
from ape.watch.drift import DriftWatch
from ape.watch.events import EventTracker
from ape.watch.lines import BLOCK, Piece
from ape.watch.metrics import Metrics
from ape.watch.order import Order
from ape.watch.parsing import Parser
from ape.watch.pipes import NamedPipe, StandardInput
from ape.watch.records import Record
from ape.watch.rows import Note, Rows
from ape.watch.scorer import LiveScorer
from ape.watch.sinks import Sink, Webhook
from ape.watch.sources import Source
from ape.watch.state import SCORER, STATES
from ape.watch.store import Store, StoreUnavailableError

POLL = 0.5  # seconds between two looks at the input
FIRST = 256  # bytes that are read at first; then more, as long as they are scored and stored quickly:
QUICK, SLOW = 0.1, 0.4  # seconds. So a kill loses little work, and storing takes little of the time
RETRIES = 5.0  # seconds until the state is written again to a full disk
LEFT = 30.0  # seconds that the webhook may take for the last records with --once
SHOWN = 3  # notes of one kind that are shown in full at each poll
NOTHING = Rows(np.zeros((0, 1)), None, np.zeros(0, dtype=bool), np.zeros(0, dtype=bool))


class Stopped(BaseException):
    """The watch ends while it scores: what it has not stored is read again at the next start."""


class Stop:
    """Ends a watch cleanly, from a signal."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._interrupts = False

    def __call__(self, *signal: object) -> None:
        """Ask for the end."""
        self._event.set()
        if self._interrupts:
            raise Stopped

    def __bool__(self) -> bool:
        """Whether the end is asked for."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait, at most until the end is asked for; return whether it is."""
        return self._event.wait(seconds)

    @contextmanager
    def interrupting(self, allowed: bool) -> Iterator[None]:
        """Let the end come inside the block too, if that is allowed."""
        self._interrupts = allowed
        try:
            if allowed and self:
                raise Stopped
            yield
        finally:
            self._interrupts = False

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """End by SIGTERM and Ctrl-C inside the block; a second one is not waited for."""
        asks = (signal.SIGTERM, signal.SIGINT)

        def ask(number: int, frame: object) -> None:
            for each in asks:
                # Not the handler itself: `ape.cli.ending` would take this signal for one that nobody reacts to.
                signal.signal(each, partial(before[each]) if callable(before[each]) else before[each])
            self()

        before: dict[int, Any] = {each: signal.signal(each, ask) for each in asks}
        try:
            yield
        finally:
            for each in asks:
                signal.signal(each, before[each])


@dataclass
class Watch:
    """The parts of a watch, each restored from the store.

    Parameters
    ----------
    source : Source
    parser : Parser
    order : Order
    scorer : LiveScorer
    tracker : EventTracker
    store : Store
    sinks : sequence of Sink
        Those that write at once.
    webhook : Webhook or None
    metrics : Metrics
    say : callable
        Gets a line about what is unusual.
    drift : DriftWatch, optional
    """

    source: Source
    parser: Parser
    order: Order
    scorer: LiveScorer
    tracker: EventTracker
    store: Store
    sinks: Sequence[Sink]
    webhook: Webhook | None
    metrics: Metrics
    say: Callable[[str], None]
    drift: DriftWatch | None = None

    def __post_init__(self) -> None:
        self._complaints: dict[str, str] = {}  # by what cannot be written
        self._failures: dict[str, OSError] = {}  # of the sinks, by their names
        self._size = FIRST

    def run(self, stop: Stop, *, once: bool = False) -> None:
        """Follow the input until it ends, or until the end is asked for.

        Parameters
        ----------
        stop : Stop
        once : bool
            End when all that is there is read.

        Raises
        ------
        InputError
            The input, the state or the disk cannot be used. What was stored is kept. A watch that follows waits for
            a disk that is full.
        """
        self._stop, self._once = stop, once
        self._begin()
        try:
            more = True
            while not stop and more:
                more = self._poll()
        except Stopped:
            pass
        finally:
            self.source.close()
            if self.webhook is not None:
                if once and not stop:
                    self._drain(self.webhook)
                self.webhook.close()
        self._finish()

    def _begin(self) -> None:
        """Make the sinks known, and deliver what was stored before the last end."""
        for name in self._names():
            self.store.register(name)
        self.metrics.open_events.set(len(self.tracker.open))
        self._deliver()
        if self.webhook is not None:
            self.webhook.start()

    def _poll(self) -> bool:
        """Take what has come; return whether more may follow."""
        piece = self.source.read(self._size)
        if piece.items or piece.ended:
            begin = time.monotonic()
            # What a pipe has brought cannot be read again.
            with self._stop.interrupting(not isinstance(self.source, StandardInput | NamedPipe)):
                notes = self._take(piece)
            took = time.monotonic() - begin
            if took > SLOW:
                self._size = max(self._size // 2, FIRST)
            elif took < QUICK and piece.more:
                self._size = min(self._size * 2, BLOCK)
            self._report(notes)
        self._deliver()
        if piece.ended or (self._once and not piece.more):
            return False
        if not piece.more:
            self._stop.wait(POLL)
        return True

    def _take(self, piece: Piece) -> list[Note]:
        """Score the rows of a piece, and store all that follows from it at once."""
        begin, known = time.monotonic(), self.scorer.known
        blocks, notes = self.parser.add(piece.items)
        records: list[Record] = []
        for block in blocks:
            rows, more = self.order.add(block)
            notes += more
            self._score(rows, notes, records)
        if piece.ended:
            notes += self.order.finish()
            self._score(NOTHING, notes, records, last=True)
        self._persist(lambda: self._write(records))
        if blocks:
            self.metrics.arrived = time.time()
        self.metrics.rows.inc(self.scorer.known - known)
        self.metrics.poll.set(time.monotonic() - begin)
        self.metrics.open_events.set(len(self.tracker.open))
        for record in records:
            self.metrics.records.labels(record.state).inc()
        return notes

    def _write(self, records: Sequence[Record]) -> None:
        """Store the states of all parts, and new records, at once."""
        with self.store.transaction():
            for name in STATES:
                part = getattr(self, name)
                if part is not None:
                    self.store.put(name, json.dumps(part.state()).encode())
            self.store.put(SCORER, self.scorer.state())
            self.store.add_records(records)

    def _persist(self, write: Callable[[], None]) -> None:
        """Write to the store. A watch that follows tries again until the disk has room."""
        while True:
            try:
                write()
            except StoreUnavailableError as error:
                if self._once or self._stop:
                    raise
                self._complain("state", f"{error.what} ({error.where}); the watch waits until it can be used")
                self._stop.wait(RETRIES)
            else:
                self._settle("state")
                return

    def _score(self, rows: Rows, notes: list[Note], records: list[Record], *, last: bool = False) -> None:
        """Score rows, and append the notes and records that follow."""
        for judged in self.scorer.add(rows, last):
            records += self.tracker.add(judged)
            moved = [] if self.drift is None else self.drift.add(judged)
            notes += [Note("drift", record.reason, record.end) for record in moved]
            records += moved
            self.metrics.score.set(judged.score)

    def _deliver(self) -> None:
        """Give each sink the records that it lacks; one that cannot take them now gets them later."""
        for sink in self.sinks:
            try:
                while lines := self.store.pending(sink.name):
                    sink.write(lines)
                    number = lines[-1].number
                    self._persist(partial(self.store.delivered, sink.name, number))
            except BrokenPipeError:  # nobody reads the output any more
                raise
            except OSError as error:
                self._failures[sink.name] = error
                if not self._once:
                    text = f"cannot write now: {error.strerror or error}; the events are kept, and written later"
                    self._complain(sink.where, text)
            else:
                self._failures.pop(sink.name, None)
                self._settle(sink.where)
        if self.webhook is not None:
            self.webhook.wake()
        for name in self._names():
            self.metrics.waiting.labels(name).set(self.store.waiting(name))

    def _complain(self, what: str, text: str) -> None:
        """Say what cannot be written, once."""
        if self._complaints.get(what) != text:
            self.say(f"{what}: {text}")
        self._complaints[what] = text

    def _settle(self, what: str) -> None:
        """Say that it can be written again, if something was wrong."""
        if self._complaints.pop(what, None) is not None:
            self.say(f"{what}: can be written again")

    def _drain(self, webhook: Webhook) -> None:
        """Wait until the webhook has sent all records, for a while."""
        end = time.monotonic() + LEFT
        while self.store.waiting(webhook.name) and time.monotonic() < end and not self._stop.wait(0.05):
            pass

    def _finish(self) -> None:
        """Deliver the last records, and say which ones are left for the next start.

        Raises
        ------
        InputError
            They cannot be written, and nobody has asked for the end.
        """
        while not self._stop and any(isinstance(error, BlockingIOError) for error in self._failures.values()):
            self._deliver()
        for name in self._names():
            if count := self.store.waiting(name):
                self.say(f"{name}: {counted(count, 'record')} not delivered yet; the next start delivers them")
        for sink in self.sinks:
            if sink.name in self._failures and not self._stop:
                error = self._failures[sink.name]
                hint = "the events are kept: free space or check the path, then start it again"
                raise InputError(f"cannot write the events: {error.strerror or error}", sink.where, hint) from error

    def _names(self) -> list[str]:
        return [*(sink.name for sink in self.sinks), *([self.webhook.name] if self.webhook else [])]

    def _report(self, notes: Sequence[Note]) -> None:
        """Report what is unusual; many notes of one kind are counted."""
        counts = Counter[str]()
        for note in notes:
            counts[note.kind] += 1
            self.metrics.notes.labels(note.kind).inc()
            if counts[note.kind] <= SHOWN:
                self.say(f"{note.kind}: {note.text}")
        for kind, count in counts.items():
            if count > SHOWN:
                self.say(f"{kind}: {count - SHOWN} more")
