"""Long tables: rows of several series become channels or are refused; they never follow one another as one series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ape.core.errors import InputError
from ape.series import ReadOptions, from_dataframe, load
from ape.series.reading.frames import table_of_frame
from ape.series.reading.long_tables import names_of_series
from ape.series.reading.series_keys import find_keys, keys_named
from ape.series.requirements import Requirements

T = 200
ROWS = np.arange(T)
WAVE = np.round(np.sin(ROWS / 7), 4)
TIMES = pd.date_range("2024-03-04", periods=T, freq="10min")
PAIRS = [("s1", "t"), ("s1", "h"), ("s2", "t"), ("s2", "h")]


def long(keys, names, times=TIMES, interleaved=False):
    """Return a long table with one series for each key; series ``k`` has the values ``WAVE + k``."""
    parts = []
    for k, key in enumerate(keys):
        words = key if isinstance(key, tuple) else (key,)
        part = pd.DataFrame({"time": times, **dict(zip(names, words, strict=True)), "value": WAVE[: len(times)] + k})
        parts.append(part.assign(row=np.arange(len(part))))
    frame = pd.concat(parts, ignore_index=True)
    return (frame.sort_values(["row"], kind="stable") if interleaved else frame).drop(columns="row")


def read(tmp_path, frame, column=None, **options):
    frame.to_csv(tmp_path / "long.csv", index=False)
    return load(tmp_path / "long.csv", column=column, options=ReadOptions(**options))


def values_of(series):
    return dict(zip(series.channels, series.exact.T, strict=True))


@pytest.mark.parametrize("interleaved", [False, True])
def test_two_columns_may_name_the_series_together(tmp_path, interleaved):
    series = read(tmp_path, long(PAIRS, ["site", "metric"], interleaved=interleaved))
    assert series.channels == ("s1/t", "s1/h", "s2/t", "s2/h")
    np.testing.assert_allclose(series.exact, WAVE[:, None] + np.arange(4), atol=1e-6)
    assert (series.timestamps == TIMES.to_numpy()).all()
    assert "a long table: the 4 series of columns 'site/metric' are the channels" in series.notes


def test_frames_and_parquet_have_two_keys_too(tmp_path):
    frame = long(PAIRS, ["site", "metric"])
    indexed = frame.set_index(["site", "metric", "time"])
    frame.to_parquet(tmp_path / "long.parquet")
    for series in (from_dataframe(frame), from_dataframe(indexed), load(tmp_path / "long.parquet")):
        assert series.channels == ("s1/t", "s1/h", "s2/t", "s2/h")


def test_series_column_names_one_or_several_columns(tmp_path):
    frame = long(PAIRS, ["site", "metric"])
    assert read(tmp_path, frame, series_column="metric/site").channels == ("t/s1", "h/s1", "t/s2", "h/s2")
    assert read(tmp_path, frame, series_column="metric").channels == ("t/s1", "h/s1", "t/s2", "h/s2")
    one = read(tmp_path, frame, series_column="site/metric=s2/t")
    assert one.channels == ("value",) and np.allclose(one.exact[:, 0], WAVE + 2, atol=1e-6)
    both = read(tmp_path, frame, series_column="metric=h")
    assert both.channels == ("s1", "s2") and np.allclose(both.exact, WAVE[:, None] + [1, 3], atol=1e-6)
    with pytest.raises(InputError, match=r"no series 's3/t' in column 'site/metric'.*give one of s1/t, s1/h"):
        read(tmp_path, frame, series_column="site/metric=s3/t")
    with pytest.raises(InputError, match="no column 'site/place'"):
        read(tmp_path, frame, series_column="site/place")


def test_each_series_of_two_columns_can_be_listed():
    table = table_of_frame(long(PAIRS, ["site", "metric"]), "")
    assert names_of_series(table, "site/metric", "") == ["s1/t", "s1/h", "s2/t", "s2/h"]
    assert names_of_series(table, "metric", "") == ["t", "h"]


def test_names_of_columns_may_have_signs():
    columns = {"a/b": None, "c=d": None, "e": None}
    assert keys_named(columns, "a/b=x", "").columns == ("a/b",) and keys_named(columns, "a/b=x", "").value == "x"
    assert keys_named(columns, "c=d", "").columns == ("c=d",) and keys_named(columns, "c=d", "").value is None


def test_three_columns_may_name_the_series_together(tmp_path):
    names = ["site", "metric", "band"]
    frame = long([("a", "x", "low"), ("a", "x", "high"), ("a", "y", "low"), ("b", "x", "low")], names)
    assert read(tmp_path, frame).channels == ("a/x/low", "a/x/high", "a/y/low", "b/x/low")
    short = frame.drop(index=[*range(2 * T + 140, 3 * T), *range(3 * T + 140, 4 * T)])
    with pytest.raises(InputError, match=r"4 series with different times.*--series-column site/metric/band=a/x/low"):
        read(tmp_path, short)
    assert read(tmp_path, short, series_column="site/metric/band").channels == (
        "a/x/low",
        "a/x/high",
        "a/y/low",
        "b/x/low",
    )


@pytest.mark.parametrize("name", ["Node", "TurbID", "unit_nr", "Messstelle"])
def test_numbers_may_name_the_series(tmp_path, name):
    series = read(tmp_path, long([101, 102, 103], [name]))
    assert series.channels == ("101", "102", "103")
    np.testing.assert_allclose(series.exact, WAVE[:, None] + np.arange(3), atol=1e-6)


def test_numbers_that_may_be_parts_of_the_time_are_refused(tmp_path):
    days = pd.date_range("2024-03-04", periods=T)
    frame = long([1, 2, 3], ["period"], days, interleaved=True)
    with pytest.raises(InputError, match=r"column 'period' tell their rows apart.*--series-column period") as caught:
        read(tmp_path, frame)
    assert "\n" not in str(caught.value)
    assert read(tmp_path, frame, series_column="period").channels == ("1", "2", "3")


def test_coarse_times_with_words_and_states_are_one_series(tmp_path):
    frame = pd.DataFrame({"time": np.repeat(TIMES, 6), "value": np.resize(WAVE, 6 * T)})
    frame["mode"] = np.where(np.arange(6 * T) % 50 < 30, "run", "stop")
    frame["pump"] = np.arange(6 * T) // 7 % 2
    series = read(tmp_path, frame)
    assert series.length == 6 * T and series.channels == ("value", "pump") and series.timestamps is None


@pytest.mark.parametrize("name", ["sensor", "Anlage"])
def test_series_with_other_times_one_after_the_other_are_refused(tmp_path, name):
    later = long(["b"], [name], TIMES + pd.Timedelta(minutes=3))
    frame = pd.concat([long(["a"], [name]), later], ignore_index=True)
    with pytest.raises(InputError, match=f"'{name}' names 2 series with different times.*--series-column {name}=a"):
        read(tmp_path, frame)
    one = read(tmp_path, frame, series_column=f"{name}=b")
    assert one.length == T and str(one.timestamps[0]).startswith("2024-03-04T00:03")


def test_parts_of_one_series_in_another_order_are_one_series(tmp_path):
    frame = long(["new"], ["file"])
    frame.loc[100:, "file"] = "old"
    series = read(tmp_path, pd.concat([frame[100:], frame[:100]], ignore_index=True))
    assert series.channels == ("value",) and np.allclose(series.exact[:, 0], WAVE, atol=1e-6)


def test_series_of_words_are_left_out(tmp_path):
    frame = long(["temp", "mode"], ["entity"], interleaved=True)
    frame["value"] = np.where(frame["entity"] == "mode", "auto", frame["value"].astype(str))
    series = read(tmp_path, frame.rename(columns={"value": "state"}))
    assert series.channels == ("temp",) and np.allclose(series.exact[:, 0], WAVE, atol=1e-6)
    assert "series 'mode' has no numbers and was left out" in series.notes


def test_numbers_that_describe_the_series_are_left_out(tmp_path):
    frame = long(["a", "b"], ["id"], interleaved=True)
    frame["table"] = (frame["id"] == "b").astype(int)
    series = read(tmp_path, frame)
    assert series.channels == ("a", "b") and series.reading.left_out == ("table (describes the series)",)


def test_channels_of_training_stay_though_they_stand_still_later():
    frame = long(["a", "b"], ["id"]).assign(w=np.tile(WAVE, 2))
    required = Requirements.of(from_dataframe(frame))
    dead = from_dataframe(frame.assign(w=0.5), required=required, scoring=True)
    assert dead.channels == ("a value", "a w", "b value", "b w") and np.allclose(dead.exact[:, [1, 3]], 0.5)


def test_rows_without_the_name_of_a_series_are_refused(tmp_path):
    frame = long(["a", "b"], ["id"])
    frame.loc[[20, 30], "id"] = None
    with pytest.raises(InputError, match=r"2 rows without the name of a series.*row 21 of the values"):
        read(tmp_path, frame)


def test_states_that_mean_missing_in_a_series_of_numbers(tmp_path):
    frame = long(["temp", "switch"], ["entity_id"], interleaved=True).rename(columns={"value": "state"})
    frame["state"] = np.where(frame["entity_id"] == "switch", "on", frame["state"].astype(str))
    frame.iloc[20, 2] = "unavailable"
    series = read(tmp_path, frame)
    expected = np.where(ROWS == 10, (WAVE[9] + WAVE[11]) / 2, WAVE)
    assert series.channels == ("temp",) and np.allclose(series.exact[:, 0], expected, atol=1e-6)


def test_text_in_a_series_of_numbers_is_refused(tmp_path):
    frame = long(["temp", "mode"], ["entity"], interleaved=True).astype({"value": str})
    frame.iloc[10, 2] = "oops"
    with pytest.raises(InputError, match="text 'oops' in a number column"):
        read(tmp_path, frame)


# Times that restart in each series


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize(("name", "step"), [("Time (s)", 0.5), ("time", None), ("cycle", None)])
def test_elapsed_times_of_each_series(tmp_path, name, step, interleaved):
    counts = ROWS + 1 if step is None else ROWS * step
    frame = long(["a", "b"], ["id"], counts, interleaved).rename(columns={"time": name})
    series = read(tmp_path, frame)
    assert series.channels == ("a", "b") and series.length == T and series.step == step
    np.testing.assert_allclose(series.exact, WAVE[:, None] + [0, 1], atol=1e-6)
    one = read(tmp_path, frame, series_column="id=b")
    assert one.length == T and one.step == step and np.allclose(values_of(one)["value"], WAVE + 1, atol=1e-6)


def test_runs_of_different_lengths_are_refused_with_the_option(tmp_path):
    parts = [pd.DataFrame({"unit": k, "cycle": ROWS[: T - 20 * k] + 1, "v": WAVE[: T - 20 * k]}) for k in (1, 2, 3)]
    frame = pd.concat(parts, ignore_index=True)
    with pytest.raises(InputError, match=r"'unit' names 3 series with different times.*--series-column unit=1"):
        read(tmp_path, frame)
    frame.to_csv(tmp_path / "plain.txt", sep=" ", header=False, index=False)
    with pytest.raises(InputError, match="--series-column channel0=1"):
        load(tmp_path / "plain.txt")
    one = load(tmp_path / "plain.txt", options=ReadOptions(series_column="channel0=2"))
    assert one.length == T - 40


def test_series_without_times_are_refused_with_the_option(tmp_path):
    frame = long(["a", "b"], ["id"]).drop(columns="time")
    with pytest.raises(InputError, match=r"'id' names 2 series and has no times.*--series-column id=a$"):
        read(tmp_path, frame)
    assert np.allclose(read(tmp_path, frame, series_column="id=b").exact[:, 0], WAVE + 1, atol=1e-6)


@pytest.mark.parametrize(("part", "count"), [("cycle", "time"), ("batch", "Time (s)"), ("epoch", "step")])
def test_parts_of_one_series_that_are_numbered_follow_one_another(tmp_path, part, count):
    frame = pd.DataFrame({part: np.arange(400) // 100, count: np.arange(400) % 100, "v": np.resize(WAVE, 400)})
    series = read(tmp_path, frame, column=["v"])
    assert series.length == 400 and np.allclose(series.exact[:, 0], np.resize(WAVE, 400), atol=1e-6)


def test_hours_of_days_are_no_series(tmp_path):
    frame = pd.DataFrame({"day": np.arange(240) // 24 + 1, "time": np.arange(240) % 24, "v": np.resize(WAVE, 240)})
    series = read(tmp_path, frame)
    assert "v" in series.channels and series.length == 240


def test_a_column_that_is_asked_for_is_no_name():
    columns = {"node": pa.chunked_array([np.repeat([1, 2], T)]), "value": pa.chunked_array([np.tile(WAVE, 2)])}
    stamps = np.tile(TIMES.to_numpy(), 2)
    assert find_keys(columns, stamps, None, "").columns == ("node",)
    assert find_keys(columns, stamps, ["node"], "") is None


@pytest.mark.parametrize("names", [(1, 2, 3), ("a", "b", "c")])
@pytest.mark.parametrize("column", ["sensor", "id"])
def test_elapsed_days_that_restart_pass_no_midnight(tmp_path, names, column):
    times = [f"0 days {k // 12:02d}:{5 * k % 60:02d}:00" for k in range(280)]
    rows = [f"{time},{name},{k % 17}" for name in names for k, time in enumerate(times)]
    path = tmp_path / "long.csv"
    path.write_text("\n".join([f"timestamp,{column},value", *rows]) + "\n")
    series = load(path)
    assert series.channels == tuple(map(str, names)) and series.step == 300
    assert series.values[:, 2].tolist() == [k % 17 for k in range(280)]


@pytest.mark.parametrize("turns", [False, True])
def test_numbered_sensors_without_times_are_refused(tmp_path, turns):
    rows = [f"{1 + (k % 3 if turns else k // 100)},{k % 17}" for k in range(300)]
    path = tmp_path / "long.csv"
    path.write_text("\n".join(["sensor,value", *rows]) + "\n")
    with pytest.raises(InputError, match=r"'sensor' names 3 series and has no times.*--series-column sensor=1"):
        load(path)
    assert load(path, column=["sensor", "value"]).length == 300
