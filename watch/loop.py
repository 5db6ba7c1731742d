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
from typing import Any

import numpy as np

from ape.watch.drift import DriftWatch
from ape.watch.events import EventTracker, Record
from ape.watch.lines import Piece
from ape.watch.metrics import Metrics
from ape.watch.order import Order
from ape.watch.parsing import Parser
from ape.watch.rows import Note, Rows
from ape.watch.scorer import LiveScorer
from ape.watch.sinks import Sink, Webhook
from ape.watch.sources import Source, StandardInput
from ape.watch.store import Store

POLL = 0.5  # seconds between two looks at the input
LEFT = 30.0  # seconds that the webhook may take for the last records with --once
SHOWN = 3  # notes of one kind that are shown in full at each poll
SCORER = "scorer"  # key of its state in the store; those of the others are in STATES
STATES = ("source", "parser", "order", "tracker", "drift")
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
                signal.signal(each, before[each])
            self()

        before = {each: signal.signal(each, ask) for each in asks}
        try:
            yield
        finally:
            for each in asks:
                signal.signal(each, before[each])


def stored_states(store: Store) -> dict[str, Any]:
    """Return the states of the parts of a watch from its store, by name; None for those that are not there."""
    stored = {name: store.get(name) for name in STATES}
    return {name: None if state is None else json.loads(state) for name, state in stored.items()}


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
        self._complaints: dict[str, str] = {}  # by the name of the sink

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
            The input, the state or the disk cannot be used. What was stored is kept.
        """
        self._begin()
        try:
            more = True
            while not stop and more:
                more = self._poll(stop, once)
        except Stopped:
            pass
        finally:
            self.source.close()
            if self.webhook is not None:
                if once and not stop:
                    self._drain(self.webhook, stop)
                self.webhook.close()

    def _begin(self) -> None:
        """Make the sinks known, and deliver what was stored before the last end."""
        for name in self._names():
            self.store.register(name)
        self.metrics.open_events.set(len(self.tracker.open))
        self._deliver()
        if self.webhook is not None:
            self.webhook.start()

    def _poll(self, stop: Stop, once: bool) -> bool:
        """Take what has come; return whether more may follow."""
        piece = self.source.read()
        if piece.items or piece.ended:
            # What standard input has brought cannot be read again.
            with stop.interrupting(not isinstance(self.source, StandardInput)):
                notes = self._take(piece)
            self._report(notes)
        self._deliver()
        if piece.ended or (once and not piece.more):
            return False
        if not piece.more:
            stop.wait(POLL)
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
        with self.store.transaction():
            for name in STATES:
                part = getattr(self, name)
                if part is not None:
                    self.store.put(name, json.dumps(part.state()).encode())
            self.store.put(SCORER, self.scorer.state())
            self.store.add_records(records)
        if blocks:
            self.metrics.arrived = time.time()
        self.metrics.rows.inc(self.scorer.known - known)
        self.metrics.poll.set(time.monotonic() - begin)
        self.metrics.open_events.set(len(self.tracker.open))
        for record in records:
            self.metrics.records.labels(record.state).inc()
        return notes

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
                    self.store.delivered(sink.name, lines[-1].number)
            except BrokenPipeError:  # nobody reads the output any more
                raise
            except OSError as error:
                self._complain(sink.name, f"cannot write now: {error.strerror or error}; the events are kept")
            else:
                self._complaints.pop(sink.name, None)
        if self.webhook is not None:
            self.webhook.wake()
        for name in self._names():
            self.metrics.waiting.labels(name).set(self.store.waiting(name))

    def _complain(self, sink: str, text: str) -> None:
        """Say what is wrong with a sink, once."""
        if self._complaints.get(sink) != text:
            self.say(f"{sink}: {text}")
        self._complaints[sink] = text

    def _drain(self, webhook: Webhook, stop: Stop) -> None:
        """Wait until the webhook has sent all records, for a while."""
        end = time.monotonic() + LEFT
        while self.store.waiting(webhook.name) and time.monotonic() < end and not stop.wait(0.05):
            pass

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
