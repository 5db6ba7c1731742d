"""Which columns have the times, whatever their place and form, and which say them again."""

from __future__ import annotations

import numpy as np
import pytest

from ape.core.errors import InputError
from ape.series import load

N = 300
START = np.datetime64("2024-03-04T00:00:00")
SECONDS = 1_709_510_400  # of START since 1970
TENS = START + 600 * np.arange(N)
HOURS = START + 3600 * np.arange(N)
DAYS = np.datetime64("2024-03-04") + np.arange(N)
MONTHS = np.datetime64("2000-01") + np.arange(N)
V = [f"{20 + 5 * np.sin(k / 4) + k % 7 / 10:.1f}" for k in range(N)]


def read(tmp_path, header, rows, column=None):
    path = tmp_path / "series.csv"
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return load(path, column=column)


def strftime(times, form):
    return [t.strftime(form) for t in times.tolist()]


@pytest.mark.parametrize(
    ("name", "times", "form"),
    [
        ("MESS_DATUM", HOURS, "%Y%m%d%H"),
        ("MESS_DATUM", TENS, "%Y%m%d%H%M"),
        ("MESS_DATUM", DAYS, "%Y%m%d"),
        ("MESS_DATUM", TENS, "%Y%m%d%H%M%S"),
        ("taken", TENS, "%Y%m%d%H%M"),
        ("taken", TENS, "%d.%m.%Y %H:%M"),
    ],
)
def test_times_in_the_second_column(tmp_path, name, times, form):
    series = read(tmp_path, f"STATIONS_ID,{name},TT", zip([44] * N, strftime(times, form), V, strict=True))
    assert "TT" in series.channels and name not in series.channels and (series.timestamps == times).all()


@pytest.mark.parametrize("name", ["clock", "epoch_time", "record_time", "updated_at", "when", "x"])
@pytest.mark.parametrize("unit", [1, 1000])
def test_epochs_in_any_column(tmp_path, name, unit):
    epochs = [(SECONDS + 600 * k) * unit for k in range(N)]
    series = read(tmp_path, f"a,{name},b", zip(V, epochs, V[::-1], strict=True))
    assert series.channels == ("a", "b") and (series.timestamps == TENS).all() and series.zone == "UTC"


def test_an_irregular_epoch_is_a_clock(tmp_path):
    seconds = SECONDS + np.cumsum(1 + np.arange(N) ** 2 % 97)
    series = read(tmp_path, "timestamp,v", zip(seconds, V, strict=True))
    assert (series.timestamps == seconds.astype("datetime64[s]")).all()


@pytest.mark.parametrize(
    ("values", "format"),
    [
        ([(SECONDS + 600 * k + 11_644_473_600) * 10**7 for k in range(N)], "100 ns since 1601"),
        ([(SECONDS + 600 * k + 62_135_596_800) * 10**7 for k in range(N)], "100 ns since the year 1"),
        ([SECONDS + 600 * k + 2_082_844_800 for k in range(N)], "seconds since 1904"),
        ([f"/Date({(SECONDS + 600 * k) * 1000})/" for k in range(N)], "milliseconds since 1970"),
        ([f"{739_315 + k / 144:.6f}" for k in range(N)], "MATLAB days"),
        ([f"{2_460_373.5 + k / 144:.6f}" for k in range(N)], "Julian days"),
        ([f"{45_355 + k / 144:.6f}" for k in range(N)], "Excel days"),
    ],
)
def test_numbers_from_other_beginnings(tmp_path, values, format):
    series = read(tmp_path, "time,v", zip(values, V, strict=True))
    assert (series.timestamps == TENS).all() and format in series.reading.times
    assert len(series.notes) == ("since" in format and "1970" not in format)


def test_modified_julian_days_are_told_by_name(tmp_path):
    series = read(tmp_path, "MJD,v", zip([f"{60_373 + k / 144:.6f}" for k in range(N)], V, strict=True))
    assert (series.timestamps == TENS).all()


@pytest.mark.parametrize(
    ("name", "times", "form"),
    [
        ("date", MONTHS, "%Y%m"),
        ("Monat", MONTHS, "%m/%Y"),
        ("period", MONTHS, "%Y%m"),
        ("date", DAYS, "%m%d%Y"),
        ("date", DAYS, "%d%m%Y"),
        ("date", DAYS, "%y%m%d"),
        ("date", DAYS, "%Y%j"),
    ],
)
def test_compact_dates(tmp_path, name, times, form):
    series = read(tmp_path, f"{name},v", zip(strftime(times, form), V, strict=True))
    assert series.channels == ("v",) and (series.timestamps == times).all()


@pytest.mark.parametrize(
    ("header", "times", "form"),
    [
        ("YY,MM,DD,hh,mm", TENS, "%Y,%m,%d,%H,%M"),
        ("yr,mo,dy,hr,mn", TENS, "%Y,%m,%d,%H,%M"),
        ("Jahr,Monat,Tag,Stunde", HOURS, "%y,%m,%d,%H"),
        ("YEAR,DOY,HR", HOURS, "%Y,%j,%H"),
        ("year,doy,time", TENS, "%Y,%j,%H%M"),
        ("year,month,day,time", TENS, "%Y,%m,%d,%H:%M"),
        ("Year,Day of year", DAYS, "%Y,%j"),
        ("year,month", MONTHS, "%Y,%m"),
        ("Year,Month", MONTHS, "%Y,%b"),
    ],
)
def test_parts_of_times_are_joined(tmp_path, header, times, form):
    series = read(tmp_path, f"{header},v", zip(strftime(times, form), V, strict=True))
    assert series.channels == ("v",) and (series.timestamps == times).all()


def test_years_and_weeks(tmp_path):
    mondays = np.datetime64("2018-01-01") + 7 * np.arange(N)
    series = read(tmp_path, "year,week,v", zip(strftime(mondays, "%G,%V"), V, strict=True))
    assert series.channels == ("v",) and (series.timestamps == mondays).all()


def test_years_and_quarters(tmp_path):
    quarters = np.datetime64("1950-01") + 3 * np.arange(N)
    rows = [(1950 + k // 4, k % 4 + 1, V[k]) for k in range(N)]
    assert (read(tmp_path, "year,quarter,v", rows).timestamps == quarters).all()


def test_parts_that_make_no_time_are_left_out(tmp_path):
    series = read(tmp_path, "month,day,v", zip(strftime(DAYS, "%m,%d"), V, strict=True))
    assert series.channels == ("v",) and series.timestamps is None
    assert "column 'month' is a part of dates and was left out" in series.notes


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("received_at", [str(t + k * k % 3) for k, t in enumerate(TENS)]),
        ("end_time", [str(t + 600) for t in TENS]),
        ("local", strftime(TENS + 3600, "%d.%m.%Y %H:%M")),
        ("Time_ms", [f"{(45_355 + k / 144) * 1e6:.3f}" for k in range(N)]),
        ("unix", range(SECONDS, SECONDS + 600 * N, 600)),
        ("hour", strftime(TENS, "%H")),
        ("month", strftime(TENS, "%m")),
    ],
)
def test_columns_that_say_the_times_again_are_left_out_with_a_note(tmp_path, name, cells):
    rows = list(zip(TENS, cells, V, strict=True))
    series = read(tmp_path, f"timestamp,{name},v", rows)
    assert series.channels == ("v",) and (series.timestamps == TENS).all()
    assert any(note.startswith(f"column '{name}' is a") for note in series.notes)
    assert not any("text" in note for note in series.notes)


@pytest.mark.parametrize(("name", "value"), [("day", 7), ("cycle_time", 7), ("hour", 5), ("temperature", 31)])
def test_channels_named_like_times_are_kept(tmp_path, name, value):
    rows = zip(TENS, [k % value for k in range(N)], V, strict=True)
    assert read(tmp_path, f"timestamp,{name},v", rows).channels == (name, "v")


@pytest.mark.parametrize(("name", "unit"), [("minute", 60), ("timestamp_(min)", 60), ("Time (s)", 1), ("hour", 3600)])
def test_elapsed_times_by_their_unit(tmp_path, name, unit):
    series = read(tmp_path, f"{name},v", zip(range(N), V, strict=True))
    assert (series.elapsed == unit * np.arange(N).astype("timedelta64[s]")).all() and series.channels == ("v",)


def test_compact_dates_with_day_and_month_up_to_12_are_refused(tmp_path):
    dates = [f"{day:02}{month:02}20{year}" for year in range(10, 24) for month in range(1, 13) for day in (3, 7)]
    with pytest.raises(InputError, match="may be day first or month first"):
        read(tmp_path, "date,v", zip(dates, V * 2, strict=False))


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("timestamp,year,month,day,hour", "%Y-%m-%d %H:%M,%Y,%m,%d,%H"),
        ("year,month,taken", "%Y,%m,%d.%m.%Y %H:%M"),
        ("date,hour,timestamp", "%Y-%m-%d,%H,%Y-%m-%dT%H:%M"),
        ("date,hour,taken", "%Y-%m-%d,%H,%Y-%m-%dT%H:%M"),
        ("date,datetime", "%Y-%m-%d,%Y-%m-%d %H:%M:%S"),
        ("id,observed", "1709500000,%Y-%m-%d %H:%M"),
    ],
)
def test_the_column_with_date_and_time_is_preferred_to_their_parts(tmp_path, header, form):
    series = read(tmp_path, f"{header},v", zip(strftime(TENS, form), V, strict=True), column=["v"])
    assert (series.timestamps == TENS).all()


@pytest.mark.parametrize(("name", "per_day"), [("minute_of_day", 1440), ("s", 86_400), ("ms_of_day", 86_400_000)])
def test_units_since_midnight_beside_dates(tmp_path, name, per_day):
    rows = [(str(t)[:10], k % 144 * per_day // 144, V[k]) for k, t in enumerate(TENS)]
    series = read(tmp_path, f"date,{name},v", rows)
    assert series.channels == ("v",) and (series.timestamps == TENS).all()


@pytest.mark.parametrize(("seconds", "nanoseconds"), [("secs", "nsecs"), ("header.stamp.sec", "header.stamp.nanosec")])
def test_seconds_and_nanoseconds(tmp_path, seconds, nanoseconds):
    rows = [(SECONDS + k // 4, k % 4 * 250_000_000, V[k]) for k in range(N)]
    series = read(tmp_path, f"{seconds},{nanoseconds},v", rows)
    assert series.channels == ("v",) and series.step == 0.25 and series.zone == "UTC"
    assert (series.timestamps == START + (250 * np.arange(N)).astype("timedelta64[ms]")).all()


def test_compact_times_of_day_without_a_date(tmp_path):
    series = read(tmp_path, "time,v", zip([int(cell) for cell in strftime(TENS, "%H%M")], V, strict=True))
    assert (series.elapsed == 600 * np.arange(N).astype("timedelta64[s]")).all()
    counted = read(tmp_path, "time,v", zip(range(N), V, strict=True))
    assert counted.elapsed is None and "column 'time' is a step counter and was left out" in counted.notes


@pytest.mark.parametrize("year", [1600, 1850, 2300, 9998])
@pytest.mark.parametrize(
    ("form", "step"), [("%Y%m%d", "1D"), ("%Y%m%d%H", "1h"), ("%Y%m%d%H%M", "5m"), ("%Y%m%d%H%M%S", "20s")]
)
def test_compact_dates_of_other_centuries(tmp_path, year, form, step):
    times = np.datetime64(f"{year}-01-01") + np.arange(N) * np.timedelta64(int(step[:-1]), step[-1])
    series = read(tmp_path, "timestamp,v", zip(strftime(times, form), V, strict=True))
    assert series.channels == ("v",) and (series.timestamps == times).all()


def test_compact_dates_with_a_fraction_of_the_second(tmp_path):
    times = START + 250 * np.arange(1, N + 1).astype("timedelta64[ms]")
    cells = [f"{t:%Y%m%d%H%M%S}.{t.microsecond // 1000:03d}" for t in times.tolist()]
    series = read(tmp_path, "timestamp,v", zip(cells, V, strict=True))
    assert (series.timestamps == times).all()


def test_epochs_before_1970(tmp_path):
    series = read(tmp_path, "timestamp,v", zip([-157_766_400 + 300 * k for k in range(N)], V, strict=True))
    assert (series.timestamps == np.datetime64("1965-01-01") + 300 * np.arange(N).astype("timedelta64[s]")).all()


def test_uneven_numbers_are_no_step_counter(tmp_path):
    series = read(tmp_path, "timestamp,v", zip(np.arange(N) ** 2, V, strict=True))
    assert series.timestamps is None and series.notes == (
        "column 'timestamp' has no times that are known and was left out",
    )


@pytest.mark.parametrize(("times", "form"), [(DAYS, "%Y%m%d"), (HOURS, "%Y%m%d%H")])
def test_compact_dates_in_an_unnamed_first_column(tmp_path, times, form):
    series = read(tmp_path, ",v", zip(strftime(times, form), V, strict=True))
    assert series.channels == ("v",) and (series.timestamps == times).all()


@pytest.mark.parametrize("header", ["Date,Time,AM/PM,v", "Date,Time,period,v", "Date,Time,,v", None])
def test_am_and_pm_in_a_column_of_their_own(tmp_path, header):
    rows = zip(*(strftime(TENS, form) for form in ("%m/%d/%Y", "%I:%M:%S", "%p")), V, strict=True)
    lines = [",".join(row) for row in rows]
    series = read(tmp_path, header or lines.pop(0), [line.split(",") for line in lines])
    assert len(series.channels) == 1 and (series.timestamps == TENS).all()


def test_am_and_pm_beside_a_date_and_time(tmp_path):
    rows = zip(strftime(TENS, "%Y-%m-%d %I:%M"), strftime(TENS, "%p"), V, strict=True)
    series = read(tmp_path, "time,ampm,v", rows)
    assert series.channels == ("v",) and (series.timestamps == TENS).all()


@pytest.mark.parametrize("name", ["time", "timestamp", "duration", "x"])
@pytest.mark.parametrize(("step", "unit", "seconds"), [(5, "min", 300), ("300.0", "s", 300), (5, "ms", 0.005)])
def test_elapsed_times_with_a_unit_in_each_cell(tmp_path, name, step, unit, seconds):
    series = read(tmp_path, f"{name},v", zip([f"{float(step) * k:g} {unit}" for k in range(N)], V, strict=True))
    assert series.channels == ("v",) and series.step == seconds
    assert (series.elapsed == (np.arange(N) * int(seconds * 1e9)).astype("timedelta64[ns]")).all()


def test_measurements_of_durations_stay_channels(tmp_path):
    series = read(tmp_path, "latency,v", zip([f"{cell} ms" for cell in V], V, strict=True))
    assert series.channels == ("latency", "v") and series.elapsed is None


@pytest.mark.parametrize("header", ["d,t,v", "day,time,v", None])
@pytest.mark.parametrize(
    ("date", "clock"),
    [("%Y%m%d", "%H:%M:%S"), ("%Y-%m-%d", "%H%M%S"), ("%Y-%m-%d", "%H%M"), ("%d/%m/%Y", "%H%M%S")],
)
def test_compact_dates_or_times_of_day_that_only_their_values_tell(tmp_path, header, date, clock):
    lines = [",".join(row) for row in zip(strftime(TENS, date), strftime(TENS, clock), V, strict=True)]
    series = read(tmp_path, header or lines.pop(0), [line.split(",") for line in lines])
    assert len(series.channels) == 1 and (series.timestamps == TENS).all()


@pytest.mark.parametrize("header", ["Date,Time,ms,v", "Date,Time,Milliseconds,v"])
def test_milliseconds_beside_the_time_of_day(tmp_path, header):
    rows = zip(
        strftime(TENS, "%Y-%m-%d"), strftime(TENS, "%H:%M:%S"), [500 * (k % 2) for k in range(N)], V, strict=True
    )
    series = read(tmp_path, header, rows)
    assert series.channels == ("v",)
    assert (series.timestamps == TENS + (500 * (np.arange(N) % 2)).astype("timedelta64[ms]")).all()


@pytest.mark.parametrize("first", [0, 1])
def test_a_first_column_without_a_header_may_number_the_rows(tmp_path, first):
    rows = [[first + k, v, w] for k, (v, w) in enumerate(zip(V, V[::-1], strict=True))]
    series = read(tmp_path, ",".join(map(str, rows[0])), rows[1:])
    assert (series.values[:, 0] == np.array(V, np.float32)).all() and len(series.channels) == 2
    assert series.notes == ("the first column numbers the rows and was left out",)


@pytest.mark.parametrize("name", ["time_constant", "time_delta", "Elapsed_Temp", "hour"])
def test_measurements_named_with_a_word_of_time_stay_channels(tmp_path, name):
    series = read(tmp_path, f"pressure,{name}", zip(V, V[::-1], strict=True))
    assert series.channels == ("pressure", name) and series.notes == ()


def test_a_channel_in_milliseconds_is_no_part_of_the_times(tmp_path):
    rows = zip(strftime(TENS, "%Y-%m-%d %H:%M:%S"), [37 * k % 50 + 2 for k in range(N)], V, strict=True)
    series = read(tmp_path, "time,ms,v", rows)
    assert series.channels == ("ms", "v") and (series.timestamps == TENS).all()


def test_times_of_24_hours_need_no_am_and_pm(tmp_path):
    rows = zip(strftime(TENS, "%Y-%m-%d %H:%M"), strftime(TENS, "%p"), V, strict=True)
    series = read(tmp_path, "time,half,v", rows)
    assert series.channels == ("v",) and (series.timestamps == TENS).all()
