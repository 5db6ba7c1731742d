"""The file of a watch: all or nothing, one process, clear lines about what is damaged."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys

import pytest
from watch_records import record

from ape.core.errors import InputError
from ape.watch.store import Store, alerts_of, locked, store_path


@pytest.fixture
def path(tmp_path):
    return store_path(tmp_path, "pump")


def test_state_and_records_outlive_the_process(path):
    with Store(path) as store:
        store.register("file")
        with store.transaction():
            store.put("offset", b"12")
            store.put("offset", b"13")
            store.add_records([record("pump-7", 0), record("pump-7", 1, "close")])
    with Store(path) as store:
        assert store.get("offset") == b"13" and store.get("scorer") is None
        lines = store.pending("file")
        bodies = [json.loads(line.body) for line in lines]
        assert [(body["id"], body["sequence"], body["state"]) for body in bodies] == [
            ("pump-7", 0, "open"),
            ("pump-7", 1, "close"),
        ]


def test_a_failed_block_changes_nothing(path):
    with Store(path) as store:
        store.register("file")
        with pytest.raises(RuntimeError), store.transaction():
            store.put("offset", b"12")
            store.add_records([record("pump-7", 0)])
            raise RuntimeError
        assert store.get("offset") is None and store.pending("file") == []


def test_a_killed_process_changes_nothing(path):
    script = f"""
import os, pathlib
from ape.watch.store import Store
store = Store(pathlib.Path({str(path)!r}))
store.put("offset", b"1")
with store.transaction():
    store.put("offset", b"2")
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    with Store(path) as store:
        assert store.get("offset") == b"1"


def test_each_sink_has_its_own_place(path):
    with Store(path) as store:
        store.register("file")
        store.add_records([record("pump-7", 0)])
        store.register("webhook")  # later: it gets what comes from now on
        store.add_records([record("pump-9", 0)])
        assert [line.id for line in store.pending("file")] == ["pump-7", "pump-9"]
        assert [line.id for line in store.pending("webhook")] == ["pump-9"]
        store.delivered("file", store.pending("file")[0].number)
        store.register("file")  # again, as each start does
        assert [line.id for line in store.pending("file")] == ["pump-9"]
        assert store.waiting("file") == store.waiting("webhook") == 1


def test_a_record_is_stored_once(path):
    with Store(path) as store:
        store.add_records([record("pump-7", 0)])
        with pytest.raises(InputError):
            store.add_records([record("pump-7", 0)])


def test_labels_are_kept_and_replaced(path, tmp_path):
    with Store(path) as store:
        store.add_records([record("pump-7", 0), record("pump-9", 0), record("pump-7", 1, "close")])
        store.label("pump-7", "acknowledged")
        store.label("pump-7", "false", "cleaning")
        with pytest.raises(InputError, match="no event 'pump-8'"):
            store.label("pump-8", "false")
        assert store.count_events() == 2
    found = alerts_of(tmp_path)
    assert [(alert.id, alert.record["state"], alert.label, alert.note) for alert in found] == [
        ("pump-7", "close", "false", "cleaning"),
        ("pump-9", "open", None, ""),
    ]


def test_labels_are_given_while_another_process_watches(path):
    with locked(path), Store(path) as store, Store(path) as other:
        store.add_records([record("pump-7", 0)])
        other.label("pump-7", "acknowledged")
        assert store.alerts()[0].label == "acknowledged"


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be looked at" * 9, b"SQLite format 3\0abc"]
)
def test_a_damaged_file_is_one_line(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged.*pump.sqlite.*start from the beginning") as refused:
        Store(path)
    assert "\n" not in str(refused.value)


def test_damage_inside_the_file_is_one_line(path):
    with Store(path) as store:
        store.put("scorer", bytes(200_000))
    content = bytearray(path.read_bytes())
    content[4096 : 4 * 4096] = b"x" * (3 * 4096)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged.*start from the beginning"):
        Store(path)


def test_the_file_of_something_else_is_refused(path):
    path.parent.mkdir()
    database = sqlite3.connect(path)
    database.execute("create table cats (name text)")
    database.commit()
    database.close()
    with pytest.raises(InputError, match="not the state of a watch"):
        Store(path)


def test_a_second_process_is_refused(path):
    script = f"import pathlib, ape.watch.store as s\nwith s.locked(pathlib.Path({str(path)!r})): pass"
    with locked(path):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert "another process watches this already" in done.stderr and done.returncode == 1
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
