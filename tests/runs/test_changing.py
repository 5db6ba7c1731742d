"""A run folder is changed by one process at a time; one that is deleted meanwhile stays deleted."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest

from ape.cli.main import main
from ape.core.checksums import CHECKSUMS
from ape.core.errors import InputError
from ape.core.run_files import CHECKPOINTS, CONVERSATION, LEDGER, SPANS
from ape.runs import Callbacks, Request, Run, execute
from ape.runs.batch import one_batch, record_requests
from ape.runs.changing import changing, making
from ape.series import from_array

HOLD = """
import sys
from pathlib import Path
from ape.core.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
REQUEST = Request("mine", "series of the test")


@pytest.fixture(scope="module")
def series():
    at = np.arange(800)
    noise = np.random.default_rng(0).normal(size=800)
    return from_array(np.sin(at / 5) + 0.1 * noise, train_end=600)


@pytest.fixture
def run(series, tmp_path):
    return Run.create(tmp_path / "run", REQUEST, series)


@pytest.fixture
def hold():
    """Let another process hold the lock of a folder."""
    processes = []

    def start(folder):
        words = [sys.executable, "-c", HOLD, folder]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "held\n"

    yield start
    for process in processes:
        process.communicate()


def test_a_run_that_another_process_changes_is_refused(run, hold):
    hold(run.folder)
    with pytest.raises(InputError, match="in use by process"):
        execute(run)
    assert sorted(path.name for path in run.folder.iterdir()) == [".lock", CHECKSUMS, "run.json"]


def test_a_batch_that_another_process_works_on_is_refused(hold, tmp_path):
    requests = {"a": Request("mine", "a.csv")}
    with one_batch(tmp_path / "batch", requests):
        pass
    hold(tmp_path / "batch")
    with pytest.raises(InputError, match="in use by process"), one_batch(tmp_path / "batch", requests):
        pass


def test_a_folder_into_which_another_process_trains_is_refused(series, hold, tmp_path, capsys):
    np.savez(tmp_path / "a.npz", values=series.values, train_end=600)
    out = tmp_path / "out"
    out.mkdir()
    hold(out)
    assert main(["train", str(tmp_path / "a.npz"), "--out", str(out), "--quiet"]) == 2
    assert "in use by process" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == [".lock"]


def test_a_folder_into_which_nothing_was_written_is_removed_again(tmp_path):
    (tmp_path / "there").mkdir()
    for folder in (tmp_path / "there", tmp_path / "new" / "inner"):
        with pytest.raises(KeyError), making(folder):
            raise KeyError
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]
    with making(tmp_path / "new"):
        (tmp_path / "new" / "result").write_text("")
    assert {path.name for path in (tmp_path / "new").iterdir()} == {".lock", "result"}


def test_a_folder_that_is_deleted_while_results_are_made_stays_deleted(tmp_path):
    with pytest.raises(InputError, match="deleted or moved"), making(tmp_path / "out"):
        shutil.rmtree(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_folder_of_something_else_gets_no_lock(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"), one_batch(tmp_path, {"a": REQUEST}):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(InputError, match="not empty"):
        record_requests(tmp_path, {"a": REQUEST})


def test_a_run_folder_that_is_deleted_while_mining_stays_deleted(run):
    def listen(agent: str, note: str) -> None:
        shutil.rmtree(run.folder, ignore_errors=True)

    with pytest.raises(InputError, match="deleted or moved"):
        execute(run, Callbacks(listen))
    assert list(run.folder.parent.iterdir()) == []


@pytest.mark.parametrize("name", [LEDGER, SPANS, CHECKPOINTS, CONVERSATION])
def test_files_that_grow_are_verified_once_the_run_has_ended(run, name):
    path = run.folder / name
    for content in (b"one\n", b"one\ntwo\n"):
        with changing(run.folder), changing(run.folder):
            path.write_bytes(content)
    path.write_bytes(b"one\ntwx\n")
    with pytest.raises(InputError, match=f"changed or damaged .*{name}"), changing(run.folder):
        pass
    path.unlink()
    with changing(run.folder):  # what is missing is said by what reads it
        pass


def test_a_killed_run_is_not_taken_for_a_damaged_one(run):
    with changing(run.folder):
        (run.folder / LEDGER).write_text("")
        left = shutil.copytree(run.folder, run.folder.with_name("killed"))
    (left / LEDGER).open("a").write("")
    with changing(left):
        pass
