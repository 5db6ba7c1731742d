"""Times of events as people write them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ape.monitor import span_text
from ape.series import Series


def numbered(count):
    return Series(np.arange(count, dtype=np.float32)[:, None], ("value",))


def series_at(times, zone=None, offset=None):
    series = numbered(len(times))
    offsets = None if offset is None else np.broadcast_to(offset, len(times)).astype(np.int32)
    return replace(series, timestamps=np.array(times, "datetime64[ns]"), zone=zone, clock_offset=offsets)


def minutes(start, count, step="1min"):
    return pd.date_range(start, periods=count, freq=step).to_numpy()


def test_the_date_and_the_zone_are_given_once():
    series = series_at(minutes("2026-03-07 12:20", 45), "+01:00", 3600)  # timestamps are UTC
    assert span_text(series, 0, 45) == "2026-03-07 13:20 to 14:04 (+01:00)"


def test_another_day_is_given():
    series = series_at(minutes("2026-03-07 23:00", 3, "1h"))
    assert span_text(series, 0, 3) == "2026-03-07 23:00 to 2026-03-08 01:00"


def test_seconds_are_given_only_if_there_are_any():
    series = series_at(minutes("2026-05-04 18:46:00", 188, "10s"))
    assert span_text(series, 0, 188) == "2026-05-04 18:46:00 to 19:17:10"
    assert span_text(series, 0, 7) == "2026-05-04 18:46 to 18:47"


def test_one_point_has_one_time():
    assert span_text(series_at(minutes("2026-05-04 18:46", 5), "UTC"), 2, 3) == "2026-05-04 18:48 (UTC)"


def test_daily_series_have_dates_only():
    series = series_at(minutes("2026-05-04", 5, "1D"))
    assert span_text(series, 1, 4) == "2026-05-05 to 2026-05-07"
    assert span_text(series, 1, 2) == "2026-05-05"


def test_both_zones_are_given_where_the_clock_is_changed():
    times = minutes("2026-10-25 00:30", 2, "1h")  # UTC; the clock goes back at 01:00 UTC
    series = series_at(times, "Europe/Berlin", np.array([7200, 3600]))
    assert span_text(series, 0, 2) == "2026-10-25 02:30 (+02:00) to 2026-10-25 02:30 (+01:00)"


def test_series_without_times_have_positions_of_rows():
    series = numbered(10)
    assert span_text(series, 3, 6) == "positions 3 to 5"
    assert span_text(series, 3, 4) == "position 3"
    # Rows 0 to 4 of the file are the points 0, 1, 2, 6 and 7; others were inserted.
    filled = replace(series, point_of_row=np.array([0, 1, 2, 6, 7]))
    assert span_text(filled, 6, 8) == "positions 3 to 4"


@pytest.mark.parametrize(("end", "text"), [(3, "0:00:00 to 0:01:00 after the start"), (1, "0:00:00 after the start")])
def test_elapsed_times_are_since_the_start(end, text):
    series = numbered(4)
    series = replace(series, elapsed=np.arange(4).astype("timedelta64[s]").astype("timedelta64[ns]") * 30)
    assert span_text(series, 0, end) == text
