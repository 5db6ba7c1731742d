"""A watch that is killed at any moment, and started again, reports the same events, each line once."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from watch_records import SHARE

from ape.cli.main import main
from ape.core.alert_rates import AlertRate
from ape.monitor import Threshold
from ape.series import ReadOptions, Requirements
from ape.watch import sinks, store
from ape.watch.describing import Described
from ape.watch.events import EventTracker
from ape.watch.formats import Known
from ape.watch.loop import Stop, Watch
from ape.watch.metrics import Metrics
from ape.watch.order import Order
from ape.watch.parsing import Parser
from ape.watch.scorer import Judged
from ape.watch.sources import open_source
from ape.watch.state import SCORER, STATES

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
KILLS = 20
LEVEL, LATENCY = 4.0, 40  # of the simple score
AT_RECORDS = ("before the commit", "within a line", "before the delivery is noted")  # each can follow those before
KILLED, DONE = -signal.SIGKILL, 0

Follow = Callable[[Path, Path, Path], int]  # folder, data, file for the events


class SimpleScorer:
    """The score is the distance of the value from 50, in halves; it is final after some rows."""

    def __init__(self, state: bytes | None) -> None:
        self.values, self.known = ([], 0) if state is None else json.loads(state)

    def add(self, rows, last=False):
        for value in rows.values[:, 0].tolist():
            self.values.append(value)
            self.known += 1
            score = np.abs(np.array(self.values, dtype=np.float32) - 50) / 2
            done = max(0, len(score) - LATENCY)
            nothing = np.zeros(len(score), dtype=bool)
            yield Judged(self.known, self.known - len(score), score[:done], score[done:], nothing, ())
            del self.values[:done]

    def state(self) -> bytes:
        return json.dumps([self.values, self.known]).encode()


def described(begin: int, end: int) -> Described:
    event = dict.fromkeys(("start_time", "end_time", "peak_time", "expected_every", "rule", "rule_probability"))
    places = {"start": begin, "end": end, "peak": begin, "ongoing": False, "score": 9.0}
    return Described(0, {**event, **places, "channels": [SHARE], "reason": f"rows {begin} to {end} are high"})


def follow_simply(folder: Path, data: Path, out: Path) -> int:
    """Watch with the simple score; all but the detector is as in ``ape watch --once``."""
    path, required = store.store_path(folder, "w"), Requirements(channels=("load",), step=60.0)
    threshold = Threshold(LEVEL, AlertRate(1, "week"), 60.0, 1500)
    with store.locked(path), store.Store(path) as kept:
        states = {name: json.loads(kept.get(name) or b"null") for name in STATES}
        watched = Watch(
            source=open_source(str(data), states["source"]),
            parser=Parser(required, ReadOptions(), Known(), states["parser"]),
            order=Order(required, states["order"]),
            scorer=SimpleScorer(kept.get(SCORER)),
            tracker=EventTracker("w", threshold, described, states["tracker"]),
            store=kept,
            sinks=[sinks.File(out)],
            webhook=None,
            metrics=Metrics(LEVEL),
            say=lambda text: None,
        )
        watched.run(Stop(), once=True)
    return 0


def follow_really(folder: Path, data: Path, out: Path) -> int:
    """``ape watch``."""
    return main(
        ["watch", str(folder), "--input", str(data), "--out", str(out), "--every", "50", "--name", "w", "--once"]
    )


def in_a_process(follow: Follow, folder: Path, data: Path, out: Path, moment: str | int) -> int:
    """Watch in a process of its own that kills itself at a moment; return its exit status."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        die_at(moment)
        os._exit(follow(folder, data, out))
    finally:
        os._exit(99)


def die_at(moment: str | int) -> None:
    """Let this process kill itself at a record (one of ``AT_RECORDS``), or at a call of a function, by its number."""

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    def half(sink, lines):
        before = sink.path.stat().st_size if sink.path.exists() else 0
        write(sink, lines)
        if sink.path.stat().st_size > before:
            os.truncate(sink.path, sink.path.stat().st_size - 20)
            die()

    def count(frame, event, argument):
        nonlocal left
        left -= 1
        if left == 0:
            die()

    add, write = store.Store.add_records, sinks.File.write
    if isinstance(moment, int):
        left = moment
        sys.setprofile(count)
    elif moment == "before the commit":
        store.Store.add_records = lambda self, records: (add(self, records), die() if records else None)
    elif moment == "within a line":
        sinks.File.write = half
    elif moment == "before the delivery is noted":
        store.Store.delivered = die


def simple_lines() -> list[bytes]:
    """Rows a minute apart; the level is high for 20 to 60 rows, nine times."""
    values = 50 + np.random.default_rng(0).normal(0, 1, 2000)
    for number in range(9):
        values[150 + 200 * number :][: 20 + 5 * number] += 15
    times = np.datetime64("2026-03-02T00:00") + np.arange(len(values)) * np.timedelta64(1, "m")
    return [b"time,load\n", *(f"{time},{value:.2f}\n".encode() for time, value in zip(times, values, strict=True))]


def numbered(path: Path) -> list[tuple[str, int]]:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [(record["id"], record["sequence"]) for record in records]


def test_twenty_kills_leave_the_same_events(tmp_path):
    text, chance = b"".join(simple_lines()), random.Random(0)
    whole, live, expected, got = (tmp_path / name for name in ("whole.csv", "live.csv", "expected", "got"))
    whole.write_bytes(text)
    assert follow_simply(tmp_path / "quiet", whole, expected) == 0
    place, killed, at_records = 0, 0, 0
    while place < len(text):
        more = chance.randrange(1, 2 * len(text) // KILLS)  # also within a line
        with live.open("ab") as file:
            file.write(text[place : (place := place + more)])
        # A watch of these rows makes 15,000 calls and more.
        for moment in (chance.randrange(1, 15_000), chance.choice(AT_RECORDS)):
            ended = in_a_process(follow_simply, tmp_path / "killed", live, got, moment)
            assert ended in (KILLED, DONE)
            killed += ended == KILLED
            at_records += ended == KILLED and moment in AT_RECORDS
    assert killed >= KILLS and at_records >= KILLS // 3
    assert follow_simply(tmp_path / "killed", live, got) == 0
    assert got.read_bytes() == expected.read_bytes()
    assert len(set(numbered(got))) == len(numbered(got)) == 18  # 9 events open and close


@pytest.mark.extended
def test_kills_of_a_real_watch_at_its_records_leave_the_same_events(watched_run, tmp_path):
    quiet, killed = (shutil.copytree(watched_run.folder, tmp_path / name) for name in ("quiet", "killed"))
    expected, got = tmp_path / "expected", tmp_path / "got"
    assert follow_really(quiet, watched_run.new, expected) == 0
    for moment in AT_RECORDS:
        assert in_a_process(follow_really, killed, watched_run.new, got, moment) == KILLED
    assert follow_really(killed, watched_run.new, got) == 0
    assert got.read_bytes() == expected.read_bytes()
    assert len(set(numbered(got))) == len(numbered(got)) > 0
