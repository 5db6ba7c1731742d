"""Growing files, standard input and folders: each complete line comes once."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ape.core.errors import InputError
from ape.watch.lines import LONGEST_LINE, Mark
from ape.watch.pipes import StandardInput
from ape.watch.sources import Source, open_source


def read(source: Source) -> list[str]:
    """Return all that has come, marks as their kind in brackets."""
    found = []
    while True:
        piece = source.read()
        found += [f"<{each.kind}>" if isinstance(each, Mark) else each.decode() for each in piece.items]
        if not piece.more:
            return found


def again(source: Source, path: Path) -> Source:
    """Return a source that goes on from the state of another, as JSON."""
    state = json.loads(json.dumps(source.state()))
    source.close()
    return open_source(str(path), state)


def append(path: Path, text: str) -> None:
    """Append text to a file."""
    with path.open("a") as file:
        file.write(text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file with a header and a row."""
    path = tmp_path / "log.csv"
    path.write_text("time,a\n1,10\n")
    return path


@pytest.mark.parametrize("restart", [False, True])
def test_only_complete_lines_are_read(path: Path, restart: bool) -> None:
    source = open_source(str(path))
    assert read(source) == ["time,a", "1,10"]
    append(path, "2,2")
    assert read(source) == []
    source = again(source, path) if restart else source
    append(path, "0\r\n3,30\n4")
    assert read(source) == ["2,20", "3,30"]


@pytest.mark.parametrize("restart", [False, True])
def test_rotated_file_is_read_to_its_end(path: Path, restart: bool) -> None:
    source = open_source(str(path))
    read(source)
    append(path, "2,20\n3,30")
    path.rename(path.with_name("log.csv.1"))
    path.write_text("time,a\n4,40\n")
    source = again(source, path) if restart else source
    assert read(source) == ["2,20", "3,30", "<rotated>", "time,a", "4,40"]
    assert read(source) == []


def test_rotated_file_waits_for_the_new_one(path: Path) -> None:
    source = open_source(str(path))
    read(source)
    old = path.rename(path.with_name("log.csv.1"))
    assert read(source) == []
    append(old, "2,20\n")
    assert read(source) == ["2,20"]
    source = again(source, path)
    assert read(source) == []
    path.write_text("time,a\n3,30\n")
    assert read(source) == ["<rotated>", "time,a", "3,30"]


def test_lost_rest_of_a_rotated_file_is_told(path: Path) -> None:
    source = open_source(str(path))
    read(source)
    state = source.state()
    path.unlink()
    path.with_name("other").write_text("so that the inode is another")
    path.write_text("time,a\n3,30\n")
    source = open_source(str(path), {**state, "inode": -1})
    piece = source.read()
    assert isinstance(piece.items[0], Mark)
    assert "the rest of the earlier file is not there" in piece.items[0].text
    assert piece.items[1:] == (b"time,a", b"3,30")


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("text", ["time,a\n9,9\n", "time,a\n" + "9,99\n" * 50])
def test_truncated_file_is_read_from_its_begin(path: Path, text: str, restart: bool) -> None:
    source = open_source(str(path))
    append(path, "2,20\n")
    read(source)
    path.write_text(text)
    source = again(source, path) if restart else source
    assert read(source) == ["<truncated>", *text.split()]


def test_copy_that_begins_the_same_goes_on(path: Path) -> None:
    source = open_source(str(path))
    read(source)
    copy = path.with_name("copy")
    copy.write_text(path.read_text() + "2,20\n")
    copy.replace(path)
    assert read(source) == ["2,20"]
    copy.write_text(path.read_text() + "3,30\n")
    copy.replace(path)
    assert read(again(source, path)) == ["3,30"]


@pytest.mark.parametrize("restart", [False, True])
def test_line_of_megabytes_is_refused(path: Path, restart: bool) -> None:
    source = open_source(str(path))
    read(source)
    append(path, "x" * (3 << 20))
    assert read(source) == ["<unreadable>"]
    assert len(json.dumps(source.state())) < 500
    source = again(source, path) if restart else source
    append(path, "x" * LONGEST_LINE + "\n5,50\n" + "y" * (LONGEST_LINE + 1) + "\n6,60\n")
    assert read(source) == ["5,50", "<unreadable>", "6,60"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_three_ways(path: Path, end: str, size: int) -> None:
    path.write_bytes(end.join(["time,a", "1,10", "2,20", ""]).encode())
    source, found = open_source(str(path)), []
    while True:
        piece = source.read(size)
        found += piece.items
        if not piece.more:
            break
    assert found == [b"time,a", b"1,10", b"2,20"]


def test_named_pipe_waits_for_no_writer_and_takes_several(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    os.mkfifo(path)
    source = open_source(str(path))
    assert read(source) == []
    for text, lines in (("a\n1\n2", ["a", "1", "2"]), ("3\n", ["3"])):
        with path.open("w") as writer:
            writer.write(text)
        assert read(source) + read(source) == lines
    source.close()


def test_a_pipe_in_the_place_of_the_file_is_waited_for(path: Path) -> None:
    source = open_source(str(path))
    read(source)
    path.unlink()
    os.mkfifo(path)
    assert read(again(source, path.with_name("none.csv"))) == []


class Stream:
    """Standard input with a number of its own."""

    def __init__(self, number: int) -> None:
        self.number = number

    def fileno(self) -> int:
        return self.number


@pytest.mark.parametrize(
    ("flags", "what"), [(None, "is closed"), (os.O_WRONLY | os.O_CREAT, "is closed"), (os.O_RDONLY, "is a folder")]
)
def test_standard_input_that_gives_no_rows_is_one_line(tmp_path: Path, monkeypatch, flags: int, what: str) -> None:
    number = None if flags is None else os.open(tmp_path if flags == os.O_RDONLY else tmp_path / "out", flags)
    monkeypatch.setattr("sys.stdin", None if number is None else Stream(number))
    with pytest.raises(InputError, match=f"standard input {what} .*--input -.*: give"):
        open_source("-")
    if number is not None:
        os.close(number)


def test_file_must_be_there_at_first(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        open_source(str(tmp_path / "none.csv"))


def test_compressed_file_is_refused(path: Path) -> None:
    path.write_bytes(gzip.compress(b"a\nb\n"))
    with pytest.raises(InputError, match=r"a compressed file.*zcat"):
        open_source(str(path))


def test_another_kind_of_source_is_refused(path: Path) -> None:
    state = open_source(str(path)).state()
    with pytest.raises(InputError, match="the watch began with a file"):
        open_source(str(path.parent), state)


def old(path: Path, seconds: float = 100) -> None:
    """Let a file be unchanged for a while."""
    time = path.stat().st_mtime - seconds
    os.utime(path, (time, time))


@pytest.mark.parametrize("restart", [False, True])
def test_files_of_a_folder_come_in_order_each_once(tmp_path: Path, restart: bool) -> None:
    for name in ("part-10.csv", "part-2.csv", "part-1.csv", ".hidden.csv", "notes.md"):
        (tmp_path / name).write_text(f"a\n{name}")
        old(tmp_path / name)
    source = open_source(str(tmp_path))
    first = ["<rotated>", "a", "part-1.csv", "<rotated>", "a", "part-2.csv", "<rotated>", "a"]
    assert read(source) == first
    source = again(source, tmp_path) if restart else source
    append(tmp_path / "part-10.csv", "+\n")
    assert read(source) == ["part-10.csv+"]
    (tmp_path / "part-5.csv").write_text("a\nlate\n")
    assert read(source) == []
    source = again(source, tmp_path) if restart else source
    old(tmp_path / "part-10.csv")
    (tmp_path / "part-11.csv").write_text("a\n11\n")
    old(tmp_path / "part-5.csv")
    assert read(source) == ["<rotated>", "a", "late", "<rotated>", "a", "11"]


def test_file_that_is_still_written_is_not_left(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a\n1")
    (tmp_path / "2.csv").write_text("a\n2\n")
    source = open_source(str(tmp_path))
    assert read(source) == ["<rotated>", "a"]
    append(tmp_path / "1.csv", "0\n")
    assert read(source) == ["10"]
    old(tmp_path / "1.csv")
    assert read(source) == ["<rotated>", "a", "2"]


def test_standard_input_does_not_wait_and_ends() -> None:
    out, into = os.pipe()
    with os.fdopen(out, "rb") as file:
        source = StandardInput(file)
        assert source.read().items == ()
        os.write(into, b"a\n1\n2")
        assert source.read().items == (b"a", b"1")
        os.write(into, b"0\n3")
        assert source.read().items == (b"20",)
        os.close(into)
        piece = source.read()
        assert piece.items == (b"3",)
        assert piece.ended
        assert source.read().ended


def test_redirected_file_goes_on_after_a_restart(path: Path) -> None:
    with path.open("rb") as file:
        source = StandardInput(file)
        assert source.read().items == (b"time,a", b"1,10")
        state = json.loads(json.dumps(source.state()))
    append(path, "2,20\n")
    with path.open("rb") as file:
        assert StandardInput(file, state).read().items == (b"2,20",)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["grow", "half", "rotate", "truncate", "restart", "read"]), max_size=25))
def test_each_line_comes_once_whatever_happens(tmp_path_factory: pytest.TempPathFactory, events: list[str]) -> None:
    path = tmp_path_factory.mktemp("log") / "log.csv"
    path.write_text("head\n")
    source, found, number = open_source(str(path)), [], 0
    written = ["head"]
    half = ""
    for event in events:
        if event in ("grow", "half"):
            number += 1
            text = f"{number}" + "\n" * (event == "grow")
            append(path, text)
            half += text.strip()
            if event == "grow":
                written.append(half)
                half = ""
        elif event == "rotate":
            found += read(source)
            append(path, "+\n")  # unread at the time of the rotation
            written.append(half + "+")
            half = ""
            path.rename(path.with_name(f"log.csv.{number}-{len(written)}"))
            path.write_text(f"head{len(written)}\n")
            written.append(path.read_text().strip())
        elif event == "truncate":
            found += read(source)
            half = ""
            path.write_text(f"new{len(written)}\n")
            written.append(path.read_text().strip())
            found += read(source)
        elif event == "restart":
            source = again(source, path)
        else:
            found += read(source)
    found += read(source)
    assert [line for line in found if line[0] != "<"] == written
