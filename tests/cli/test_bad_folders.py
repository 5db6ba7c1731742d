"""Run folders that cannot be resumed, and full disks: one line, exit code 2, and nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import unverified

from ape.runs import Request, Run
from ape.series import load


@pytest.fixture
def new_run(data, tmp_path) -> Path:
    """A run folder before its first step, for a copy of the data that a test may change."""
    shutil.copy(data, tmp_path / "wave.npz")
    request = Request(command="run", data=str(tmp_path / "wave.npz"))
    return unverified(Run.create(tmp_path / "new_run", request, load(tmp_path / "wave.npz")).folder)


def test_a_folder_without_a_run_record_cannot_be_resumed(refused, tmp_path):
    assert "run.json" in refused("run", "--resume", tmp_path)
    assert "nowhere" in refused("run", "--resume", tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_a_run_with_a_changed_data_file_cannot_be_resumed(refused, new_run, wave):
    np.savez(new_run.parent / "wave.npz", values=wave + 1, train_end=1000)
    line = refused("run", "--resume", new_run)
    assert "another series" in line and str(new_run.parent / "wave.npz") in line
    assert [path.name for path in new_run.iterdir()] == ["run.json"]


def test_a_run_with_a_missing_data_file_cannot_be_resumed(refused, new_run):
    (new_run.parent / "wave.npz").unlink()
    assert "no such file" in refused("run", "--resume", new_run)


def record_with(**changes: Any) -> Callable[[dict], Any]:
    return lambda record: record | {"arguments": record["arguments"] | changes}


BAD_RECORDS: dict[str, Callable[[dict], Any]] = {
    "a list": lambda record: [record],
    "no arguments": lambda record: {key: value for key, value in record.items() if key != "arguments"},
    "an unknown argument": record_with(hook="x"),
    "arguments that are a word": lambda record: record | {"arguments": "run"},
    "a number for the file": record_with(data=5),
    "a word for train_end": record_with(train_end="early"),
    "a word for the seed": record_with(seed="lucky"),
    "a number for the text": record_with(text=5),
}


@pytest.mark.parametrize("case", BAD_RECORDS)
def test_a_malformed_run_record_is_refused(refused, new_run, case):
    record = BAD_RECORDS[case](json.loads((new_run / "run.json").read_text()))
    (new_run / "run.json").write_text(json.dumps(record))
    refused("run", "--resume", new_run)
    assert [path.name for path in new_run.iterdir()] == ["run.json"]


def test_a_cut_off_run_record_is_refused(refused, new_run):
    (new_run / "run.json").write_text((new_run / "run.json").read_text()[:80])
    assert "run.json" in refused("run", "--resume", new_run)


def test_damaged_checkpoints_are_refused(refused, new_run):
    (new_run / "checkpoints.sqlite").write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    assert "checkpoints" in refused("run", "--resume", new_run)


def test_a_damaged_ledger_is_refused(refused, new_run):
    (new_run / "ledger.jsonl").write_text('{"id": "a", "agent": \n{"id": "b"}\n')
    assert "ledger.jsonl" in refused("run", "--resume", new_run)


@pytest.fixture
def full_disk(monkeypatch):
    """Let every write after the first ones fail, as on a full disk."""

    def fill(after: int = 0) -> None:
        left, real = [after], os.fsync

        def fsync(handle: int) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(handle)

        monkeypatch.setattr(os, "fsync", fsync)

    return fill


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("command", ["run", "mine", "train", "enhance", "score"])
def test_a_full_disk_leaves_nothing_behind(refused, full_disk, data, finished, tmp_path, quick_training, command):
    options = ["--detector", finished.folder] if command in ("enhance", "score") else []
    options += ["--bank", finished.folder] if command == "enhance" else []
    full_disk()
    assert "No space left" in refused(command, data, *options, "--out", tmp_path / "out")
    assert files(tmp_path) == []


def test_a_run_whose_disk_fills_up_while_mining_can_be_resumed(refused, full_disk, data, tmp_path):
    full_disk(after=4)
    assert "No space left" in refused("mine", data, "--out", tmp_path / "out")
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert record["arguments"] == json.loads(json.dumps(asdict(Request(command="mine", data=str(data)))))
    assert not (tmp_path / "out/bank.json").exists()


@pytest.mark.parametrize("room", [2_000, 50_000])
def test_an_exhausted_quota_while_mining_is_reported(refused, data, tmp_path, room):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        refused("mine", data, "--out", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "out/bank.json").exists()
