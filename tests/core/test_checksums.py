"""Checksums of the files in a folder."""

from __future__ import annotations

import json

import pytest

from ape.core import checksums
from ape.core.errors import EditedWarning, InputError
from ape.core.files import read_bytes, read_json, write_bytes, write_json
from ape.rules import RuleBank


@pytest.fixture
def folder(tmp_path):
    """A folder that keeps checksums."""
    checksums.keep_checksums(tmp_path)
    return tmp_path


def test_a_file_is_read_as_it_was_written_and_a_flipped_bit_is_refused(folder):
    write_bytes(folder / "scores.csv", b"1,2,3")
    assert read_bytes(folder / "scores.csv", "table") == b"1,2,3"
    (folder / "scores.csv").write_bytes(b"1,2,2")
    with pytest.raises(InputError, match="changed or damaged"):
        read_bytes(folder / "scores.csv", "table")


def test_a_process_that_is_killed_before_the_file_is_replaced_leaves_a_valid_one(folder):
    write_bytes(folder / "a", b"old")
    checksums.record(folder / "a", b"new")  # and then the kill
    assert read_bytes(folder / "a", "file") == b"old"
    checksums.record(folder / "a", b"newer")  # killed again
    assert read_bytes(folder / "a", "file") == b"old"
    write_bytes(folder / "a", b"newer")
    assert read_bytes(folder / "a", "file") == b"newer"


def test_a_folder_without_checksums_is_read_unverified(tmp_path):
    write_bytes(tmp_path / "a", b"1")
    (tmp_path / "a").write_bytes(b"2")
    assert read_bytes(tmp_path / "a", "file") == b"2"
    assert not (tmp_path / checksums.CHECKSUMS).exists()


def test_files_that_the_list_does_not_name_are_read(folder):
    (folder / "notes.json").write_text("[1]")
    assert read_json(folder / "notes.json", "notes") == [1]


def test_a_file_that_grows_is_verified_once_it_is_recorded_as_it_is(folder):
    path = folder / "ledger.jsonl"
    path.write_text("1\n")
    checksums.record_as_is([path])
    path.write_text("1\n2\n")
    assert not checksums.is_unchanged(path)
    checksums.forget([path])
    assert checksums.is_unchanged(path)


@pytest.mark.parametrize("content", ["", "null", "[]", "{}", '{"sha256": 1}', "[" * 100_000])
def test_a_damaged_list_is_refused(folder, content):
    write_bytes(folder / "a", b"1")
    (folder / checksums.CHECKSUMS).write_text(content)
    with pytest.raises(InputError, match=r"checksums is damaged.*delete it"):
        read_bytes(folder / "a", "file")


def test_a_changed_list_is_not_taken_for_a_changed_file(folder):
    write_bytes(folder / "a", b"1")
    path = folder / checksums.CHECKSUMS
    stored = json.loads(path.read_text())
    stored["sha256"]["a"] = ["0" * 64]
    path.write_text(json.dumps(stored))
    with pytest.raises(InputError, match="list of checksums"):
        read_bytes(folder / "a", "file")


def test_the_error_says_how_the_run_makes_the_file_again(folder):
    for name in ("run.json", "scores.csv", "spans.jsonl"):
        write_bytes(folder / name, b"1")
        (folder / name).write_bytes(b"2")
    with pytest.raises(InputError, match="ape run --resume"):
        read_bytes(folder / "scores.csv", "table")
    with pytest.raises(InputError, match="start a new run"):
        read_bytes(folder / "spans.jsonl", "trace")


def test_an_edited_bank_is_used_and_said_to_be_edited(folder, recwarn):
    bank = {"schema_version": 1, "context": {"channels": [{"name": "a"}]}}
    write_json(folder / "bank.json", bank)
    with pytest.raises(InputError):
        RuleBank.load(folder / "bank.json")
    assert not recwarn
    (folder / "bank.json").write_text("[]")
    with pytest.warns(EditedWarning, match="edited after the run; used as edited"):
        assert read_json(folder / "bank.json", "Rule Bank", edited=True) == []


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 100_000, '{"a": 1, "a": 2}', "{", "", "\x00", '["' + "\x01" + '"]'])
def test_odd_json_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match="not a list") as refusal:
        read_json(tmp_path / "a.json", "list")
    assert len(str(refusal.value)) < 700


def test_a_large_file_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(2**40)  # without taking space
    with pytest.raises(InputError, match="bytes are too many"):
        read_json(tmp_path / "a.json", "list")
