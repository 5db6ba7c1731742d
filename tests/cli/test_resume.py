"""Killed and resumed runs: the same bank, byte for byte, and no step is repeated."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from processes import start

TIMEOUT = 240  # seconds


def entries(folder: Path) -> list[dict]:
    path = folder / "ledger.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def killed(log: Path, when: Callable[[str], bool], *argv: object) -> None:
    """Start a command and kill it as soon as ``when`` is true for its output so far."""
    log.write_text("")
    process = start(argv, log)
    try:
        deadline = time.monotonic() + TIMEOUT
        while not when(log.read_text()):
            assert process.exitcode is None, f"the command ended before it was killed: {log.read_text()[-500:]}"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert process.exitcode is None
    finally:
        process.kill()
        process.join()


@pytest.mark.extended
def test_a_run_killed_four_times_gives_the_same_results(ape, data, finished, tmp_path, quick_training):
    folder, log = tmp_path / "run", tmp_path / "log"
    killed(log, lambda _: len(entries(folder)) > 0, "run", data, "--out", folder)
    assert not (folder / "bank.json").exists()

    def measured(_: str) -> bool:
        return any(entry["decision"] == "measured" for entry in entries(folder))

    killed(log, measured, "run", "--resume", folder)
    assert not (folder / "bank.json").exists()
    killed(log, lambda _: (folder / "bank.json").exists(), "run", "--resume", folder)
    assert not (folder / "detector").exists()
    killed(log, lambda output: "trains vae" in output, "run", "--resume", folder)
    assert not (folder / "scores.csv").exists() and not json.loads((folder / "run.json").read_text())["finished"]

    outcome = ape("run", "--resume", folder)
    assert (outcome.code, outcome.err) == (0, "")
    assert (folder / "bank.json").read_bytes() == (finished.folder / "bank.json").read_bytes()
    assert (folder / "report.html").is_file() and len(pd.read_csv(folder / "scores.csv")) == 1500
    assert json.loads((folder / "run.json").read_text())["finished"]
    ids = [entry["id"] for entry in entries(folder)]
    assert len(ids) == len(set(ids)) and set(ids) == {entry["id"] for entry in entries(finished.folder)}


@pytest.mark.extended
def test_a_folder_with_only_its_run_record_starts_from_the_beginning(ape, finished, tmp_path):
    record = json.loads((finished.folder / "run.json").read_text())
    record["arguments"]["command"] = "mine"
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_text(json.dumps(record))
    assert ape("run", "--resume", tmp_path / "run").code == 0
    assert (tmp_path / "run/bank.json").read_bytes() == (finished.folder / "bank.json").read_bytes()


def test_a_missing_report_is_written_again(ape, finished, tmp_path):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    (folder / "report.html").unlink()
    outcome = ape("run", "--resume", folder)
    assert (outcome.code, outcome.err) == (0, "") and (folder / "report.html").is_file()
    for name in ("bank.json", "scores.csv", "ledger.jsonl"):
        assert (folder / name).read_bytes() == (finished.folder / name).read_bytes()


CHANGED = ("run.json", "report.html", "checksums.json", ".lock")


def test_resuming_a_finished_run_changes_no_result(ape, finished, tmp_path):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    results = [path for path in folder.rglob("*") if path.is_file() and path.name not in CHANGED]
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in results if ".sqlite" not in path.name}
    outcome = ape("run", "--resume", folder)
    assert (outcome.code, outcome.err) == (0, "")
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in before} == before
    assert "begins to" not in outcome.out and "trains" not in outcome.out and "bank.json" in outcome.out


@pytest.mark.extended
def test_killed_training_resumes_when_the_command_is_rerun(ape, data, tmp_path):
    def begun(_: str) -> bool:
        return (tmp_path / "a/training.safetensors").exists()

    killed(tmp_path / "log", begun, "train", data, "--backbone", "lstm-ae", "--out", tmp_path / "a")
    assert not (tmp_path / "a/detector").exists()
    (tmp_path / "a/.training.safetensors.x").write_text("")  # as a kill in the middle of writing leaves it
    for out in ("a", "b"):
        outcome = ape("train", data, "--backbone", "lstm-ae", "--out", tmp_path / out)
        assert (outcome.code, outcome.err) == (0, "")
        assert sorted(path.name for path in (tmp_path / out).iterdir()) == [".lock", "detector"]
    resumed, whole = (tmp_path / out / "detector/weights.safetensors" for out in ("a", "b"))
    assert resumed.read_bytes() == whole.read_bytes()


@pytest.mark.extended
def test_a_checkpoint_of_another_training_is_refused(refused, data, tmp_path):
    killed(
        tmp_path / "log",
        lambda _: (tmp_path / "training.safetensors").exists(),
        *("train", data, "--backbone", "lstm-ae", "--out", tmp_path),
    )
    line = refused("train", data, "--backbone", "donut", "--out", tmp_path)
    assert "training.safetensors" in line and "another series, backbone or seed" in line
