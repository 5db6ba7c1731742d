"""Bad input: one line that says what, where and the mend; exit code 2; no traceback; nothing half-written."""

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

from ape.graphs.folder import Request, create_folder
from ape.series import load

WAVE = np.sin(np.arange(400) / 7)


def with_cell(position, value) -> list[Any]:
    values = [f"{v:.5f}" for v in WAVE]
    values[position] = value
    return values


BAD_COLUMNS = {
    "a long gap": (with_cell(slice(50, 80), [""] * 30), "gap of 30 missing values", "position 50"),
    "infinity": (with_cell(17, "inf"), "infinite value", "position 17"),
    "a constant channel": (["3.5"] * 400, "constant", "'value'"),
    "text in a number column": (with_cell(100, "broken"), "text 'broken'", "row 102"),
    "too short": (["1", "2"] * 30, "60 points are too few", "at least"),
    "nothing but gaps": ([""] * 400, "missing", "value"),
}


@pytest.mark.parametrize("case", BAD_COLUMNS)
@pytest.mark.parametrize("command", ["run", "mine", "train"])
def test_bad_values_are_refused_with_their_place(refused, csv, tmp_path, case, command):
    values, what, where = BAD_COLUMNS[case]
    path = csv(values)
    line = refused(command, path, "--out", tmp_path / "out")
    assert what in line and where in line and path.name in line
    assert not (tmp_path / "out").exists()


BAD_FILES = {
    "empty": ("a.csv", b"", "empty"),
    "a header only": ("a.csv", b"time,value\n", "no rows"),
    "blank lines only": ("a.csv", b"\n\n\n", "CSV"),
    "binary": ("a.csv", bytes(range(256)) * 10, "CSV"),
    "ragged": ("a.csv", b"a,b\n" + b"1,2\n" * 300 + b"1,2,3,4\n", "line 302"),
    "a cut-off archive": ("a.npz", b"PK\x03\x04" + b"\x00" * 200, "NPZ"),
    "words in UCR text": ("a.txt", b"1 2 three 4", "'three'"),
    "an unknown kind": ("a.xlsx", b"x", "'.xlsx'"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_refused(refused, tmp_path, case):
    name, content, said = BAD_FILES[case]
    (tmp_path / name).write_bytes(content)
    assert said in refused("run", tmp_path / name, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["run", "mine", "train"])
def test_a_missing_file_is_refused(refused, tmp_path, command):
    line = refused(command, tmp_path / "nowhere.csv", "--out", tmp_path / "out")
    assert "no such file" in line and "nowhere.csv" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("train_end", [-1, 0, 5, 1501, 10**12])
def test_a_train_end_out_of_range_is_refused(refused, data, tmp_path, train_end):
    line = refused("run", data, "--train-end", train_end, "--out", tmp_path / "out")
    assert f"train_end {train_end} is out of range" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--column", "flow"], "'flow'"),
        (["--backbone", "oracle"], "no backbone 'oracle'"),
        (["--text", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_unknown_names_are_refused(refused, data, tmp_path, options, said):
    assert said in refused("run", data, *options, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_text_that_is_no_text_is_refused(refused, data, tmp_path):
    (tmp_path / "text.txt").write_bytes(b"\xff\xfe\x00\x80")
    assert "text.txt" in refused("run", data, "--text", tmp_path / "text.txt", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_needs_data_or_a_folder_to_go_on_with(refused, data, finished):
    assert "DATA" in refused("run")
    assert "DATA" in refused("run", data, "--resume", finished.folder)


@pytest.mark.parametrize("command", ["run", "mine", "train", "score"])
@pytest.mark.parametrize("below", ["", "deeper"])
def test_an_out_that_is_a_file_is_refused(refused, data, finished, tmp_path, quick_training, command, below):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    detector = ["--detector", finished.folder] if command == "score" else []
    assert "taken" in refused(command, data, *detector, "--out", taken / below if below else taken)
    assert taken.read_text() == "mine" and list(tmp_path.iterdir()) == [taken]


def test_an_out_that_holds_something_else_is_refused(refused, data, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    assert "not empty" in refused("run", data, "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_out_with_a_run_in_it_is_refused(refused, data, finished, csv):
    before = sorted(finished.folder.iterdir())
    assert "--resume" in refused("run", data, "--out", finished.folder)
    assert "another series" in refused("run", csv(WAVE), "--out", finished.folder)
    assert sorted(finished.folder.iterdir()) == before


# Banks

BAD_BANKS: dict[str, tuple[Callable[[dict], Any], str]] = {
    "an unknown field": (lambda b: b.update(code="import os"), "field code"),
    "an unknown field of a rule": (lambda b: b["rules"][0].update(hook="x"), "field rules.0.hook"),
    "a parameter out of range": (
        lambda b: b["rules"][0].update(
            program=[{"operator": "time_compress", "parameters": [{"name": "speed", "low": 2, "high": 1e6}]}]
        ),
        "field rules.0.program.0",
    ),
    "an unknown operator": (lambda b: b["rules"][0]["program"][0].update(operator="os.system"), "rules.0.program.0"),
    "NaN": (lambda b: b["rules"][0]["scale"].update(high=float("nan")), "field rules.0.scale.high"),
    "infinity": (lambda b: b["rules"][0]["duration"].update(high=float("inf")), "field rules.0.duration.high"),
    "a scale below zero": (lambda b: b["rules"][0]["scale"].update(low=-1), "field rules.0.scale.low"),
    "a word for a number": (lambda b: b["rules"][0].update(weight="heavy"), "field rules.0.weight"),
    "no context": (lambda b: b.pop("context"), "field context"),
}


@pytest.fixture
def bad_bank(finished, tmp_path):
    def write(change: Callable[[dict], Any]) -> Path:
        body = json.loads((finished.folder / "bank.json").read_text())
        change(body)
        path = tmp_path / "bank.json"
        path.write_text(json.dumps(body))
        return path

    return write


@pytest.mark.parametrize("case", BAD_BANKS)
def test_bad_banks_are_refused_with_the_path_of_the_field(refused, bad_bank, case):
    change, field = BAD_BANKS[case]
    path = bad_bank(change)
    for look in ("validate", "show"):
        line = refused("bank", look, path)
        assert field in line and str(path) in line


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\x00", '{"rules": 3}', "[" * 100 + "]" * 100])
def test_files_that_are_no_banks_are_refused(refused, tmp_path, content):
    (tmp_path / "bank.json").write_text(content)
    assert "Rule Bank" in refused("bank", "validate", tmp_path)


def test_json_nested_without_end_is_refused(refused, tmp_path):
    (tmp_path / "bank.json").write_text("[" * 100_000)
    assert "Rule Bank" in refused("bank", "validate", tmp_path)


def test_a_cut_off_bank_is_refused(refused, data, finished, tmp_path):
    text = (finished.folder / "bank.json").read_text()
    for length in (1, len(text) // 2, len(text) - 3):
        (tmp_path / "bank.json").write_text(text[:length])
        assert "cut off or damaged" in refused("bank", "validate", tmp_path)
    line = refused("enhance", data, "--detector", finished.folder, "--bank", tmp_path, "--out", tmp_path / "out")
    assert "cut off or damaged" in line and not (tmp_path / "out").exists()


def test_a_missing_bank_is_refused(refused, data, finished, tmp_path):
    assert "no such Rule Bank" in refused("bank", "show", tmp_path)
    line = refused("enhance", data, "--detector", finished.folder, "--bank", tmp_path, "--out", tmp_path / "out")
    assert "no such Rule Bank" in line and not (tmp_path / "out").exists()


def test_a_weight_too_small_to_draw_with_is_refused_or_drawn(ape, bad_bank, data, finished, tmp_path):
    def change(bank: dict) -> None:
        bank["rules"] = [bank["rules"][0] | {"weight": 1e-300}]

    path = bad_bank(change)
    outcome = ape("enhance", data, "--detector", finished.folder, "--bank", path, "--out", tmp_path / "out")
    assert outcome.code in (0, 2) and "Traceback" not in outcome.err


# Detectors


def edited(**changes: Any) -> Callable[[Path], Any]:
    def edit(folder: Path) -> None:
        path = folder / "detector.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return edit


def cut(name: str, keep: float = 0.5) -> Callable[[Path], Any]:
    def edit(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(keep * len(content))])

    return edit


BAD_DETECTORS: dict[str, Callable[[Path], Any]] = {
    "weights cut off": cut("weights.safetensors"),
    "weights empty": cut("weights.safetensors", 0),
    "weights missing": lambda folder: (folder / "weights.safetensors").unlink(),
    "weights of something else": lambda folder: (folder / "weights.safetensors").write_bytes(b"\x80\x04N." * 50),
    "description cut off": cut("detector.json"),
    "description missing": lambda folder: (folder / "detector.json").unlink(),
    "description a list": lambda folder: (folder / "detector.json").write_text("[]"),
    "unknown backbone": edited(backbone="oracle"),
    "unknown option": edited(options={"hook": "os.system"}),
    "option of another type": edited(options={"hidden": "big"}),
    "impossible option": edited(options={"latent": -3}),
    "no window": edited(window=0),
    "another window": edited(window=64),
    "a boundless window": edited(window=10**12),
    "words for the scale": edited(scale=["wide"]),
    "too many scales": edited(scale=[1.0, 1.0]),
    "no scales": edited(shift=[], scale=[]),
    "a scale of zero": edited(scale=[0.0]),
    "a scale that is no number": edited(scale=[float("nan")]),
    "another format": edited(format=99),
}


@pytest.mark.parametrize("case", BAD_DETECTORS)
def test_damaged_detectors_are_refused(refused, data, finished, tmp_path, case):
    shutil.copytree(finished.folder / "detector", tmp_path / "detector")
    BAD_DETECTORS[case](tmp_path / "detector")
    line = refused("score", data, "--detector", tmp_path / "detector", "--out", tmp_path / "out")
    assert str(tmp_path / "detector") in line
    assert not (tmp_path / "out").exists()


def test_a_missing_detector_is_refused(refused, data, tmp_path):
    assert "no such detector" in refused("score", data, "--detector", tmp_path / "none", "--out", tmp_path / "out")


def test_a_series_of_other_channels_is_refused(refused, wave, finished, tmp_path):
    np.savez(tmp_path / "two.npz", values=np.stack([wave, wave[::-1]], axis=1), train_end=1000)
    for command, options in (("score", []), ("enhance", ["--bank", finished.folder])):
        line = refused(
            command, tmp_path / "two.npz", "--detector", finished.folder, *options, "--out", tmp_path / command
        )
        assert "channels" in line and not (tmp_path / command).exists()


# Run folders


@pytest.fixture
def begun(data, tmp_path) -> Path:
    """A run folder in which nothing has happened yet, of a copy of the data that a test may change."""
    shutil.copy(data, tmp_path / "wave.npz")
    request = Request(command="run", data=str(tmp_path / "wave.npz"))
    return create_folder(tmp_path / "begun", request, load(tmp_path / "wave.npz"))


def test_a_folder_without_a_run_record_cannot_be_resumed(refused, tmp_path):
    assert "run.json" in refused("run", "--resume", tmp_path)
    assert "nowhere" in refused("run", "--resume", tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_file_has_changed_cannot_be_resumed(refused, begun, wave):
    np.savez(begun.parent / "wave.npz", values=wave + 1, train_end=1000)
    line = refused("run", "--resume", begun)
    assert "another series" in line and str(begun.parent / "wave.npz") in line
    assert [path.name for path in begun.iterdir()] == ["run.json"]


def test_a_run_whose_file_is_gone_cannot_be_resumed(refused, begun):
    (begun.parent / "wave.npz").unlink()
    assert "no such file" in refused("run", "--resume", begun)


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
def test_a_malformed_run_record_is_refused(refused, begun, case):
    record = BAD_RECORDS[case](json.loads((begun / "run.json").read_text()))
    (begun / "run.json").write_text(json.dumps(record))
    refused("run", "--resume", begun)
    assert [path.name for path in begun.iterdir()] == ["run.json"]


def test_a_cut_off_run_record_is_refused(refused, begun):
    (begun / "run.json").write_text((begun / "run.json").read_text()[:80])
    assert "run.json" in refused("run", "--resume", begun)


def test_damaged_checkpoints_are_refused(refused, begun):
    (begun / "checkpoints.sqlite").write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    assert "checkpoints" in refused("run", "--resume", begun)


def test_a_damaged_ledger_is_refused(refused, begun):
    (begun / "ledger.jsonl").write_text('{"id": "a", "agent": \n{"id": "b"}\n')
    assert "ledger.jsonl" in refused("run", "--resume", begun)


# Disks


@pytest.fixture
def full_disk(monkeypatch):
    """Let no file reach the disk any more, after so many."""

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


def test_a_disk_that_fills_up_while_mining_leaves_a_run_that_can_go_on(refused, full_disk, data, tmp_path):
    full_disk(after=4)
    assert "No space left" in refused("mine", data, "--out", tmp_path / "out")
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert record["arguments"] == asdict(Request(command="mine", data=str(data))) | {"column": []}
    assert not (tmp_path / "out/bank.json").exists()


@pytest.mark.parametrize("room", [2_000, 50_000])
def test_a_quota_that_is_used_up_while_mining_is_told(refused, data, tmp_path, room):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        refused("mine", data, "--out", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "out/bank.json").exists()


# Words that mean something to the terminal


def test_square_brackets_in_names_and_texts_are_printed_as_they_are(ape, bad_bank, data, finished, csv, tmp_path):
    def change(bank: dict) -> None:
        bank["scenario"] = "[/INST] a [red]tank[/blue]"
        bank["rules"][0]["evidence"] = [{"kind": "text", "id": "text", "quote": "see [/ref]", "line": 1}]

    shown = ape("bank", "show", bad_bank(change))
    assert shown.code == 0 and "[/INST] a [red]tank[/blue]" in shown.out and "[/ref]" in shown.out
    values = with_cell(slice(20, 22), ["", ""])
    noted = ape("score", csv(values, header="time,[/b]"), "--detector", finished.folder, "--out", tmp_path / "[/i]")
    assert noted.code == 0 and "channel '[/b]': 2 missing values" in noted.out and "[/i]" in noted.out


@pytest.mark.parametrize("length", [100, 5000])
def test_a_long_channel_name_is_mined_or_refused(ape, csv, tmp_path, length):
    outcome = ape("mine", csv(WAVE, header="time," + "c" * length), "--out", tmp_path / "out")
    assert outcome.code == 0 or (outcome.code == 2 and outcome.err.count("\n") == 1)


# In a process of its own, where nothing stands between the command and stderr


def test_a_process_that_is_refused_prints_one_line_and_no_traceback(spawn, csv, tmp_path):
    outcome = spawn("run", csv(with_cell(slice(50, 80), [""] * 30)), "--out", tmp_path / "out")
    assert outcome.code == 2 and outcome.out == ""
    assert outcome.err.count("\n") == 1 and "gap of 30" in outcome.err and "Traceback" not in outcome.err
    assert not (tmp_path / "out").exists()
