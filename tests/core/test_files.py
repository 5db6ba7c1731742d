"""Atomic files and folders: complete or unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from ape.core.errors import InputError
from ape.core.files import atomic_folder, is_free, read_json, write_json, write_text


def no_space(*arguments):
    raise OSError(28, "No space left on device")


def write_folder(folder, text):
    with atomic_folder(folder, "marker.json") as temporary:
        write_json(temporary / "marker.json", {})
        write_text(temporary / "text", text)


def test_json_round_trip_creates_parent_folders(tmp_path):
    write_json(tmp_path / "a/b.json", {"x": [1, None, "é"]})
    assert read_json(tmp_path / "a/b.json", "record") == {"x": [1, None, "é"]}
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.json"]


def test_json_with_nan_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))


def test_failed_write_keeps_the_earlier_file(tmp_path, monkeypatch):
    write_text(tmp_path / "a", "before")
    monkeypatch.setattr(Path, "replace", no_space)
    with pytest.raises(InputError, match="No space left on device"):
        write_text(tmp_path / "a", "after")
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "before"


def test_unreadable_json_is_refused_by_kind(tmp_path):
    with pytest.raises(InputError, match="no such record"):
        read_json(tmp_path / "a.json", "record")
    for data in (b"{", b"\xff"):
        (tmp_path / "a.json").write_bytes(data)
        with pytest.raises(InputError, match=r"not a record.*cut off or damaged"):
            read_json(tmp_path / "a.json", "record")


def test_missing_and_empty_folders_are_free(tmp_path):
    assert is_free(tmp_path) and is_free(tmp_path / "new")
    (tmp_path / "a").write_text("")
    assert not is_free(tmp_path) and not is_free(tmp_path / "a")


def test_folder_is_replaced_as_a_whole(tmp_path):
    for text in ("first", "second"):
        write_folder(tmp_path / "out", text)
        assert (tmp_path / "out/text").read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_folder_of_another_kind_is_refused(tmp_path):
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(InputError, match="contains other files"):
        write_folder(tmp_path, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


@pytest.mark.parametrize("failure", ["in the block", "when renaming"])
def test_failed_folder_keeps_the_earlier_one(tmp_path, monkeypatch, failure):
    write_folder(tmp_path / "out", "before")
    if failure == "when renaming":
        monkeypatch.setattr(Path, "rename", no_space)
        with pytest.raises(InputError, match="cannot write"):
            write_folder(tmp_path / "out", "after")
    else:
        with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "out", "marker.json"):
            raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out/text").read_text() == "before"
