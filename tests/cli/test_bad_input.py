"""Bad input: one line that says what, where and the hint; exit code 2; no traceback; nothing half-written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ape.cli.arguments import build_parser

WAVE = np.sin(np.arange(400) / 7)


def with_cell(position, value) -> list[Any]:
    values = [f"{v:.5f}" for v in WAVE]
    values[position] = value
    return values


BAD_COLUMNS = {
    "only short stretches": (
        [v if i % 40 < 20 else "" for i, v in enumerate(with_cell(0, "0"))],
        "0 points in stretches",
        "value",
    ),
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
    name, content, message = BAD_FILES[case]
    (tmp_path / name).write_bytes(content)
    assert message in refused("run", tmp_path / name, "--out", tmp_path / "out")
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
    ("options", "message"),
    [
        (["--column", "flow"], "'flow'"),
        (["--backbone", "oracle"], "no backbone 'oracle'"),
        (["--text", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_unknown_names_are_refused(refused, data, tmp_path, options, message):
    assert message in refused("run", data, *options, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_binary_file_as_text_is_refused(refused, data, tmp_path):
    (tmp_path / "text.txt").write_bytes(b"\xff\xfe\x00\x80")
    assert "text.txt" in refused("run", data, "--text", tmp_path / "text.txt", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_needs_data_or_a_folder_to_resume(refused, data, finished):
    assert "DATA" in refused("run")
    assert "DATA" in refused("run", data, "--resume", finished.folder)


@pytest.mark.parametrize(
    "options", [["--decimal", ","], ["--no-dayfirst"], ["--difference"], ["--missing", "x"], ["--series-column", "s"],
                ["--train-end", 5], ["--seed", 3], ["--backbone", "donut"], ["--out", "x"]]
)  # fmt: skip
@pytest.mark.parametrize("command", ["run", "chat"])
def test_options_that_a_resumed_run_would_ignore_are_refused(refused, finished, command, options):
    name = options[0].replace("no-", "")
    assert f"the options stay as they are ({name})" in refused(command, "--resume", finished.folder, *options)


@pytest.mark.parametrize(("command", "option"), [("score", "--train-end"), ("score", "--difference"),
                                                 ("enhance", "--difference"), ("mine", "--backbone")])  # fmt: skip
def test_commands_do_not_offer_options_without_meaning(command, option):
    subparsers = next(action for action in build_parser()._actions if action.dest == "command")
    assert option in subparsers.choices["run"].format_help()
    assert option not in subparsers.choices[command].format_help()


@pytest.mark.parametrize("command", ["run", "mine", "train", "score"])
@pytest.mark.parametrize("below", ["", "deeper"])
def test_an_out_that_is_a_file_is_refused(refused, data, finished, tmp_path, quick_training, command, below):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    detector = ["--detector", finished.folder] if command == "score" else []
    assert "taken" in refused(command, data, *detector, "--out", taken / below if below else taken)
    assert taken.read_text() == "mine" and list(tmp_path.iterdir()) == [taken]


def test_an_out_folder_with_other_files_is_refused(refused, data, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    assert "not empty" in refused("run", data, "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_out_folder_with_a_run_is_refused(refused, data, finished, csv):
    before = sorted(finished.folder.iterdir())
    assert "--resume" in refused("run", data, "--out", finished.folder)
    assert "another series" in refused("run", csv(WAVE), "--out", finished.folder)
    assert sorted(finished.folder.iterdir()) == before


def test_square_brackets_in_names_and_texts_are_printed_unchanged(ape, bad_bank, data, finished, csv, tmp_path):
    def change(bank: dict) -> None:
        bank["scenario"] = "[/INST] a [red]tank[/blue]"
        bank["rules"][0]["evidence"] = [{"kind": "text", "id": "text", "quote": "see [/ref]", "line": 1}]

    shown = ape("bank", "show", bad_bank(change))
    assert shown.code == 0 and "[/INST] a [red]tank[/blue]" in shown.out and "[/ref]" in shown.out
    values = with_cell(slice(20, 22), ["", ""])
    noted = ape("check", csv(values, header="time,[/b]"))
    assert noted.code == 0 and "channel '[/b]': 2 missing values" in noted.out
    scored = ape("score", csv(values, header="time,[/b]"), "--detector", finished.folder, "--out", tmp_path / "[/i]")
    assert scored.code == 0 and "[/i]" in scored.out


@pytest.mark.parametrize("length", [pytest.param(100, marks=pytest.mark.extended), 5000])
def test_a_long_channel_name_is_mined_or_refused(ape, csv, tmp_path, length):
    outcome = ape("mine", csv(WAVE, header="time," + "c" * length), "--out", tmp_path / "out")
    assert outcome.code == 0 or (outcome.code == 2 and outcome.err.count("\n") == 1)


@pytest.mark.extended
def test_a_refused_process_prints_one_line_and_no_traceback(spawn, csv, tmp_path):
    outcome = spawn("run", csv(with_cell(50, "inf")), "--out", tmp_path / "out")
    assert outcome.code == 2 and outcome.out == ""
    assert outcome.err.count("\n") == 1 and "infinite" in outcome.err and "Traceback" not in outcome.err
    assert not (tmp_path / "out").exists()


def test_a_log_that_cannot_be_read_is_refused(refused, csv, tmp_path):
    path = csv([f"{v:.5f}" for v in WAVE])
    line = refused("run", path, "--log", tmp_path / "none.log", "--out", tmp_path / "out")
    assert "cannot read the log" in line and "none.log" in line and not (tmp_path / "out").exists()
