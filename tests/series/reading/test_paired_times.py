"""Tables in which each channel has its own times beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ape.core.errors import InputError
from ape.series import ReadOptions, load

T = 200
WAVE = np.round(np.sin(np.arange(T) / 7), 4)
TIMES = pd.date_range("2024-03-04", periods=T, freq="10min")
SECONDS = np.arange(T) * 0.5


def read(tmp_path, header, columns, column=None, **options):
    rows = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return load(path, column=column, options=ReadOptions(**options))


HEADERS = ["Time A,A,Time B,B", "Timestamp,Tag1,Timestamp,Tag2", "t1,v1,t2,v2", "A time,A,B time,B"]


@pytest.mark.parametrize("header", HEADERS)
def test_pairs_with_the_same_times_are_channels(tmp_path, header):
    series = read(tmp_path, header, [TIMES, WAVE, TIMES, WAVE + 1])
    assert series.channels == tuple(header.split(",")[1::2])
    np.testing.assert_allclose(series.exact, WAVE[:, None] + [0, 1], atol=1e-6)


@pytest.mark.parametrize("header", HEADERS)
def test_pairs_with_other_times_are_refused(tmp_path, header):
    later = TIMES + pd.Timedelta(minutes=3)
    with pytest.raises(InputError, match=r"have different times.*--column"):
        read(tmp_path, header, [TIMES, WAVE, later, WAVE + 1])
    one, two = header.split(",")[1::2]
    with pytest.raises(InputError, match="have different times"):
        read(tmp_path, header, [TIMES, WAVE, later, WAVE + 1], column=[two])
    series = read(tmp_path, header, [TIMES, WAVE, later, WAVE + 1], column=[one])
    assert series.channels == (one,) and np.allclose(series.exact[:, 0], WAVE, atol=1e-6)


def test_pairs_that_end_earlier_are_refused(tmp_path):
    short = [str(time) if k < T // 2 else "" for k, time in enumerate(TIMES[:T] + pd.Timedelta(minutes=5))]
    values = [str(value) if k < T // 2 else "" for k, value in enumerate(WAVE)]
    with pytest.raises(InputError, match="'Time A' and 'Time B' have different times"):
        read(tmp_path, "Time A,A,Time B,B", [TIMES, WAVE, short, values])


def test_pairs_of_elapsed_times(tmp_path):
    header = "Time (s),A,Time (s),B"
    assert read(tmp_path, header, [SECONDS, WAVE, SECONDS, WAVE]).channels == ("A", "B")
    with pytest.raises(InputError, match="have different times"):
        read(tmp_path, header, [SECONDS, WAVE, SECONDS * 2, WAVE])


@pytest.mark.parametrize("header", ["start_time,v,end_time,u", "timestamp,v,received_at,battery"])
def test_other_times_beside_the_times_are_left_out(tmp_path, header):
    series = read(tmp_path, header, [TIMES, WAVE, TIMES + pd.Timedelta(minutes=3), -WAVE])
    assert series.channels == tuple(header.split(",")[1::2]) and (series.timestamps == TIMES.to_numpy()).all()


def test_numbers_are_no_names_of_times(tmp_path):
    times = pd.date_range("2024-03-01", periods=200, freq="5min")
    values = np.arange(600.0).reshape(200, 3) % 7 + 0.25
    pd.DataFrame(values, index=times).to_csv(tmp_path / "frame.csv")
    series = load(tmp_path / "frame.csv")
    assert series.channels == ("0", "1", "2")
    np.testing.assert_array_equal(series.values, values)
