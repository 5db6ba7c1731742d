"""A watch that is killed at any moment, and started again, reports the same events, each line once."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import time
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
from ape.watch.loop import SCORER, Stop, Watch, stored_states
from ape.watch.metrics import Metrics
from ape.watch.order import Order
from ape.watch.parsing import Parser
from ape.watch.scorer import Judged
from ape.watch.sources import open_source

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
KILLS, REAL_KILLS = 20, 5  # a real watch is killed once at each moment
PATIENCE = 240.0  # seconds until a watch must have stored something
ITS_TIME = 5.0  # seconds until a watch has come to a moment, if it comes
LEVEL, LATENCY = 4.0, 40  # of the simple score
MOMENTS = ("within a line", "at random", "before the commit", "at random", "before the delivery is noted")

Follow = Callable[[Path, Path, Path, bool], int]  # folder, data, file for the events, once


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


def follow_simply(folder: Path, data: Path, out: Path, once: bool) -> int:
    """Watch with the simple score; all but the detector is as in ``ape watch``."""
    path, required = store.store_path(folder, "w"), Requirements(channels=("load",), step=60.0)
    threshold = Threshold(LEVEL, AlertRate(1, "week"), 60.0, 1500)
    with store.locked(path), store.Store(path) as kept:
        states = stored_states(kept)
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
        watched.run(Stop(), once=once)
    return 0


def follow_really(folder: Path, data: Path, out: Path, once: bool) -> int:
    """``ape watch``."""
    words = ["watch", str(folder), "--input", str(data), "--out", str(out), "--every", "5", "--name", "w"]
    return main([*words, "--once"] if once else words)


def start(follow: Follow, folder: Path, data: Path, out: Path, moment: str) -> int:
    """Start a watch in a process of its own that kills itself at a moment, if it comes; return its number."""
    child = os.fork()
    if child:
        return child
    try:
        die_at(moment)
        os._exit(follow(folder, data, out, False))
    finally:
        os._exit(99)


def die_at(moment: str) -> None:
    """Let this process kill itself before its records are stored, within a line, or before a delivery is noted."""

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    def half(sink, lines):
        body = lines[0].body.encode()
        if sink.path.exists() and body in sink.path.read_bytes():  # a file never gets part of what it has
            return write(sink, lines)
        with sink.path.open("ab") as file:
            file.write(body[:40])
        return die()

    add, write = store.Store.add_records, sinks.File.write
    if moment == "before the commit":
        store.Store.add_records = lambda self, records: (add(self, records), die() if records else None)
    elif moment == "within a line":
        sinks.File.write = half
    elif moment == "before the delivery is noted":
        store.Store.delivered = die


def stored(path: Path) -> bytes | None:
    """Return where the watch is in its input."""
    if not path.is_file():
        return None
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0.2) as database:
            found = database.execute("select value from state where key = 'source'").fetchone()
            return found and found[0]
    except sqlite3.OperationalError:
        return None


def check_kills(
    follow: Follow, quiet: Path, killed: Path, lines: list[bytes], folder: Path, kills: int
) -> dict[str, int]:
    """Compare a watch that is killed with one that is not; count kills within a moment, and records."""
    whole, live, text = folder / "whole.csv", folder / "live.csv", b"".join(lines)
    expected, got = folder / "expected.jsonl", folder / "got.jsonl"
    whole.write_bytes(text)
    live.write_bytes(b"".join(lines[:20]))
    assert follow(quiet, whole, expected, True) == 0
    place, chance, counts = live.stat().st_size, random.Random(0), {"by itself": 0, "records": 0}
    for kill in range(kills):
        moment = MOMENTS[kill % len(MOMENTS)]
        watch = start(follow, killed, live, got, moment)
        before, commits = stored(killed / "watch/w.sqlite"), chance.choice([0, 1, 2, 3])
        end, alive = time.monotonic() + PATIENCE, True
        while alive and commits > 0 and time.monotonic() < end:
            at = place
            place = min(place + chance.randrange(1, 400), len(text) * (kill + 1) // kills)  # also within a line
            with live.open("ab") as file:
                file.write(text[at:place])
            time.sleep(chance.uniform(0, 0.2))
            now = stored(killed / "watch/w.sqlite")
            commits -= now not in (before, None)
            before = now or before
            if place == at and chance.random() < 0.2:  # nothing is left to write in this round
                break
            alive = os.waitpid(watch, os.WNOHANG) == (0, 0)
        if alive and moment != "at random":  # it gets all rows of its round, and time to come to the moment
            with live.open("ab") as file:
                file.write(text[place : (place := len(text) * (kill + 1) // kills)])
            end = time.monotonic() + ITS_TIME
            while alive and time.monotonic() < end:
                time.sleep(0.05)
                alive = os.waitpid(watch, os.WNOHANG) == (0, 0)
        if alive:
            time.sleep(chance.uniform(0, 0.3))
            os.kill(watch, signal.SIGKILL)
            os.waitpid(watch, 0)
        counts["by itself"] += not alive
    with live.open("ab") as file:
        file.write(text[place:])
    assert follow(killed, live, got, True) == 0
    assert got.read_bytes() == expected.read_bytes()
    records = [json.loads(line) for line in got.read_text().splitlines()]
    assert len({(record["id"], record["sequence"]) for record in records}) == len(records)
    return {**counts, "records": len(records)}


def simple_lines() -> list[bytes]:
    """Rows a minute apart; the level is high for 20 to 60 rows, nine times."""
    values = 50 + np.random.default_rng(0).normal(0, 1, 2000)
    for number in range(9):
        values[150 + 200 * number :][: 20 + 5 * number] += 15
    times = np.datetime64("2026-03-02T00:00") + np.arange(len(values)) * np.timedelta64(1, "m")
    return [b"time,load\n", *(f"{time},{value:.2f}\n".encode() for time, value in zip(times, values, strict=True))]


def test_twenty_kills_leave_the_same_events(tmp_path):
    counts = check_kills(follow_simply, tmp_path / "quiet", tmp_path / "killed", simple_lines(), tmp_path, KILLS)
    assert counts["by itself"] >= 3 and counts["records"] == 18  # 9 events open and close


@pytest.mark.extended
def test_five_kills_of_a_real_watch_leave_the_same_events(watched_run, tmp_path):
    quiet, killed = (shutil.copytree(watched_run.folder, tmp_path / name) for name in ("quiet", "killed"))
    lines = watched_run.new.read_bytes().splitlines(keepends=True)[:401]
    assert check_kills(follow_really, quiet, killed, lines, tmp_path, REAL_KILLS)["records"] > 0
