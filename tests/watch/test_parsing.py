"""Lines become rows: CSV and JSON lines, channels by name, and what is unreadable."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lines_read import DATED, MINUTE, came, same, stamp

from ape.core.errors import InputError
from ape.runs.folder import Request
from ape.series import ReadOptions, Requirements, load
from ape.watch.formats import Known, kept_format, known_format
from ape.watch.lines import Mark

ONE = Requirements(channels=("value",), named=False)


def text(*lines: str) -> bytes:
    """Return lines as bytes."""
    return "".join(f"{line}\n" for line in lines).encode()


def trained(tmp_path: Path, content: str, options: ReadOptions | None = None) -> tuple[Requirements, Known]:
    """Return what a detector requires that is trained on a file, and what the file tells."""
    path = tmp_path / "train.csv"
    path.write_text(content)
    required = Requirements.of(load(path, options=options))
    return required, known_format(Request("run", str(path), reading=options or ReadOptions()), required)


def test_channels_are_matched_by_name() -> None:
    found = came([text("b;time;a", f"1;{stamp(0)};2", f"3;{stamp(1)};4")])
    np.testing.assert_array_equal(found.values, [[2, 1], [4, 3]])
    assert found.notes == []


@pytest.mark.parametrize("lines", [("5", "7", "6"), ("value", "5", "7", "6"), ('"value"', '"5"', "", "# 4", "7", "6")])
def test_one_column_with_or_without_header(lines: tuple[str, ...]) -> None:
    found = came([text(*lines)], ONE, known=None)
    assert found.values.tolist() == [[5], [7], [6]]
    assert found.time is None


def test_lines_above_the_header_are_left_out() -> None:
    found = came([text("Export of the plant", "", "time,a,b", f"{stamp(0)},1,2")])
    assert found.values.tolist() == [[1, 2]]


def test_numbers_without_measure_are_cut_as_in_files() -> None:
    found = came([text("time,a,b", f"{stamp(0)},1e308,-1e308", f"{stamp(1)},1,1e400")])
    np.testing.assert_array_equal(found.values, [[1e32, -1e32], [1, np.nan]])


def test_json_lines() -> None:
    rows = [{"time": stamp(k), "b": k, "a": 1.5 * k, "tag": [1], "on": True} for k in range(3)]
    found = came([text(*map(json.dumps, rows))], known=None)
    assert found.values.tolist() == [[0, 0], [1.5, 1], [3, 2]]
    assert found.notes == []
    assert found.time is not None
    assert str(found.time[2]).startswith("2026-03-02T00:02")


def test_json_lines_with_epochs_and_lost_and_new_keys() -> None:
    rows = [{"ts": 1_772_000_000 + 60 * k, "a": k, "b": k} for k in range(8)]
    del rows[5]["b"]
    rows[6]["c"] = 1
    lines = [json.dumps(row) for row in rows]
    lines[7] = lines[7][:-3]
    found = came([text(*lines)], known=None)
    assert found.values[:, 0].tolist() == list(range(7))
    assert np.flatnonzero(np.isnan(found.values[:, 1])).tolist() == [5]
    assert [(note.kind, note.row) for note in found.notes] == [
        ("lost channel", 5),
        ("new channel", 6),
        ("unreadable", 7),
    ]
    assert found.time is not None
    assert found.time[0] == np.datetime64(1_772_000_000, "s")


def test_training_file_tells_day_first_and_the_decimal_comma(tmp_path: Path) -> None:
    days = [f"{day:02}/03/2026 {hour:02}:00;{day},{hour}" for day in range(1, 29) for hour in range(0, 24, 4)]
    required, known = trained(tmp_path, "\n".join(["Datum;a", *days, ""]))
    assert (known.dayfirst, known.decimal) == (True, ",")
    found = came([text("Datum;a", "01/04/2026 00:00;1.234,5")], required, known=known)
    assert found.values.tolist() == [[1234.5]]
    assert found.time is not None
    assert found.time[0] == np.datetime64("2026-04-01")


def test_without_the_training_file_an_ambiguous_date_is_refused() -> None:
    lines = [f"01/{month:02}/2026,1,2" for month in range(1, 8)] * 10
    with pytest.raises(InputError, match="--dayfirst"):
        came([text("time,a,b", *lines)], Requirements(channels=("a", "b"), step=86400.0), known=None)
    found = came([text("time,a,b", *lines[:7])], Requirements(channels=("a", "b")), ReadOptions(dayfirst=False), None)
    assert found.time is not None
    assert found.time[1] == np.datetime64("2026-01-02")


@pytest.mark.parametrize(
    ("head", "line", "time"),
    [
        ("time", "1772000000", "2026-02-25T06:13:20"),
        ("time", "20260302001000", "2026-03-02T00:10"),
        ("date,clock", "2026-03-02,00:10", "2026-03-02T00:10"),
        ("year,month,day,hour,minute", "2026,3,2,0,10", "2026-03-02T00:10"),
        ("time", "Mon 2 Mar 2026 00:10", "2026-03-02T00:10"),
    ],
)
def test_times_are_read_as_in_the_training_file(tmp_path: Path, head: str, line: str, time: str) -> None:
    shapes = {
        "1772000000": [f"{1_771_000_000 + 60 * k}" for k in range(150)],
        "20260302001000": [f"2026030200{k:02}00" if k < 60 else f"2026030201{k - 60:02}00" for k in range(150)],
        "2026-03-02,00:10": [f"2026-03-01,{k // 60:02}:{k % 60:02}" for k in range(150)],
        "2026,3,2,0,10": [f"2026,3,1,{k // 60},{k % 60}" for k in range(150)],
        "Mon 2 Mar 2026 00:10": [f"Sun 1 Mar 2026 {k // 60:02}:{k % 60:02}" for k in range(150)],
    }
    values = np.random.default_rng(0).normal(size=150).round(3)
    rows = [f"{each},{value}" for each, value in zip(shapes[line], values, strict=True)]
    required, known = trained(tmp_path, "\n".join([f"{head},a", *rows, ""]))
    found = came([text(f"{head},a", f"{line},5", f"{line},6")], required, known=known)
    assert found.values.tolist() == [[5]]
    assert found.time is not None
    assert found.time[0] == np.datetime64(time)
    assert found.kinds == ["repeated"]


def test_zone_of_training_is_that_of_new_times(tmp_path: Path) -> None:
    rows = [f"2026-03-01 {k // 60:02}:{k % 60:02}:00,{k % 7}" for k in range(150)]
    options = ReadOptions(timezone="Europe/Berlin")
    required, known = trained(tmp_path, "\n".join(["time,a", *rows, ""]), options)
    assert required.zone == "Europe/Berlin"
    found = came([text("time,a", "2026-03-29 01:59:00,1", "2026-03-29 03:00:00,2")], required, known=known)
    assert found.notes == []
    assert len(found.values) == 2


def test_what_is_unreadable_gives_a_note_and_does_not_stop() -> None:
    found = came(
        [
            text(
                "time,a,b",
                f"{stamp(0)},1,2",
                f"{stamp(1)},x,2",
                "soon,1,2",
                f"{stamp(2)},1",
                f"{stamp(3)},1,2,3",
                ",1,2",
                f"{stamp(3)},n/a,4",
            )
        ]
    )
    np.testing.assert_array_equal(found.values, [[1, 2], [np.nan, 2], [1, np.nan], [np.nan, 4]])
    assert [(note.kind, note.row) for note in found.notes] == [("unreadable", k) for k in range(1, 6)]
    texts = [note.text for note in found.notes]
    assert texts[0] == "channel 'a': 'x' is not a number and counts as missing"
    assert texts[1] == "unreadable time 'soon': the row was left out"
    assert texts[2] == "2 cells for 3 columns: the values at the end of the row are missing"
    assert texts[3].startswith("4 cells for 3 columns")
    assert texts[4] == "no time: the row was left out"


@pytest.mark.parametrize("far", ["9999-12-31 23:59:59", "0001-01-01 00:00:00"])
def test_a_time_of_another_age_spoils_no_other_row(far: str) -> None:
    found = came([text("time,a,b", *(f"{stamp(k)},{k},0" for k in range(100)), f"{far},5,0", f"{stamp(100)},100,0")])
    np.testing.assert_array_equal(found.values[:, 0], range(101))
    assert [note.kind for note in found.notes] == ["unreadable"]


def test_unit_that_changes_is_unreadable() -> None:
    found = came([text("time,a,b", f"{stamp(0)},20 °C,1", f"{stamp(1)},21 °C,1", f"{stamp(2)},70 °F,1")])
    np.testing.assert_array_equal(found.values[:, 0], [20, 21, np.nan])
    assert found.kinds == ["unreadable"]


def test_missing_words_of_the_run() -> None:
    found = came(
        [text("time,a,b", f"{stamp(0)},-999,bad", f"{stamp(1)},1,2")], options=ReadOptions(missing=("-999", "bad"))
    )
    assert np.isnan(found.values[0]).all()
    assert found.notes == []


def test_other_header_within_the_stream() -> None:
    rows = [text("time,a,b", f"{stamp(0)},1,2"), text("c,a,time", f"9,3,{stamp(1)}", f"9,4,{stamp(2)}")]
    found = came([*rows, text("time,a,b", f"{stamp(3)},5,6")], restarts=[1, 2])
    np.testing.assert_array_equal(found.values, [[1, 2], [3, np.nan], [4, np.nan], [5, 6]])
    assert [(note.kind, note.row) for note in found.notes] == [("lost channel", 1), ("new channel", 1)]
    assert "'b'" in found.notes[0].text
    assert "'c'" in found.notes[1].text


def test_next_file_with_and_without_a_header() -> None:
    mark = Mark("rotated", "log was rotated", begins=True)
    first = text("time,a,b", f"{stamp(0)},1,2")
    found = came([first, mark, text(f"{stamp(1)},3,4"), mark, text("time,b,a", f"{stamp(2)},6,5")], restarts=[2, 4])
    assert found.values.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert [(note.kind, note.row) for note in found.notes] == [("rotated", 1), ("rotated", 2)]


def test_next_file_that_is_another_table_is_left_out() -> None:
    mark = Mark("rotated", "", begins=True)
    other = text("x,y", *["1,2"] * 80)
    found = came([text("time,a,b", f"{stamp(0)},1,2"), mark, other, mark, text("time,a,b", f"{stamp(1)},3,4")])
    assert found.values.tolist() == [[1, 2], [3, 4]]
    assert set(found.kinds) == {"unreadable"}


def test_lost_channel_at_the_begin_is_refused() -> None:
    with pytest.raises(InputError, match="no channel 'b'"):
        came([text("time,a,c", *[f"{stamp(k)},1,2" for k in range(80)])])


def test_one_series_of_a_long_table() -> None:
    lines = [f"{stamp(k)},{name},{k},{sign * k}" for k in range(3) for name, sign in (("p", 1), ("q", -1))]
    found = came([text("time,sensor,a,b", *lines)], options=ReadOptions(series_column="sensor=q"))
    assert found.values.tolist() == [[0, 0], [1, -1], [2, -2]]
    with pytest.raises(InputError, match="sensor=VALUE"):
        came([text("time,sensor,a,b", *lines * 30)], options=ReadOptions(series_column="sensor"))


def test_line_that_is_too_long_is_told_with_its_place() -> None:
    rows = [f"{stamp(0)},1,2", "x" * 300_000, f"{stamp(1)},3,4"]
    data = text("time,a,b", *rows)
    found = came([data])
    assert found.values.tolist() == [[1, 2], [3, 4]]
    assert [(note.kind, note.row) for note in found.notes] == [("unreadable", 1)]
    same(came([data[k : k + 70_000] for k in range(0, len(data), 70_000)], restarts=[1, 3]), found)


def test_windows_text_and_byte_order_mark() -> None:
    required = Requirements(channels=("Größe",), step=60.0)
    known = Known(times={"time": (stamp(0),)}, names=("time", "Größe"))
    for data in (f"\ufefftime,Größe\r\n{stamp(0)},1\r\n".encode(), f"time,Größe\r\n{stamp(0)},1\r\n".encode("cp1252")):
        assert came([data], required, known=known).values.tolist() == [[1]]


@pytest.mark.parametrize("decimal", [".", ","])
def test_numbers_do_not_depend_on_their_neighbours(decimal: str) -> None:
    cells = ["1", "2.5", "2,5", "1e3", "1.234,5", "1,234.5", "true", "5 kW", "inf", "-", "−3", "x", "(4)", "0.5 kW"]
    lines = [f"{stamp(k)};{cell};1" for k, cell in enumerate(cells)]
    options = ReadOptions(decimal=decimal)
    alone = came([text("time;a;b"), *(text(line) for line in lines)], options=options)
    same(came([text("time;a;b", *lines)], options=options), alone)
    good = dict(zip(cells, alone.values[:, 0].tolist(), strict=True))
    assert good["1e3"] == 1000
    assert good["5 kW"] == 5
    assert good["−3"] == -3
    assert good["1.234,5" if decimal == "," else "1,234.5"] == 1234.5


def test_training_file_that_is_gone_tells_nothing() -> None:
    assert known_format(Request("run", "/nowhere/train.csv"), MINUTE) == Known()
    assert came([text("time,a,b", f"{stamp(0)},1,2", f"{stamp(1)},1,3")], known=None).time is not None
    assert DATED.ordered


def test_run_folder_keeps_what_the_training_file_told(tmp_path: Path) -> None:
    training, folder = tmp_path / "train.csv", tmp_path / "run"
    request, required = Request("run", str(training)), Requirements(channels=("load",), named=True)
    assert kept_format(folder, request, required) == Known()  # and nothing is kept of a file that is not there
    training.write_text("time;load\n" + "".join(f"{day}.03.2026;{day},5\n" for day in range(1, 29)))
    known = kept_format(folder, request, required)
    assert (known.decimal, known.dayfirst) == (",", True)
    training.unlink()
    assert kept_format(folder, request, required) == known
    (folder / "watch" / "format.json").write_text('{"decimal": 5}')
    with pytest.raises(InputError, match=r"not the format of the training file.*decimal.*remove it"):
        kept_format(folder, request, required)


def test_infinite_value_counts_as_missing() -> None:
    found = came([text("time,a,b", f"{stamp(0)},1,2", f"{stamp(1)},inf,2", f"{stamp(2)},nan,-Infinity")])
    np.testing.assert_array_equal(found.values, [[1, 2], [np.nan, 2], [np.nan, np.nan]])
    assert set(found.kinds) <= {"unreadable"}


def test_repeated_header_is_no_row() -> None:
    found = came([text("time,a,b", f"{stamp(0)},1,2", "time,a,b", f"{stamp(1)},3,4")], restarts=[1])
    assert found.values.tolist() == [[1, 2], [3, 4]]
    assert found.notes == []
