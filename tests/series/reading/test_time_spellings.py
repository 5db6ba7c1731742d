"""Times as programs and other scripts write them, each with the time that a person reads."""

from __future__ import annotations

import numpy as np
import pytest

from ape.core.errors import InputError
from ape.series import ReadOptions, load

START = np.datetime64("2024-03-04T00:00")
TENS = START + 10 * np.arange(300).astype("timedelta64[m]")
HOURS = START + np.arange(1000).astype("timedelta64[h]")


def read(tmp_path, times, form, **options):
    path = tmp_path / "series.csv"
    cells = [form(t) if callable(form) else t.strftime(form) for t in times.tolist()]
    path.write_text("\n".join(["time;v", *(f"{cell};{k % 17}" for k, cell in enumerate(cells))]) + "\n")
    return load(path, options=ReadOptions(**options), scoring=True)


def chinese(t):
    return f"{t:%Y/%m/%d} {'上午' if t.hour < 12 else '下午'} {t:%I:%M:%S}"


def japanese(t):
    return f"{t.year}年{t.month}月{t.day}日 {'午前' if t.hour < 12 else '午後'}{t.hour % 12}時{t:%M}分"


def interval(t):
    return f"{t:%d.%m.%Y %H:%M} - 01.01.2000 00:00"


@pytest.mark.parametrize(
    "form",
    [
        "%Y年%m月%d日 %H:%M",
        "%Y年%m月%d日%H时%M分%S秒",
        chinese,
        japanese,
        interval,
        "%Y-%m-%dT%H:%M/2030-01-01T00:00",
        "%b %d, %Y @ %H:%M:%S.000",
        "%m/%d/%Y, %I:%M:%S\u202f%p",
        "%Y%m%d:%H%M",
        "%Y%m%d-%H%M%S",
        "%H:%M:%S %d/%m/%Y",
        "%d.%m.%Y  %H:%M",
        "%d%b%Y:%H:%M:%S",
        "%Y-%m-%d-%H-%M-%S",
    ],
)
def test_spellings(tmp_path, form):
    series = read(tmp_path, TENS, form)
    assert (series.timestamps == TENS).all() and series.step == 600 and series.zone is None


@pytest.mark.parametrize(
    ("form", "hours", "zone"),
    [
        ("%a %b %d %Y %H:%M:%S GMT+0100 (CET)", 1, "+01:00"),
        ("%Y-%m-%dt%H:%M:%Sz", 0, "UTC"),
        ("%d/%m/%Y %H:%M:%S (CET) - 31/12/2030 01:00:00 (CET)", 1, "+01:00"),
    ],
)
def test_spellings_with_a_zone(tmp_path, form, hours, zone):
    series = read(tmp_path, TENS, form)
    assert (series.timestamps == TENS - np.timedelta64(hours, "h")).all() and series.zone == zone


def test_hours_without_minutes(tmp_path):
    series = read(tmp_path, HOURS, "%d/%m/%y %H")
    assert (series.timestamps == HOURS).all()


def test_times_that_swap_day_and_month_up_to_the_12th_are_refused(tmp_path):
    def swapped(t):
        return f"{t:%m/%d/%Y %H:%M}" if t.day <= 12 else f"{t:%d/%m/%Y %H:%M}"

    for times in (HOURS, HOURS[:300]):
        message = "'03/04/2024 00:00' are month first, and others such as '13/03/2024 00:00' day first"
        with pytest.raises(InputError, match=message):
            read(tmp_path, times, swapped)


def test_an_order_of_day_and_month_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"'03/13/2024 00:00' cannot be read day first.*leave out --dayfirst"):
        read(tmp_path, HOURS, "%m/%d/%Y %H:%M", dayfirst=True)
    with pytest.raises(InputError, match=r"cannot be read month first.*leave out --no-dayfirst"):
        read(tmp_path, HOURS, "%d/%m/%Y %H:%M", dayfirst=False)
    assert (read(tmp_path, HOURS, "%Y-%m-%d %H:%M", dayfirst=True).timestamps == HOURS).all()


UTC = np.datetime64("2024-10-26T20:00") + 10 * np.arange(60).astype("timedelta64[m]")
BERLIN = UTC + np.where(np.datetime64("2024-10-27T01:00") > UTC, 2, 1).astype("timedelta64[h]")


@pytest.mark.parametrize("step", [1, 6])
@pytest.mark.parametrize("newest_first", [False, True])
def test_the_hour_that_autumn_repeats_in_either_order(tmp_path, step, newest_first):
    clock = BERLIN[::step]
    series = read(tmp_path, clock[::-1] if newest_first else clock, "%d.%m.%Y %H:%M", timezone="Europe/Berlin")
    assert (series.timestamps == UTC[::step]).all() and series.length == len(clock)
    assert not any("autumn" in note or "averaged" in note for note in series.notes)


@pytest.mark.parametrize("step", [1, 6])
@pytest.mark.parametrize("alternating", [False, True])
def test_the_hour_that_autumn_repeats_in_long_tables(tmp_path, step, alternating):
    clock = BERLIN[::step].tolist()
    rows = [f"{t:%d.%m.%Y %H:%M};{name};{k % 17 + len(name)}" for name in ("a", "bb") for k, t in enumerate(clock)]
    rows = (
        [row for pair in zip(rows[: len(clock)], rows[len(clock) :], strict=True) for row in pair]
        if alternating
        else rows
    )
    path = tmp_path / "long.csv"
    path.write_text("\n".join(["time;sensor;v", *rows]) + "\n")
    series = load(path, options=ReadOptions(timezone="Europe/Berlin"), scoring=True)
    assert series.channels == ("a", "bb") and (series.timestamps == UTC[::step]).all()


def iso_duration(seconds):
    return f"P{seconds // 86_400}DT{seconds // 3600 % 24}H{seconds // 60 % 60}M{seconds % 60}S"


@pytest.mark.parametrize(
    "form",
    [iso_duration, lambda s: f"PT{s // 60}M", lambda s: f"PT{s}.000S", lambda s: f"{s // 3600}h {s // 60 % 60}m"],
)
def test_durations(tmp_path, form):
    path = tmp_path / "series.csv"
    path.write_text("\n".join(["time,v", *(f"{form(300 * k)},{k % 17}" for k in range(400))]) + "\n")
    series = load(path)
    assert series.channels == ("v",) and series.step == 300
    assert (series.elapsed == (300 * np.arange(400)).astype("timedelta64[s]")).all()
