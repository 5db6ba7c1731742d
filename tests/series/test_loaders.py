"""Loading: what comes in, what is filled, what is refused and how it is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ape.core.errors import InputError
from ape.series import from_array, from_dataframe, load

T = 400
WAVE = np.sin(np.arange(T) / 7.0)


def write(path, text):
    path.write_text(text)
    return path


def csv(path, values=WAVE, header="value"):
    return write(path, header + "\n" + "\n".join(f"{v:.6f}" for v in values) + "\n")


def test_csv_with_times_and_labels(tmp_path):
    frame = pd.DataFrame(
        {"timestamp": pd.date_range("2024-01-01", periods=T, freq="h"), "load": WAVE, "flow": WAVE**2, "is_anomaly": 0}
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    series = load(tmp_path / "a.csv", train_end=200)
    assert series.channels == ("load", "flow")
    assert series.values.dtype == np.float32 and series.values.shape == (T, 2)
    assert series.timestamps is not None and series.timestamps[1] - series.timestamps[0] == np.timedelta64(1, "h")
    assert any("is_anomaly" in note for note in series.notes)
    assert series.train.shape == (200, 2)


def test_column_is_chosen(tmp_path):
    write(tmp_path / "a.csv", "a;b\n" + "\n".join(f"{v};{2 * v}" for v in WAVE))
    assert load(tmp_path / "a.csv", column="b").channels == ("b",)
    with pytest.raises(InputError, match="no numeric column 'c'"):
        load(tmp_path / "a.csv", column="c")


def test_csv_without_header(tmp_path):
    write(tmp_path / "a.csv", "\n".join(f"{v:.4f}" for v in WAVE))
    assert load(tmp_path / "a.csv").length == T


@pytest.mark.parametrize("separator", ["\n", " "])
def test_ucr_text_takes_train_end_and_nothing_else_from_its_name(tmp_path, separator):
    path = write(tmp_path / "001_UCR_Anomaly_thing_250_300_310.txt", separator.join(f"{v:.7e}" for v in WAVE))
    series = load(path)
    assert series.train_end == 250
    np.testing.assert_allclose(series.values[:, 0], WAVE, atol=1e-6)
    assert load(path, train_end=200).train_end == 200


def test_npz(tmp_path):
    np.savez(tmp_path / "a.npz", values=np.stack([WAVE, WAVE + 1], 1), train_end=150, channels=np.array(["x", "y"]))
    series = load(tmp_path / "a.npz")
    assert (series.train_end, series.channels) == (150, ("x", "y"))


def test_npz_never_unpickles(tmp_path):
    np.savez(tmp_path / "a.npz", values=np.array([{"a": 1}] * T, dtype=object))
    with pytest.raises(InputError, match="not a readable NPZ"):
        load(tmp_path / "a.npz")


def test_dataframe_with_time_index():
    frame = pd.DataFrame({"v": WAVE}, index=pd.date_range("2024-01-01", periods=T, freq="min"))
    series = from_dataframe(frame)
    assert series.channels == ("v",) and series.timestamps is not None


def test_short_gaps_are_filled_and_told():
    values = WAVE.copy()
    values[50:55] = np.nan
    series = from_array(values)
    assert np.isfinite(series.values).all()
    assert "5 missing values" in series.notes[0]
    expected = np.interp(52, [49, 55], [WAVE[49], WAVE[55]])
    assert series.values[52, 0] == pytest.approx(expected, abs=1e-6)


def test_constant_channel_among_others_is_left_out():
    series = from_array(np.stack([WAVE, np.ones(T)], 1), channels=["a", "b"])
    assert series.channels == ("a",)
    assert "'b' is constant" in series.notes[0]


def broken(position, value):
    values = WAVE.copy()
    values[position] = value
    return values


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        (broken(slice(50, 80), np.nan), {}, "gap of 30 missing values .*position 50"),
        (broken(17, np.inf), {}, "infinite value .*position 17"),
        (np.full(T, 3.0), {}, "constant"),
        (np.concatenate([np.ones(200), WAVE]), {"train_end": 150}, "training part is constant"),
        (WAVE[:50], {}, "50 points are too few"),
        (WAVE, {"train_end": T + 1}, "train_end 401 is out of range"),
        (WAVE, {"train_end": -5}, "train_end -5 is out of range"),
        (WAVE.astype(str), {}, "not numbers"),
        (WAVE.reshape(2, 2, 100), {}, "shape"),
        (np.full(T, np.nan), {}, "gap of 400"),
        (WAVE * 1e38, {}, "beyond"),
    ],
)
def test_bad_values_are_refused_with_their_place(values, options, said):
    with pytest.raises(InputError, match=said) as caught:
        from_array(values, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "", "empty"),
        ("a.csv", "value\n", "no rows"),
        ("a.csv", "value\n" + "1\n" * 50 + "oops\n" + "2\n" * 100, "text 'oops'.*row 52"),
        ("a.txt", "1 2 three 4", "text 'three'.*value 3"),
        ("a.npz", "not a zip", "not a readable NPZ"),
        ("a.xlsx", "x", "cannot read"),
        ("a.csv", "time,v\nyesterday,1\n" + "2024-01-01,2\n" * 200, "unreadable time 'yesterday'"),
    ],
)
def test_bad_files_are_refused(tmp_path, name, text, said):
    with pytest.raises(InputError, match=said):
        load(write(tmp_path / name, text))


def test_missing_file():
    with pytest.raises(InputError, match="no such file"):
        load("nowhere.csv")


def test_fingerprint_tells_series_apart():
    assert from_array(WAVE).fingerprint == from_array(WAVE.copy()).fingerprint
    assert from_array(WAVE).fingerprint != from_array(WAVE, train_end=200).fingerprint
    assert from_array(WAVE).fingerprint != from_array(WAVE + 1e-3).fingerprint


def test_example_from_an_installed_package():
    pytest.importorskip("aeon")
    series = load("example:internal-bleeding")
    assert (series.length, series.train_end, series.n_channels) == (7501, 1200, 1)
    assert series.text
