"""Dates and times of day in two columns: joined where they are times, and left alone where a number looks like one."""

from __future__ import annotations

import numpy as np
import pytest

from ape.core.errors import InputError
from ape.series import load

DAYS = np.datetime64("2024-03-04") + np.arange(200)
MINUTES = np.datetime64("2024-03-04T00:00") + np.arange(3000)
PRICES = [f"{20 + 5 * np.sin(k / 3) + k % 7 / 10:.2f}" for k in range(200)]


def read(tmp_path, header, rows):
    path = tmp_path / "series.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return load(path)


@pytest.mark.parametrize(
    ("header", "cell"),
    [
        ("date,price", lambda k: PRICES[k]),  # 26.79 is no time, and 20.15 is none either
        ("date,setpoint", lambda k: "20.00" if k % 7 < 5 else "16.00"),
        ("date,setpoint", lambda k: f"{k % 9 + 1}.30"),
        ("date,hours", lambda k: f"{k % 10 + 1}"),
        ("date,rpm", lambda k: f"{1200 + k % 50}"),
    ],
)
def test_daily_values_that_look_like_times_of_day_are_values(tmp_path, header, cell):
    values = [float(cell(k)) for k in range(200)]
    for order in (1, -1):
        names = ",".join([*header.split(","), "v"][::order])
        rows = [",".join([str(day), cell(k), str(k % 13)][::order]) for k, day in enumerate(DAYS)]
        series = read(tmp_path, names, rows)
        assert set(series.channels) == {header.split(",")[1], "v"} and series.step == 86_400
        assert (series.timestamps == DAYS).all()
        place = series.channels.index(header.split(",")[1])
        np.testing.assert_allclose(series.exact[:, place], values, rtol=1e-6)


@pytest.mark.parametrize("name", ["sunrise", "Dauer"])
def test_times_of_day_beside_daily_dates_are_no_clock(tmp_path, name):
    rows = [f"{day},0{6 + k % 2}:{k * 7 % 60:02},{k % 13}" for k, day in enumerate(DAYS)]
    series = read(tmp_path, f"date,{name},v", rows)
    assert series.channels == ("v",) and (series.timestamps == DAYS).all()


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("date,time,v", lambda t: f"{t:%Y%m%d},{t:%H%M}"),
        ("date,time,v", lambda t: f"{t:%Y-%m-%d},{int(f'{t:%H%M}')}"),
        ("date,HHMM,v", lambda t: f"{t:%d.%m.%Y},{t:%H%M}"),
        ("date,time,v", lambda t: f"{t:%Y%m%d},{t:%H%M%S}"),
        ("date,time,v", lambda t: f"{t:%Y%m%d},{int(f'{t:%H%M%S}')}"),
        ("date,time,v", lambda t: f"{t:%Y%m%d},{t:%H%M%S}000"),
        ("date,when,v", lambda t: f"{t:%d.%m.%Y},{t:%H:%M}"),
        ("Date,Time,v", lambda t: f"{t:%d.%m.%Y},{t:%H.%M.%S}"),
        ("Date,Time,v", lambda t: f"{t:%d.%m.%Y} 00:00,{t:%H:%M}"),
        ("date,time,v", lambda t: f"{t:%Y-%m-%d},{t.hour + t.minute / 60:.5f}"),
        ("date,period,v", lambda t: f"{t:%Y-%m-%d},{t:%H:%M}"),
    ],
)
def test_dates_and_clocks_are_joined(tmp_path, header, form):
    rows = [f"{form(t.item())},{k % 11}" for k, t in enumerate(MINUTES)]
    series = read(tmp_path, header, rows)
    assert series.channels == ("v",) and series.step == 60
    assert (series.timestamps == MINUTES).all()


def test_hours_and_minutes_are_not_minutes_and_seconds(tmp_path):
    series = read(tmp_path, "date,time,v", [f"20240304,{k // 60:02}{k % 60:02},{k % 11}" for k in range(300)])
    assert series.timestamps[[1, 60, 299]].astype(str).tolist() == [
        "2024-03-04T00:01:00.000000000",
        "2024-03-04T01:00:00.000000000",
        "2024-03-04T04:59:00.000000000",
    ]


def test_periods_of_half_an_hour(tmp_path):
    times = np.datetime64("2024-03-04T00:00") + 30 * np.arange(300).astype("timedelta64[m]")
    rows = [
        f"{t.item():%d-%b-%Y},{t.item().hour * 2 + t.item().minute // 30 + 1},{k % 11}" for k, t in enumerate(times)
    ]
    series = read(tmp_path, "SETTLEMENT_DATE,SETTLEMENT_PERIOD,ND", rows)
    assert series.channels == ("ND",) and (series.timestamps == times).all()


def test_the_date_may_stand_only_in_the_first_row_of_each_day(tmp_path):
    rows = [f"{t.item():%d.%m.%Y}" * (k % 1440 == 0) + f";{t.item():%H:%M};{k % 11}" for k, t in enumerate(MINUTES)]
    series = read(tmp_path, "Datum;Zeit;v", rows)
    assert (series.timestamps == MINUTES).all()
    assert any("2997 rows without a date have the date of the row above" in note for note in series.notes)
    rows[1440] = rows[1440][len("05.03.2024") :]  # the second day has no date
    with pytest.raises(InputError, match="2998 rows have a time of day and no date"):
        read(tmp_path, "Datum;Zeit;v", rows)


def test_text_among_numbers_does_not_make_them_times(tmp_path):
    rows = [f"sensor.temp,{'stuck' if k == 50 else PRICES[k % 200]},{t}:12.123Z" for k, t in enumerate(MINUTES[:300])]
    with pytest.raises(InputError, match="text 'stuck' in a number column"):
        read(tmp_path, "entity_id,state,last_changed", rows)


def test_durations_in_a_long_table_of_days_are_no_clock(tmp_path):
    rows = [f"{day},{name},{6 + k * 7 % 11}:{k * 13 % 60:02},{k % 13}" for name in "ab" for k, day in enumerate(DAYS)]
    series = read(tmp_path, "date,sensor,dauer,v", rows)
    assert series.channels == ("a", "b") and (series.timestamps == DAYS).all()
