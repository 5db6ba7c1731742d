"""Rows in the order of time: late, repeated and missing ones, and clocks that jump."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lines_read import DATED, MINUTE, came, same, stamp, table

from ape.series import ReadOptions, Requirements, load
from ape.series.series import LONGEST_GAP
from ape.watch.order import ENOUGH, ENOUGH_FOR_HOUR, Order
from ape.watch.parsing import Parser
from ape.watch.rows import Note


def numbered(minutes: list[int]) -> bytes:
    """Return a CSV with a row for each minute, whose values count the rows."""
    return "\n".join(["time,a,b", *(f"{stamp(each)},{k},1" for k, each in enumerate(minutes)), ""]).encode()


def test_rows_in_order_are_given_on() -> None:
    found = came([table(range(5))])
    assert found.notes == []
    np.testing.assert_array_equal(found.values, [[k, k / 2] for k in range(5)])
    assert found.time is not None
    assert found.time[4] == np.datetime64("2026-03-02T00:04")
    assert not found.gap.any()
    assert not found.filled.any()


def test_late_row_is_dropped() -> None:
    found = came([table([0, 1, 3, 2, 4, 5])])
    np.testing.assert_array_equal(found.values[:, 0], [0, 1, np.nan, 3, 4, 5])
    late = [note for note in found.notes if note.kind == "late"]
    assert [note.row for note in late] == [3]
    assert "2026-03-02 00:02:00" in late[0].text


def test_repeated_row_is_dropped_and_so_is_one_with_other_values() -> None:
    lines = table([0, 1, 1, 2]) + f"{stamp(2)},7,7\n{stamp(3)},3,1.5\n".encode()
    found = came([lines])
    np.testing.assert_array_equal(found.values[:, 0], [0, 1, 2, 3])
    assert [(note.kind, note.row) for note in found.notes] == [("repeated", 2), ("repeated", 4)]
    assert "came again" in found.notes[0].text
    assert "other values" in found.notes[1].text


def test_rows_that_are_sent_again_are_dropped() -> None:
    found = came([table([*range(200), *range(100, 200), *range(200, 300)])])
    np.testing.assert_array_equal(found.values[:, 0], np.arange(300))
    assert found.kinds == ["repeated"] * 100


@pytest.mark.parametrize("missing", [1, LONGEST_GAP])
def test_few_missing_rows_are_filled(missing: int) -> None:
    found = came([table([0, 1, 2 + missing])])
    assert len(found.values) == 3 + missing
    assert found.filled.tolist() == [False, False, *[True] * missing, False]
    assert np.isnan(found.values[2:-1]).all()
    assert found.time is not None
    assert (np.diff(found.time) == np.timedelta64(60, "s")).all()
    assert not found.gap.any()
    assert found.kinds == ["missing"]


def test_many_missing_rows_are_a_gap() -> None:
    found = came([table([0, 1, 3 + LONGEST_GAP, 4 + LONGEST_GAP])])
    assert found.gap.tolist() == [False, False, True, False]
    assert found.notes == [Note("missing", "11 missing rows before 2026-03-02 00:13:00 were not filled: a gap", 2)]


def test_clock_that_jumps_forward_and_is_set_right_again() -> None:
    wrong = 60 * 24 * 365
    found = came([table([0, 1, 2, wrong, *range(3, 3 + ENOUGH)])])
    np.testing.assert_array_equal(found.values[:, 0], [0, 1, 2, wrong, *range(3, 3 + ENOUGH)])
    assert np.flatnonzero(found.gap).tolist() == [3, 4]
    assert found.kinds == ["missing", "clock"]


def test_few_rows_of_another_clock_are_late() -> None:
    found = came([table([100, 101, 102, *range(50, 50 + ENOUGH - 1), 103, 104])])
    np.testing.assert_array_equal(found.values[:, 0], [100, 101, 102, 103, 104])
    assert found.kinds == ["late"] * (ENOUGH - 1)


def test_end_of_summer_time_without_a_zone_leaves_no_gap() -> None:
    found = came([numbered([*range(100, 180), *range(120, 240)])])
    np.testing.assert_array_equal(found.values[:, 0], np.arange(200))
    assert not found.gap.any()
    assert not found.filled.any()
    assert [(note.kind, note.row) for note in found.notes] == [("clock", 80)]
    assert ENOUGH_FOR_HOUR < 60


def test_hour_that_was_set_back_is_set_forward_without_a_gap() -> None:
    found = came([numbered([*range(100, 180), *range(120, 240), *range(300, 330)])])
    np.testing.assert_array_equal(found.values[:, 0], np.arange(230))
    assert not found.gap.any()
    assert found.kinds == ["clock"]


def test_begin_of_summer_time_without_a_zone_says_timezone() -> None:
    lines = [f"2026-03-29 {hour:02}:{minute:02}:00,1,1" for hour in (1, 3) for minute in range(60)]
    found = came(["\n".join(["time,a,b", *lines, ""]).encode()])
    assert np.flatnonzero(found.gap).tolist() == [60]
    assert "--timezone" in found.notes[0].text


def berlin(minutes: list[int], begin: str) -> list[str]:
    """Return times on the clock of Berlin, minutes after a time of UTC."""
    times = np.datetime64(begin, "s") + np.array(minutes) * np.timedelta64(60, "s")
    local = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert("Europe/Berlin").tz_localize(None)
    return [str(each) for each in local]


@pytest.mark.parametrize("begin", ["2026-03-28T23:00", "2026-10-24T22:00"])
@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_summer_time_of_a_zone_changes_nothing(begin: str, cut: int) -> None:
    times = berlin(list(range(400)), begin)
    lines = [line + "\n" for line in ["time,a,b", *(f"{each},{k},1" for k, each in enumerate(times))]]
    pieces = ["".join(lines[k : k + cut]).encode() for k in range(0, len(lines), cut)]
    found = came(pieces, options=ReadOptions(timezone="Europe/Berlin"), restarts=range(len(pieces)))
    assert found.notes == []
    np.testing.assert_array_equal(found.values[:, 0], np.arange(400))
    assert found.time is not None
    assert [str(each) for each in found.time.astype("datetime64[s]")] == [each.replace(" ", "T") for each in times]


def test_late_row_in_the_hour_that_autumn_repeats_is_late() -> None:
    times = berlin([*range(0, 170), 160, *range(170, 300)], "2026-10-24T22:00")
    text = "\n".join(["time,a,b", *(f"{each},1,1" for each in times), ""])
    found = came([text.encode()], options=ReadOptions(timezone="Europe/Berlin"))
    assert [(note.kind, note.row) for note in found.notes] == [("repeated", 170)]
    assert len(found.values) == 300


def test_time_that_spring_leaves_out_is_left_out() -> None:
    text = "time,a,b\n2026-03-29 01:59:00,1,1\n2026-03-29 02:00:00,2,1\n2026-03-29 03:00:00,3,1\n"
    found = came([text.encode()], options=ReadOptions(timezone="Europe/Berlin"))
    np.testing.assert_array_equal(found.values[:, 0], [1, 3])
    assert [(note.kind, note.row) for note in found.notes] == [("clock", 1)]
    assert "does not exist in Europe/Berlin" in found.notes[0].text


def test_offsets_in_the_times_give_the_order() -> None:
    text = "time,a,b\n2026-03-29T01:59:00+01:00,1,1\n2026-03-29T03:00:00+02:00,2,1\n2026-03-29T03:01:00+02:00,3,1\n"
    found = came([text.encode()])
    assert found.notes == []
    assert found.time is not None
    assert str(found.time[1]).startswith("2026-03-29T03:00")


def test_without_times_rows_count_by_position() -> None:
    found = came([b"a,b\n1,1\n1,1\n0,2\n"], Requirements(channels=("a", "b")), known=None)
    assert found.time is None
    assert found.notes == []
    np.testing.assert_array_equal(found.values, [[1, 1], [1, 1], [0, 2]])


def test_pause_of_irregular_rows_is_a_gap() -> None:
    steps = np.random.default_rng(0).uniform(0.5, 1.5, 100)
    minutes = np.cumsum(steps).round(2)
    minutes[80:] += 60
    found = came([table(minutes.tolist())], Requirements(channels=("a", "b")))
    assert np.flatnonzero(found.gap).tolist() == [80]
    assert not found.filled.any()


def test_counters_become_increments() -> None:
    required = Requirements(channels=("a", "b"), step=60.0, counters=("a",))
    text = "\n".join(["time,a,b", *(f"{stamp(k)},{each},1" for k, each in enumerate([10, 12, 15, 2, 3])), ""])
    found = came([text[:40].encode(), text[40:].encode()], required, restarts=[1])
    np.testing.assert_array_equal(found.values[:, 0], [np.nan, 2, 3, 2, 1])


def test_rows_are_those_that_the_reader_of_files_gives(tmp_path) -> None:
    rng = np.random.default_rng(1)
    minutes = np.flatnonzero(rng.random(600) < 0.9)
    minutes = minutes[(minutes < 300) | (minutes > 340)]
    path = tmp_path / "new.csv"
    path.write_bytes(table(minutes.tolist()))
    series = load(path, scoring=True)
    found = came([path.read_bytes()])
    assert len(found.values) == series.length
    assert series.timestamps is not None
    np.testing.assert_array_equal(found.time, series.timestamps)
    np.testing.assert_array_equal(found.filled, series.inserted)
    assert np.flatnonzero(found.gap).tolist() == [gap.position for gap in series.gaps]
    rows = ~found.filled
    np.testing.assert_allclose(found.values[rows], series.exact[rows], rtol=1e-6)


EVENTS = {
    "row": lambda at: (f"{stamp(at)},{at},{at % 3}\n", at + 1),
    "late": lambda at: (f"{stamp(at - 5)},7,7\n", at),
    "again": lambda at: (f"{stamp(at - 1)},{at - 1},{(at - 1) % 3}\n", at),
    "missing": lambda at: (f"{stamp(at + 3)},{at + 3},1\n", at + 4),
    "gap": lambda at: (f"{stamp(at + 30)},{at + 30},1\n", at + 31),
    "hour": lambda at: ("".join(f"{stamp(at - 60 + k)},{k},{k % 2}\n" for k in range(5)), at - 55),
    "back": lambda at: ("".join(f"{stamp(at - 200 + k)},{k},5\n" for k in range(ENOUGH + 2)), at - 198 + ENOUGH),
    "future": lambda at: (f"{stamp(at + 9999)},1,1\n", at),
    "no number": lambda at: (f"{stamp(at)},x,1\n", at + 1),
    "unit": lambda at: (f"{stamp(at)},5 °C,3 bar\n", at + 1),
    "short": lambda at: (f"{stamp(at)},1\n", at + 1),
    "long": lambda at: (f"{stamp(at)},1,2,3\n", at + 1),
    "no time": lambda at: ("yesterday,1,2\n", at + 1),
    "blank": lambda at: ("\n# comment\n", at),
    "header": lambda at: ("time,a,b\n", at),
    "quotes": lambda at: (f'"{stamp(at)}","1.5",2\r\n', at + 1),
    "other header": lambda at: ("b,c,time\n", at),
    "other order": lambda at: (f"1,2,{stamp(at)}\n", at + 1),
}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.just("row"), st.sampled_from(sorted(EVENTS))), min_size=1, max_size=40),
    st.lists(st.integers(0, 2000), max_size=12),
    st.sets(st.integers(0, 12)),
)
def test_neither_cuts_nor_restarts_change_anything(events: list[str], cuts: list[int], restarts: set[int]) -> None:
    text, at = f"time,a,b\n{stamp(299)},1,1\n", 300
    for event in events:
        lines, at = EVENTS[event](at)
        text += lines
    data = text.encode()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[begin:end] for begin, end in pairwise(edges)]
    same(came(pieces, restarts=sorted(restarts)), came([data]))


def test_million_rows_need_bounded_state() -> None:
    parser, order = Parser(MINUTE, ReadOptions(), DATED), Order(MINUTE)
    size = []
    for begin in range(0, 40_000, 10_000):
        blocks, _ = parser.add(table(range(begin, begin + 10_000)).splitlines())
        for block in blocks:
            order.add(block)
        size.append(len(repr(parser.state())) + len(repr(order.state())))
    assert size[-1] < 60_000
    assert size[-1] < 1.1 * size[0]
