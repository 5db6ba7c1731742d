"""Streams: rows in several requests get what ``ape watch`` gives for all of them."""

from __future__ import annotations

import itertools
import json
import shutil
import sqlite3
from contextlib import closing

import pandas as pd
import pytest
from support import unverified

from ape.api.app import build_app
from ape.api.served import open_all
from ape.core.errors import InputError
from ape.watch.parsing import Parser
from ape.watch.store import locked, store_path

TestClient = pytest.importorskip("starlette.testclient").TestClient
STREAM = "/detectors/pump/streams/hall-1"
FIRST, CUTS = 250, (0, 40, 41, 120, 250)  # rows of the new file from the anomaly's surroundings


@pytest.fixture
def own(pump, tmp_path):
    """A client of a service whose run folder may be changed."""
    folder = tmp_path / "pump"
    shutil.copytree(pump, folder)
    return TestClient(build_app(open_all([folder])), "http://127.0.0.1"), folder


@pytest.fixture(scope="module")
def rows(watched_run):
    return pd.read_csv(watched_run.new)[FIRST : FIRST + CUTS[-1]].to_dict("records")


def test_rows_in_pieces_get_what_they_get_at_once_also_after_a_restart(own, rows):
    client, folder = own
    whole = client.post("/detectors/pump/streams/whole", json={"rows": rows}).json()
    parts = []
    for begin, end in itertools.pairwise(CUTS):
        client = TestClient(build_app(open_all([folder])), "http://127.0.0.1")  # nothing is kept but files
        parts.append(client.post(STREAM, json={"rows": rows[begin:end]}).json())
    assert parts[-1]["rows"] == whole["rows"] and parts[-1]["newest"] == whole["newest"]
    assert [score for part in parts for score in part["final"]] == whole["final"]
    reported = [{**record, "id": ""} for part in parts for record in part["records"]]
    assert reported == [{**record, "id": ""} for record in whole["records"]]
    assert reported and reported[0]["state"] == "open"


def test_workers_that_take_turns_with_a_stream_agree_with_one(own, rows):
    client, folder = own
    whole = client.post("/detectors/pump/streams/whole", json={"rows": rows}).json()
    other = TestClient(build_app(open_all([folder])), "http://127.0.0.1")
    turns = (client, client, other, client)  # one that has kept its scorer, then one that another has overtaken
    parts = [
        turn.post(STREAM, json={"rows": rows[begin:end]}).json()
        for turn, (begin, end) in zip(turns, itertools.pairwise(CUTS), strict=True)
    ]
    assert [score for part in parts for score in part["final"]] == whole["final"]
    assert parts[-1]["newest"] == whole["newest"]


def test_a_csv_body_is_like_rows(own, rows):
    client, _ = own
    as_rows = client.post(STREAM, json={"rows": rows[:60]}).json()
    text = pd.DataFrame(rows[:60]).to_csv(index=False)
    as_file = client.post("/detectors/pump/streams/file", content=text, headers={"content-type": "text/csv"}).json()
    assert as_file["newest"] == as_rows["newest"] and as_file["rows"] == as_rows["rows"] == 60


def test_repeated_rows_are_noted_and_change_nothing(own, rows):
    client, _ = own
    first = client.post(STREAM, json={"rows": rows[:60]}).json()
    again = client.post(STREAM, json={"rows": rows[50:60]}).json()
    assert again["rows"] == first["rows"] and any("repeated" in note for note in again["notes"])


def test_a_stream_takes_one_request_at_a_time(own, rows):
    client, folder = own
    with locked(store_path(folder, "api-hall-1")):
        answer = client.post(STREAM, json={"rows": rows[:5]})
    assert answer.status_code == 409 and set(answer.json()) == {"what", "where", "hint"}
    assert client.post(STREAM, json={"rows": rows[:5]}).status_code == 200


def _state(path, key, value):
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("update state set value = ? where key = ?", (value, key))


DAMAGES = {
    "no SQLite": lambda path: path.write_bytes(b"x" * 5000),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:3000]),
    "null as state": lambda path: _state(path, "scorer", b"null"),
    "text as state": lambda path: _state(path, "parser", "[]"),
    "no state": lambda path: _state(path, "order", b""),
    "another database": lambda path: (
        path.unlink(),
        sqlite3.connect(path).executescript("create table x (y);").close(),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_stream_is_reported_for_itself_and_blocks_no_other(own, rows, damage):
    client, folder = own
    for stream in ("bad", "good"):
        assert client.post(f"/detectors/pump/streams/{stream}", json={"rows": rows[:60]}).status_code == 200
    DAMAGES[damage](store_path(folder, "api-bad"))
    bad, good = client.get("/detectors/pump/streams").json()
    assert (bad["stream"], bad["rows"], bad["events"]) == ("bad", None, None) and bad["problem"]
    assert (good["rows"], good["problem"]) == (60, None)
    answer = client.post("/detectors/pump/streams/bad", json={"rows": rows[60:70]})
    assert answer.status_code == 500 and str(folder) not in answer.text + bad["problem"]
    assert set(answer.json()) == {"what", "where", "hint"} and "state" in answer.json()["what"]
    assert client.post("/detectors/pump/streams/good", json={"rows": rows[60:70]}).status_code == 200


def test_a_stream_that_cannot_be_written_now_is_not_the_senders_fault(own, rows):
    client, folder = own
    store_path(folder, "api-hall-1").mkdir(parents=True)
    assert client.post(STREAM, json={"rows": rows[:5]}).status_code == 503
    (stream,) = client.get("/detectors/pump/streams").json()
    assert "cannot be used now" in stream["problem"]
    store_path(folder, "api-x").with_suffix(".lock").mkdir()
    assert client.post("/detectors/pump/streams/x", json={"rows": rows[:5]}).status_code == 503


def test_lines_are_parsed_once(own, rows, monkeypatch):
    client, _ = own
    calls, parse = [], Parser.add
    monkeypatch.setattr(Parser, "add", lambda self, items: calls.append(len(items)) or parse(self, items))
    for begin in (0, 60):
        assert client.post(STREAM, json={"rows": rows[begin : begin + 60]}).status_code == 200
    assert calls == [61, 61]  # with the mark of another body


def test_another_detector_is_refused(own, rows):
    client, folder = own
    assert client.post(STREAM, json={"rows": rows[:5]}).status_code == 200
    record = folder / "enhanced" / "threshold.json"
    unverified(folder)
    record.write_text(json.dumps({**json.loads(record.read_text()), "level": 9.0}))
    changed = TestClient(build_app(open_all([folder])), "http://127.0.0.1")
    answer = changed.post(STREAM, json={"rows": rows[5:9]})
    assert answer.status_code == 422 and "has changed" in answer.json()["what"]


TIME = "2026-03-03 15:00:00"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({"rows": [{}]}, "time"),
        ({"rows": [{}, {}]}, "time"),
        ({"rows": [{"load": 50}]}, "time"),
        ({"rows": [{"time": None, "load": 50}]}, "time"),
        ({"rows": [{"time": "yesterday", "load": 50}]}, "time 'yesterday'"),
        ({"rows": [{"time": 1e308, "load": 50}]}, "1e+308"),
        ({"rows": [{"time": "99999-01-01 00:00:00", "load": 50}]}, "99999"),
        ({"rows": [{"time": TIME, "flow": 50}]}, "does not know 'flow'"),
        ({"rows": [{"time": TIME, "load": 50, "flow": 50}]}, "does not know 'flow'"),
        ({"rows": [{"time": TIME, "load": 50, "flow": "on"}]}, "does not know 'flow'"),
        ({"rows": [{"time": TIME, "Load": 50}]}, "does not know 'Load'"),
        ("", "no row"),
        ("\n\n", "no row"),
        ("time,load\n", "no row"),
        ("time,load\nyesterday,50\n", "time 'yesterday'"),
        (f"time,flow\n{TIME},50\n", "does not know 'flow'"),
        (f"time,load,flow\n{TIME},50,1\n", "does not know 'flow'"),
        ("\0\0", "zero byte"),
    ],
)
def test_a_body_of_no_use_is_refused_and_nothing_of_it_is_kept(shared, body, what):
    client, rows = shared
    sent = {"json": body} if isinstance(body, dict) else {"content": body, "headers": {"content-type": "text/csv"}}
    for stream in ("never", "begun"):
        answer = client.post(f"/detectors/pump/streams/{stream}", **sent)
        assert answer.status_code == 422 and what in answer.json()["what"]
        assert "--" not in answer.json()["hint"]  # no option of a command
    (begun,) = client.get("/detectors/pump/streams").json()
    assert (begun["stream"], begun["rows"], begun["newest_time"]) == ("begun", 60, rows[59]["time"])


@pytest.fixture(scope="module")
def shared(pump, rows, tmp_path_factory):
    """A client of a service with one stream of 60 rows, which no test changes."""
    folder = tmp_path_factory.mktemp("shared") / "pump"
    shutil.copytree(pump, folder)
    client = TestClient(build_app(open_all([folder])), "http://127.0.0.1")
    assert client.get("/detectors/pump/streams").json() == []
    assert client.post("/detectors/pump/streams/begun", json={"rows": rows[:60]}).status_code == 200
    return client, rows


def test_what_is_unusual_in_a_row_is_noted(own, rows):
    client, _ = own
    client.post(STREAM, json={"rows": rows[:60]})
    late = client.post(STREAM, json={"rows": [{**rows[3], "time": "2020-01-01 00:00:00"}]}).json()
    assert any("1 row waits" in note for note in late["notes"])
    huge = client.post(STREAM, json={"rows": [{**rows[60], "load": 1e308}, {**rows[61], "time": "x"}]}).json()
    assert any("1e+308 is beyond" in note for note in huge["notes"])
    assert any("unreadable time 'x'" in note for note in huge["notes"])


def test_open_events_are_listed(own, rows):
    client, _ = own
    client.post(STREAM, json={"rows": rows[:200]})
    (stream,) = client.get("/detectors/pump/streams").json()
    assert stream["events"] == len(stream["open"]) == 1 and stream["open"][0].startswith("pump-hall-1-")


@pytest.mark.parametrize("name", ["..", "a%2fb", "%2e%2e%2fx", "a b", "x" * 65, "-x"])
def test_names_of_streams_are_never_paths(own, name):
    client, folder = own
    assert client.post(f"/detectors/pump/streams/{name}", json={"rows": [{"load": 1}]}).status_code in (404, 405)
    assert not (folder / "watch").exists()


def test_locks_are_those_of_watches(tmp_path):
    with locked(tmp_path / "x.sqlite"), pytest.raises(InputError), locked(tmp_path / "x.sqlite"):
        pass
