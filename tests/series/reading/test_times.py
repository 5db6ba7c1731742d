"""Times in their formats, zones, gaps and orders of rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ape.core.errors import InputError

from .conftest import TIMES, WAVE, T, comma, point, read, table

START = "2024-02-01T00:00"
HOURLY = pd.date_range("2023-03-01", periods=T, freq="h")
DAILY = pd.date_range("2023-03-01", periods=T, freq="D")
FORMATS = {
    "ISO": ("%Y-%m-%dT%H:%M:%S", TIMES),
    "slashes, year first": ("%Y/%m/%d %H:%M", TIMES),
    "day first": ("%d/%m/%Y %H:%M", TIMES),
    "month first": ("%m/%d/%Y %I:%M:%S %p", TIMES),
    "dots, short years": ("%d.%m.%y %H:%M", TIMES),
    "names of months": ("%d-%b-%Y %H:%M:%S", TIMES),
    "asctime": ("%a %b %d %H:%M:%S %Y", TIMES),
    "compact seconds": ("%Y%m%d%H%M%S", TIMES),
    "compact minutes": ("%Y%m%d%H%M", TIMES),
    "compact hours": ("%Y%m%d%H", HOURLY),
    "compact days": ("%Y%m%d", DAILY),
    "compact ISO": ("%Y%m%dT%H%M%S", TIMES),
}


@pytest.mark.parametrize("case", FORMATS)
def test_times_are_read_in_the_format_of_the_whole_column(tmp_path, case):
    form, times = FORMATS[case]
    series = read(tmp_path, table(["time;v"], point, ";", times=times, time=lambda t: t.strftime(form)))
    assert (series.timestamps == times.to_numpy()).all() and series.channels == ("v",)


@pytest.mark.parametrize(("unit", "digits"), [("s", 9), ("ms", 6), ("us", 3), ("ns", 0)])
def test_epochs_are_told_apart(tmp_path, unit, digits):
    series = read(tmp_path, table(["ts,v"], point, time=lambda t: t.value // 10**digits))
    assert (series.timestamps == TIMES.to_numpy()).all() and series.zone == "UTC"


def test_epochs_with_fractions_beside_values(tmp_path):
    rows = [f"{comma(v)};{t.value / 1e9 + 0.25:.3f}" for t, v in zip(TIMES, WAVE, strict=True)]
    series = read(tmp_path, "\n".join(["v;ts", *rows]))
    assert (series.timestamps == (TIMES + pd.Timedelta(milliseconds=250)).to_numpy()).all() and series.zone == "UTC"
    assert series.channels == ("v",)


def test_large_numbers_are_no_times(tmp_path):
    rows = "\n".join(["load,v", *(f"{1.7e9 + 1e6 * v:.0f},{v}" for v in WAVE)])
    series = read(tmp_path, rows)
    assert series.channels == ("load", "v") and series.timestamps is None


def test_fractions_may_be_absent(tmp_path):
    times = [t + pd.Timedelta(milliseconds=500 * (i % 2)) for i, t in enumerate(TIMES)]
    series = read(tmp_path, table(["t,v"], point, times=times, time=lambda t: t.isoformat()))
    assert (series.timestamps == pd.DatetimeIndex(times).to_numpy()).all()


@pytest.mark.parametrize(
    ("freq", "time"),
    [
        ("h", lambda t: f"{t:%Y-%m-%d}" if t.hour == 0 else str(t)),
        ("30s", lambda t: f"{t:%Y-%m-%d %H:%M}" if t.second == 0 else str(t)),
    ],
)
def test_zero_hours_and_seconds_may_be_absent(tmp_path, freq, time):
    times = pd.date_range("2024-02-01", periods=T, freq=freq)
    assert (read(tmp_path, table(["t,v"], point, times=times, time=time)).timestamps == times.to_numpy()).all()


def test_day_and_month_without_evidence_are_refused(tmp_path):
    text = table(
        ["t,v"], point, times=pd.date_range("2024-02-01", periods=T, freq="min"), time=lambda t: f"{t:%d/%m/%Y %H:%M}"
    )
    with pytest.raises(InputError, match="--dayfirst"):
        read(tmp_path, text)
    assert str(read(tmp_path, text, dayfirst=True).timestamps[0]).startswith("2024-02-01")
    assert str(read(tmp_path, text, dayfirst=False).timestamps[0]).startswith("2024-01-02")


def test_time_format_can_be_given(tmp_path):
    text = table(["t,v"], point, time=lambda t: f"{t:%Y|%d|%m %H-%M}")
    assert str(read(tmp_path, text, time_format="%Y|%d|%m %H-%M").timestamps[0]).startswith(START)
    days = table(["time,v"], point, time=lambda t: f"{(t - pd.Timestamp('1899-12-30')) / pd.Timedelta('1D'):.8f}")
    for options in ({}, {"time_format": "excel"}):
        assert (read(tmp_path, days, **options).timestamps == TIMES.to_numpy()).all()


def test_date_and_time_in_two_columns(tmp_path):
    text = table(["Date,Time,v"], point, time=lambda t: f"{t:%Y-%m-%d,%H:%M:%S}")
    compact = table(["date,time,v"], point, time=lambda t: f"{t:%Y%m%d},{int(f'{t:%H%M%S}')}")
    calendar = table(
        ["year,month,day,hour,minute,v"], point, time=lambda t: f"{t.year},{t.month},{t.day},{t.hour},{t.minute}"
    )
    later = "\n".join(
        ["v,Time,Date", *(f"{point(v)},{t:%I:%M:%S %p},{t:%m/%d/%Y}" for t, v in zip(TIMES, WAVE, strict=True))]
    )
    for each in (text, compact, calendar, later):
        series = read(tmp_path, each)
        assert (series.timestamps == TIMES.to_numpy()).all() and series.channels == ("v",)


def test_the_hours_of_a_market_are_counted_from_one(tmp_path):
    text = table(["Date,Hour,v"], point, times=HOURLY, time=lambda t: f"{t:%m/%d/%Y},{t.hour + 1}")
    assert (read(tmp_path, text).timestamps == (HOURLY + pd.Timedelta(hours=1)).to_numpy()).all()


@pytest.mark.parametrize(
    ("header", "time"),
    [
        ("time,v", lambda t: str(t - TIMES[0]).removeprefix("0 days ")),
        ("time,v", lambda t: f"{t:%H:%M:%S}"),
        ("time,v", lambda t: f"{int((t - TIMES[0]).total_seconds()) // 3600}:{t:%M:%S}"),
        ("Time (s),v", lambda t: (t - TIMES[0]).total_seconds()),
    ],
)
def test_elapsed_times_have_no_date(tmp_path, header, time):
    series = read(tmp_path, table([header], point, time=time))
    assert series.timestamps is None and series.step == 300 and series.channels == ("v",)
    assert (series.elapsed == (TIMES - TIMES[0]).to_numpy()).all()


def test_times_of_day_pass_midnight(tmp_path):
    times = pd.date_range("2024-02-01 22:10", periods=T, freq="5min")
    series = read(tmp_path, table(["time,v"], point, times=times, time=lambda t: f"{t:%H:%M:%S}"))
    assert (np.diff(series.elapsed) == np.timedelta64(5, "m")).all() and series.timestamps is None


def test_dates_on_both_sides_of_2262(tmp_path):
    hours = np.datetime64("2262-04-08T00") + np.arange(T)
    series = read(tmp_path, table(["t;v"], point, ";", times=hours, time=lambda t: f"{t.item():%d.%m.%Y %H:%M}"))
    assert (series.timestamps == hours).all()


def test_dates_after_2262(tmp_path):
    months = np.datetime64("2300-01") + np.arange(T)
    series = read(tmp_path, table(["t,v"], point, times=months, time=lambda t: f"{t}-01"))
    assert (series.timestamps.astype("datetime64[M]") == months).all() and series.reading.step == "1 month"
    assert not series.gaps and series.length == T


def test_offsets_are_kept_and_shown(tmp_path):
    series = read(tmp_path, table(["t,v"], point, time=lambda t: f"{t.isoformat()}+01:00"))
    assert series.zone == "+01:00" and series.time_text(0) == "2024-02-01 00:00:00+01:00"
    assert (series.timestamps == (TIMES - pd.Timedelta(hours=1)).to_numpy()).all()
    assert (series.clock == TIMES.to_numpy()).all()


@pytest.mark.parametrize(
    ("header", "time", "zone", "hours"),
    [
        ("t,v", lambda t: f"{t}Z", "UTC", 0),
        ("t,v", lambda t: f"{t} UTC", "UTC", 0),
        ("t,v", lambda t: f"{t} -0330", "-03:30", -3.5),
        ("t,tz,v", lambda t: f"{t},+01:00", "+01:00", 1),
    ],
)
def test_zones_in_all_spellings(tmp_path, header, time, zone, hours):
    series = read(tmp_path, table([header], point, time=time))
    assert series.zone == zone and (series.clock == TIMES.to_numpy()).all()
    assert (series.timestamps == (TIMES - pd.Timedelta(hours=hours)).to_numpy()).all()


def test_end_of_summer_time(tmp_path):
    times = pd.date_range("2023-10-28", periods=T, freq="15min", tz="Europe/Berlin")
    utc = times.tz_convert("UTC").tz_localize(None).to_numpy()
    with_offsets = read(tmp_path, table(["t,v"], point, times=times, time=lambda t: t.isoformat()))
    assert (with_offsets.timestamps == utc).all() and with_offsets.length == T
    naive = table(["t,v"], point, times=times, time=lambda t: f"{t:%Y-%m-%d %H:%M}")
    plain, zoned = read(tmp_path, naive), read(tmp_path, naive, timezone="Europe/Berlin")
    assert (zoned.timestamps == utc).all()
    assert (np.diff(plain.timestamps) == np.diff(utc)).all() and any("clock goes back" in note for note in plain.notes)
    assert (plain.clock == times.tz_localize(None).to_numpy()).all()


def test_begin_of_summer_time_is_resolved_by_the_zone(tmp_path):
    times = pd.date_range("2024-03-30", periods=T, freq="15min", tz="Europe/Berlin")
    naive = table(["t,v"], point, times=times, time=lambda t: f"{t:%Y-%m-%d %H:%M}")
    assert any("--timezone" in note for note in read(tmp_path, naive).notes)
    assert read(tmp_path, naive, timezone="Europe/Berlin").length == T


def rows_at(positions):
    return table(["t,v"], point, times=[TIMES[i] for i in positions], values=[WAVE[i] for i in positions])


def test_short_gaps_are_inserted_and_long_ones_recorded(tmp_path):
    keep = [i for i in range(T) if not 50 <= i < 53 and not 200 <= i < 240]
    series = read(tmp_path, rows_at(keep), train_end=150)
    assert series.length == T - 40 and series.inserted.sum() == 3 and series.inserted[50:53].all()
    np.testing.assert_allclose(series.values[50:53, 0], np.interp([50, 51, 52], [49, 53], WAVE[[49, 53]]), atol=1e-6)
    assert [(gap.position, gap.missing) for gap in series.gaps] == [(200, 40)]
    assert series.segments == ((0, 200), (200, T - 40))
    assert series.train_end == 153  # row 150 of the file
    assert (series.timestamps == TIMES.to_numpy()[[i for i in range(T) if not 200 <= i < 240]]).all()
    np.testing.assert_allclose(series.values[series.row_points, 0], WAVE[keep], atol=1e-6)
    cut = series.until(150)
    assert cut.length == 150 and cut.gaps == () and len(cut.row_points) == 147


def test_ten_missing_rows_are_filled_and_eleven_are_a_gap(tmp_path):
    keep = [i for i in range(T) if not 50 <= i < 60 and not 200 <= i < 211]
    series = read(tmp_path, rows_at(keep))
    assert series.inserted.sum() == 10 and [(gap.position, gap.missing) for gap in series.gaps] == [(200, 11)]
    elapsed = read(tmp_path, "\n".join(["Time (s),v", *(f"{i},{WAVE[i]}" for i in keep)]))
    assert elapsed.inserted.sum() == 10 and [gap.missing for gap in elapsed.gaps] == [11]


def test_rows_out_of_order_are_sorted(tmp_path):
    order = list(range(T))
    order[10], order[20] = 20, 10
    parts = [*range(200, T), *range(100), *range(100, 200)]
    for rows in (order, order[::-1], list(range(T))[::-1], parts):
        series = read(tmp_path, rows_at(rows))
        np.testing.assert_allclose(series.values[:, 0], WAVE, atol=1e-6)
        np.testing.assert_allclose(series.values[series.row_points, 0], WAVE[rows], atol=1e-6)


def test_rows_of_the_same_time_are_averaged(tmp_path):
    text = rows_at([*range(T)]) + f"{TIMES[5]},{WAVE[5] + 2}\n"
    series = read(tmp_path, text)
    assert series.length == T and series.values[5, 0] == pytest.approx(WAVE[5] + 1, abs=1e-6)
    assert len(series.row_points) == T + 1 and any("averaged" in note for note in series.notes)


def test_times_too_coarse_to_order_rows_are_left_out(tmp_path):
    series = read(tmp_path, table(["t,v"], point, time=lambda t: f"{t:%Y-%m-%d %H:00}"))
    assert series.timestamps is None and np.allclose(series.values[:, 0], WAVE, atol=1e-6)


def test_weekends_are_no_gaps(tmp_path):
    series = read(
        tmp_path, table(["d,v"], point, times=pd.bdate_range("2022-01-03", periods=T), time=lambda t: t.date())
    )
    assert series.length == T and not series.gaps
