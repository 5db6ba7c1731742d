"""A damaged state of a watch: one line, whatever is wrong in which place; nothing is taken as empty."""

from __future__ import annotations

import io
import json
import math
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from ape.cli.main import main
from ape.core.errors import InputError
from ape.detectors.inputs import required_by
from ape.posttrain import load
from ape.runs.folder import read_request
from ape.watch.formats import kept_format
from ape.watch.state import SCORER, STATES, stored_states
from ape.watch.store import Store, store_path

WRONG = (None, [], {}, "text", "", math.nan, 1e308, 10**30, -1, True, False, [[1]], {"a": 1})
# Fields of which any value of their type may be right: another one is taken, and changes no count of rows.
FREE = {
    "source": {"inode", "skipping"},
    "parser": {"known", "options", "header", "split_first", "dated", "names", "begins", "last"},
    "order": {"recent", "shift"},
    "tracker": {"score"},
    "drift": {"reported", "times"},
}
ARRAYS = ("counts", "highest", "values", "gap", "time", "missing", "dead", "ready", "last", "run", "still")


@pytest.fixture(scope="module")
def made(watched_run, tmp_path_factory):
    """The folder of a run with a plain detector that was watched, with an open event; and its detector."""
    place = tmp_path_factory.mktemp("state")
    folder = shutil.copytree(watched_run.folder, place / "run")
    shutil.rmtree(folder / "enhanced")
    (folder / "posttrain.json").unlink()
    header, *rows = watched_run.new.read_bytes().splitlines(keepends=True)
    (place / "live.csv").write_bytes(b"".join([header, *rows[:400]]))
    assert main(words(place)) == 0
    return place, load(folder / "detector")


def words(place):
    files = ["--input", str(place / "live.csv"), "--out", str(place / "events.jsonl")]
    return ["watch", str(place / "run"), *files, "--every", "50", "--name", "w", "--once"]


class Changed(Store):
    """The file of a watch, of which a part of the state is another."""

    name, value = "", b""

    def get(self, key):
        return self.value if key == self.name else super().get(key)

    def refused(self, detector, name, value):
        """What `stored_states` says with this part; empty if it takes it."""
        self.name, self.value = name, value
        try:
            stored_states(self, detector)
        except InputError as error:
            said = str(error)
            assert said.startswith("the state of the watch is damaged: ") and "\n" not in said
            assert str(self.path) in said and "delete it to start from the beginning" in said
            return said
        return ""


@pytest.fixture(scope="module")
def store(made):
    """The file of the watch as it was left."""
    with Changed(store_path(made[0] / "run", "w")) as store:
        yield store


@pytest.fixture
def change(made):
    """A function that runs a statement on the file of the watch; the file is as before after the test."""
    path = store_path(made[0] / "run", "w")
    before = path.read_bytes()

    def run(statement, *values):
        with closing(sqlite3.connect(path)) as database:
            database.execute("pragma synchronous = off")
            database.execute(statement, values)
            database.commit()

    yield run
    path.write_bytes(before)


def places(value, path=()):
    """The places of all values in JSON; of a list only the first and the last ones."""
    yield path
    if isinstance(value, dict):
        for key, each in value.items():
            yield from places(each, (*path, key))
    elif isinstance(value, list):
        for k in sorted({0, len(value) - 1} if value else ()):
            yield from places(value[k], (*path, k))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def put(value, path, new):
    if not path:
        return new
    at(value, path[:-1])[path[-1]] = new
    return value


def test_the_state_itself_is_taken(made, store):
    assert store.refused(made[1], "another", b"") == ""


def flips(whole):
    """The state with each of its values replaced by each wrong one."""
    for where in places(whole):
        for wrong in WRONG:
            if at(whole, where) != wrong or type(at(whole, where)) is not type(wrong):
                yield where, put(json.loads(json.dumps(whole)), where, wrong)


@pytest.mark.parametrize("name", STATES)
def test_each_value_of_another_kind_is_refused(made, store, name):
    taken = set()
    for where, state in flips(json.loads(Store.get(store, name))):
        said = store.refused(made[1], name, json.dumps(state).encode())
        assert not said or said.startswith(f"the state of the watch is damaged: {name}: ")
        if not said:
            taken.add(tuple(each for each in where if isinstance(each, str)))
    assert all(FREE[name] & set(each) for each in taken)


@pytest.mark.parametrize("name", [*STATES, SCORER])
@pytest.mark.parametrize("value", [None, b"", b"null", b"[]", b"{}", b"text", b"1e999", b"\xff"])
def test_a_part_that_is_something_else_or_missing_is_refused(made, store, name, value):
    assert name in store.refused(made[1], name, value)


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_do_not_fit_are_refused(made, store, name):
    whole = dict(np.load(io.BytesIO(Store.get(store, SCORER))))
    array = whole[name]
    wrong = [array.astype("U9"), array[None], None, array.astype(np.float32), array.astype(np.float64) * np.nan]
    wrong += [array[:-1], np.concatenate([array, array])] if array.ndim else []
    wrong += [np.full_like(array, 2**62), np.full_like(array, -1)] if array.dtype == np.int64 else []
    for each in wrong:
        out, arrays = io.BytesIO(), {key: value for key, value in whole.items() if key != name}
        np.savez(out, **arrays, **({} if each is None else {name: each}))
        assert store.refused(made[1], SCORER, out.getvalue()), each
    assert store.refused(made[1], SCORER, Store.get(store, SCORER)[:-100])


def line_of(place, capsys):
    """What ``ape watch`` says instead of starting."""
    capsys.readouterr()
    assert main(words(place)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ape: the state of the watch is damaged: ") and str(place) in line
    return line


@pytest.mark.parametrize(
    ("statement", "value", "what"),
    [
        ("update state set value = ? where key = 'order'", "text", "order: no bytes"),
        ("update state set value = ? where key = 'watch'", b"[]", "watch"),
        ("delete from state where key = ?", "watch", "'watch' is missing"),
        ("delete from state where key <> ?", "watch", "'source' is missing"),
    ],
)
def test_the_command_says_so(made, change, capsys, statement, value, what):
    change(statement, value)
    assert what in line_of(made[0], capsys)


@pytest.mark.parametrize("value", ["text", b"1", 1.5, -1])
def test_a_wrong_count_of_deliveries_is_refused(change, store, value):
    change("update deliveries set number = ?", value)
    with pytest.raises(InputError, match="damaged: the number of records that 'file' has"):
        store.register("file")


@pytest.mark.parametrize("value", ["", "null", "[]", "{}", "text", '{"id": "w-300"}', b"bytes", 7])
def test_a_record_that_is_something_else_is_refused(change, store, value):
    change("update deliveries set number = 0")
    change("update records set body = ?", value)
    for read in (store.alerts, lambda: store.pending("file")):
        with pytest.raises(InputError, match="the state of the watch is damaged: record "):
            read()


@pytest.mark.parametrize(
    ("column", "value"),
    [("id", "w-301"), ("id", b"w-300"), ("sequence", 7), ("sequence", "text"), ("at", "text"), ("at", 1e300)],
)
def test_a_record_with_a_wrong_column_is_refused(change, store, column, value):
    change("update deliveries set number = 0")
    change(f"update records set {column} = ? where number = 1", value)
    with pytest.raises(InputError, match="the state of the watch is damaged: record 1"):
        store.pending("file")


@pytest.mark.parametrize(("column", "value"), [("label", "text"), ("label", b"false"), ("note", b"bytes")])
def test_a_wrong_label_is_refused(change, store, column, value):
    store.label("w-300", "false", "a test")
    change(f"update labels set {column} = ?", value)
    with pytest.raises(InputError, match="the state of the watch is damaged: the label of w-300"):
        store.alerts()


def test_a_kept_format_that_is_something_else_is_refused(made, tmp_path):
    request, required = read_request(made[0] / "run"), required_by(made[1])
    path = tmp_path / "watch" / "format.json"
    path.parent.mkdir()
    whole = json.loads((made[0] / "run" / "watch" / "format.json").read_text())
    path.write_text(json.dumps(whole))
    assert kept_format(tmp_path, request, required).names == ("time", "load")
    for where, state in flips(whole):
        path.write_text(json.dumps(state))
        try:
            kept_format(tmp_path, request, required)
        except InputError as error:
            assert str(error).startswith("not") and str(path) in str(error) and "remove it" in str(error)
        else:
            assert where[0] in ("names", "decimal", "dayfirst", "ordered", "times")
            assert where not in (("names",), ("times", "time"))


@pytest.mark.parametrize("table", ["state", "records", "deliveries", "labels"])
@pytest.mark.parametrize(
    "how", ["drop table {}", "alter table {} rename to cats", "alter table {} add column cat text"]
)
def test_other_tables_are_refused(change, store, table, how):
    change(how.format(table))
    with pytest.raises(InputError, match="damaged: other tables than those of a watch"):
        Store(store.path)
