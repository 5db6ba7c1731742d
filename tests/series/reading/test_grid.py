"""Rows in the order of time: long pauses of irregular clocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ape.core.errors import InputError
from ape.series import from_dataframe
from ape.series.reading.report import reading_block

T = 600


def irregular(pauses):
    """Return a series whose steps are 1 to 9 minutes, with pauses of some minutes before some rows."""
    minutes = np.random.default_rng(0).integers(1, 10, T)
    minutes[list(pauses)] = list(pauses.values())
    times = pd.Timestamp("2024-03-01") + pd.to_timedelta(np.cumsum(minutes), unit="min")
    return from_dataframe(pd.DataFrame({"time": times, "value": np.sin(np.arange(T) / 7)}))


def test_a_pause_of_many_usual_steps_is_a_gap():
    series = irregular({200: 600, 400: 91})
    assert series.step is None and series.length == T
    assert [gap.position for gap in series.gaps] == [200, 400]
    assert [gap.seconds for gap in series.gaps] == [36_000, 91 * 60]
    assert series.segments == series.train_segments == ((0, 200), (200, 400), (400, T))
    assert "2 pauses, the longest of 10 h: no window spans a long pause" in series.notes
    block = reading_block(series)["gaps"]
    assert block.count("no row after") == 2 and "missing" not in block


@pytest.mark.parametrize("minutes", [10, 60, 89])
def test_a_pause_that_is_not_much_longer_than_the_steps_is_none(minutes):
    series = irregular({200: minutes})
    assert series.gaps == () and series.segments == ((0, T),)
    assert reading_block(series)["gaps"] == "none"


WAVE = np.round(np.sin(np.arange(T) / 7), 4)
EVEN_TIMES = pd.date_range("2024-03-04", periods=T, freq="5min")


def rows_of(positions, values=WAVE, times=EVEN_TIMES):
    """Return the series of some rows, in their order."""
    positions = np.asarray(positions)
    return from_dataframe(pd.DataFrame({"time": times[positions], "value": values[positions]}))


@pytest.mark.parametrize("parts", [[(0, 400), (300, 600)], [(300, 600), (0, 400)], [(0, 600), (0, 600)]])
def test_files_that_overlap_are_one_series(parts):
    rows = np.concatenate([np.arange(*part) for part in parts])
    series = rows_of(rows)
    np.testing.assert_allclose(series.exact[:, 0], WAVE, atol=1e-6)
    assert (series.timestamps == EVEN_TIMES.to_numpy()).all() and series.gaps == ()
    assert (series.row_points == rows).all()


def test_rows_that_are_written_twice_are_one():
    series = rows_of(np.repeat(np.arange(T), 2))
    np.testing.assert_allclose(series.exact[:, 0], WAVE, atol=1e-6)
    assert (series.timestamps == EVEN_TIMES.to_numpy()).all()


def test_states_at_coarse_times_are_no_copies():
    states = np.arange(T) // 60 % 2
    series = rows_of(np.arange(T), states.astype(float), EVEN_TIMES.floor("h"))
    assert series.length == T and series.timestamps is None


def test_many_repeated_times_with_other_values_are_refused():
    frame = pd.DataFrame({"time": EVEN_TIMES.append(EVEN_TIMES), "value": np.concatenate([WAVE, WAVE + 1])})
    with pytest.raises(
        InputError, match=r"600 rows with the time of an earlier row, but other values.*--series-column"
    ):
        from_dataframe(frame)


def test_coarse_times_that_are_newest_first_are_reversed():
    coarse = EVEN_TIMES.floor("h")
    series = rows_of(np.arange(T)[::-1], times=coarse)
    assert series.timestamps is None and np.allclose(series.exact[:, 0], WAVE, atol=1e-6)
    assert any("newest first" in note for note in series.notes)
    assert np.allclose(rows_of(np.arange(T), times=coarse).exact[:, 0], WAVE, atol=1e-6)


def test_rows_that_are_nearly_newest_first():
    rows = np.arange(T)[::-1].copy()
    rows[[10, 11]] = rows[[11, 10]]
    series = rows_of(rows)
    np.testing.assert_allclose(series.exact[:, 0], WAVE, atol=1e-6)
    assert (series.row_points == rows).all()
    assert "rows were not in the order of time (1 step back) and were sorted" in series.notes


def test_end_of_summer_time_newest_first():
    utc = pd.date_range("2023-10-28", periods=T, freq="15min", tz="Europe/Berlin")
    series = rows_of(np.arange(T)[::-1], times=utc.tz_localize(None))
    assert (np.diff(series.timestamps) == np.timedelta64(15, "m")).all() and series.length == T
    np.testing.assert_allclose(series.exact[:, 0], WAVE, atol=1e-6)
