"""``ape watch`` and ``ape alerts``: exactly once, clean ends, sinks that do not hold up the scoring."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from ape.cli.main import main
from ape.watch import loop
from ape.watch.store import Store, StoreUnavailableError, locked, store_path


@pytest.fixture
def folder(watched_run, tmp_path):
    return shutil.copytree(watched_run.folder, tmp_path / "run")


@pytest.fixture
def lines(watched_run):
    """The header, and 220 rows with the anomaly."""
    header, *rows = watched_run.new.read_bytes().splitlines(keepends=True)
    return [header, *rows[200:420]]


@pytest.fixture
def watch(folder, tmp_path):
    """A function that watches a file once, judging each ten rows; it returns the exit code."""

    def run(data, *more, once=True):
        options = ["--once"] if once else []
        return main(["watch", str(folder), "--input", str(data), "--every", "10", "--name", "w", *options, *more])

    return run


def reported(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def finds_anomaly(records):
    return any(record["start"] <= 120 < record["end"] and record["state"] != "withdraw" for record in records)


def test_rows_in_parts_and_restarts_tell_the_same_as_all_at_once(watch, folder, lines, tmp_path, capsys):
    parts, whole = tmp_path / "parts.jsonl", tmp_path / "whole.jsonl"
    data = tmp_path / "live.csv"
    for size in (100, 3000, 5001, 10**6):  # bytes; also within a line
        data.write_bytes(b"".join(lines)[:size])
        assert watch(data, "--out", str(parts)) == 0
    said = capsys.readouterr()
    assert "continues after" in said.err and said.out == ""
    shutil.rmtree(folder / "watch")
    assert watch(data) == 0
    whole.write_text(capsys.readouterr().out)
    assert parts.read_bytes() == whole.read_bytes()
    assert finds_anomaly(reported(parts))


def test_alerts_are_listed_acknowledged_and_called_false(watch, folder, lines, tmp_path, capsys):
    data = tmp_path / "live.csv"
    data.write_bytes(b"".join(lines))
    assert watch(data, "--out", str(tmp_path / "events.jsonl")) == 0
    event = reported(tmp_path / "events.jsonl")[-1]["id"]
    assert main(["alerts", str(folder), event, "--acknowledge"]) == 0
    assert main(["alerts", str(folder), event, "--false", "--note", "the cleaning"]) == 0
    capsys.readouterr()
    assert main(["alerts", str(folder)]) == 0
    out = capsys.readouterr().out
    assert event in out and "false" in out
    assert main(["alerts", str(folder), "--json"]) == 0
    found = {alert["id"]: alert for alert in json.loads(capsys.readouterr().out)}
    assert (found[event]["label"], found[event]["note"]) == ("false", "the cleaning")
    for wrong, what in (
        (["w-7", "--false"], "no event 'w-7'"),
        ([event], "give ID with"),
        (["--false"], "give ID with"),
        (["--note", "why"], "a note belongs to a label"),
    ):
        assert main(["alerts", str(folder), *wrong]) == 2
        assert what in capsys.readouterr().err
    damaged = folder / "watch" / "other.sqlite"
    damaged.write_bytes(b"x" * 5000)
    assert main(["alerts", str(folder), "--json"]) == 2  # the others are listed first
    said = capsys.readouterr()
    assert [alert["id"] for alert in json.loads(said.out)] == list(found)
    assert said.err.splitlines()[-1].startswith("ape: ") and str(damaged) in said.err
    assert main(["alerts", str(folder), event, "--acknowledge"]) == 0
    assert main(["alerts", str(folder), "w-7", "--acknowledge"]) == 2
    assert str(damaged) in capsys.readouterr().err


def test_lines_that_wait_for_their_format_wait_over_restarts(watch, lines, tmp_path, capsys):
    data = tmp_path / "live.csv"
    data.write_bytes(lines[0] + b"soon,much\n" * 3)
    for _ in range(2):
        assert watch(data) == 0, capsys.readouterr().err
    with data.open("ab") as file:
        file.writelines(lines[1:])
    assert watch(data, "--out", str(tmp_path / "events.jsonl")) == 0
    assert finds_anomaly(reported(tmp_path / "events.jsonl"))


def test_a_run_that_was_never_watched_has_no_alerts(folder, capsys):
    assert main(["alerts", str(folder)]) == 2
    assert "nothing was watched" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly_within_seconds(watch, folder, lines, tmp_path, number):
    data = tmp_path / "live.csv"
    data.write_bytes(b"".join(lines[:40]))
    child = os.fork()
    if not child:
        try:
            os._exit(watch(data, "--out", str(tmp_path / "events.jsonl"), once=False))
        finally:
            os._exit(99)
    path, end = store_path(folder, "w"), time.monotonic() + 120
    while time.monotonic() < end:  # until it has stored the first rows
        if path.is_file():
            with Store(path) as store:
                if store.get("scorer") is not None:
                    break
        time.sleep(0.05)
    begin = time.monotonic()
    os.kill(child, number)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert time.monotonic() - begin < 5
    with locked(path), Store(path):
        pass


def test_the_end_may_come_while_it_scores(watch, folder, lines, tmp_path, monkeypatch):
    data, out = tmp_path / "live.csv", tmp_path / "events.jsonl"
    data.write_bytes(b"".join(lines))

    def add(self, judged):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        raise AssertionError("the signal comes first")

    with monkeypatch.context() as patch:
        patch.setattr(loop.EventTracker, "add", add)
        assert watch(data, "--out", str(out)) == 0
    assert not out.exists()
    assert watch(data, "--out", str(out)) == 0
    assert finds_anomaly(reported(out))


def test_a_second_process_is_one_line(watch, folder, lines, tmp_path, capsys):
    data = tmp_path / "live.csv"
    data.write_bytes(b"".join(lines[:20]))
    with locked(store_path(folder, "w")):
        assert watch(data) == 2
    assert capsys.readouterr().err.startswith("ape: another process watches this already")


def test_another_input_or_detector_is_refused(watch, folder, lines, tmp_path, capsys):
    data, other = tmp_path / "live.csv", tmp_path / "other.csv"
    for path in (data, other):
        path.write_bytes(b"".join(lines[:20]))
    assert watch(data) == 0
    assert watch(other) == 2
    assert "this watch follows" in capsys.readouterr().err
    (folder / "enhanced" / "more.txt").write_text("x")
    assert watch(data) == 2
    assert "the detector has changed" in capsys.readouterr().err


def test_events_are_not_written_to_where_they_would_be_read(watch, lines, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_bytes(b"".join(lines[:20]))
    assert watch(tmp_path / "in", "--out", str(tmp_path / "in" / "events.jsonl")) == 2
    assert "would be read as rows" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_gets_its_events_later(watch, lines, tmp_path, capsys, monkeypatch):
    data, out = tmp_path / "live.csv", tmp_path / "events.jsonl"
    data.write_bytes(b"".join(lines))

    def full(self, lines):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("ape.watch.sinks.File.write", full)
        assert watch(data, "--out", str(out)) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"ape: cannot write the events: No space left on device (--out {out}): the events are kept")
    assert watch(data, "--out", str(out)) == 0
    assert finds_anomaly(reported(out))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_without_room_is_one_line(watch, lines, tmp_path, capsys):
    data = tmp_path / "live.csv"
    data.write_bytes(b"".join(lines))
    assert watch(data, "--out", "/dev/full") == 2
    assert "No space left on device (--out /dev/full)" in capsys.readouterr().err.splitlines()[-1]


def test_what_is_no_file_for_events_is_refused_at_once(watch, lines, tmp_path, capsys):
    data, pipe = tmp_path / "live.csv", tmp_path / "pipe"
    data.write_bytes(b"".join(lines[:20]))
    os.mkfifo(pipe)
    for out in (tmp_path / "run", pipe, pipe / "events.jsonl"):
        assert watch(data, "--out", str(out)) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"(--out {out}): give" in line


def test_a_watch_that_follows_waits_until_the_disk_has_room(watch, lines, tmp_path, capsys, monkeypatch):
    data, out = tmp_path / "live.csv", tmp_path / "events.jsonl"
    data.write_bytes(b"".join(lines))
    put, full = Store.put, iter([True, True])

    def fill(store, key, value):
        if key == "scorer" and next(full, False):
            raise StoreUnavailableError("the state of the watch cannot be used now: full", "FILE", "free space")
        put(store, key, value)

    def end(self, seconds):  # nothing more comes, or the disk is full
        if seconds == loop.POLL:
            self._event.set()
        return self._event.is_set()

    monkeypatch.setattr(Store, "put", fill)
    monkeypatch.setattr(loop.Stop, "wait", end)
    assert watch(data, "--out", str(out), once=False) == 0
    said = capsys.readouterr().err
    assert said.count("state: the state of the watch cannot be used now: full") == 1
    assert said.count("state: can be written again") == 1
    assert finds_anomaly(reported(out))


def test_a_backlog_is_stored_in_slices(watch, folder, lines, tmp_path, monkeypatch):
    data, out, counts = tmp_path / "live.csv", tmp_path / "events.jsonl", []
    data.write_bytes(b"".join(lines))
    for _ in range(3):  # each start stores one slice
        with monkeypatch.context() as patch:
            write = loop.Watch._deliver
            begun = []

            def deliver(self, begun=begun, write=write):
                write(self)
                begun.append(1)
                if len(begun) == 2:  # the first one is that of the start
                    raise KeyboardInterrupt

            patch.setattr(loop.Watch, "_deliver", deliver)
            assert watch(data, "--out", str(out)) == 130
        with Store(store_path(folder, "w")) as store:
            counts.append(json.loads(store.get("source"))["offset"])
    assert counts == sorted(set(counts)) and counts[0] > 0 and counts[-1] < len(b"".join(lines))
    assert watch(data, "--out", str(out)) == 0
    assert finds_anomaly(reported(out))


def test_a_webhook_that_hangs_does_not_hold_up_the_scoring(watch, folder, lines, tmp_path, monkeypatch):
    release = threading.Event()

    class Hanging(BaseHTTPRequestHandler):
        def do_POST(self):
            release.wait(30)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hanging)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(loop, "LEFT", 0.2)
    data, out = tmp_path / "live.csv", tmp_path / "events.jsonl"
    data.write_bytes(b"".join(lines))
    url = f"http://127.0.0.1:{server.server_port}/x"
    assert watch(data, "--out", str(out), "--webhook", url) == 0
    release.set()
    server.shutdown()
    with Store(store_path(folder, "w")) as store:
        assert store.waiting("webhook") == len(reported(out)) > 0


def test_json_lines_on_standard_input_end_with_their_writer(folder, lines, tmp_path, capsys, monkeypatch):
    rows = [line.decode().strip().split(",") for line in lines[1:]]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"time": time, "load": float(value)}) + "\n" for time, value in rows))
    with path.open("rb") as file:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(file))
        assert main(["watch", str(folder), "--input", "-", "--every", "10"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {record["id"].partition("-")[0] for record in records} == {"stdin"}
    assert finds_anomaly(records)


def test_a_drift_is_sent_once_to_the_webhook_with_its_picture(folder, values_of, tmp_path):
    got = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    data, out = tmp_path / "live.csv", tmp_path / "events.jsonl"
    times = np.datetime64("2026-03-03T01:00") + np.arange(2000) * np.timedelta64(1, "m")
    lines = [f"{time},{value:.2f}\n" for time, value in zip(times, values_of(2000) + 12, strict=True)]
    shutil.rmtree(folder / "enhanced")
    (folder / "posttrain.json").unlink()
    words = ["watch", str(folder), "--input", str(data), "--out", str(out), "--every", "100", "--once", "--name", "w"]
    for part in (lines[:1500], lines[1500:]):
        with data.open("a") as file:
            file.write("".join(["time,load\n", *part]))
        assert main([*words, "--webhook", f"http://127.0.0.1:{server.server_port}"]) == 0
    server.shutdown()
    (drift,) = [record for record in got if record["state"] == "drift"]
    assert Path(drift["picture"]).read_bytes().startswith(b"\x89PNG") and drift["picture"] in drift["text"]
    assert [record["id"] for record in reported(out) if record["state"] == "drift"] == [drift["id"]]


def test_lines_that_wait_are_reported_with_the_reason(folder, tmp_path, capsys):
    (tmp_path / "live.csv").write_text("time,pressure\n2026-03-03T01:00,50\n")
    assert main(["watch", str(folder), "--input", str(tmp_path / "live.csv"), "--once"]) == 0
    said = capsys.readouterr().err
    assert "ended after 0 rows" in said and "wait until more rows" in said and "'pressure'" in said
