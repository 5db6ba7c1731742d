"""Loaders: file formats, and the errors for unusable files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ape.core.errors import InputError
from ape.series import from_dataframe, load

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


def test_column_can_be_selected(tmp_path):
    write(tmp_path / "a.csv", "a;b\n" + "\n".join(f"{v};{2 * v}" for v in WAVE))
    assert load(tmp_path / "a.csv", column="b").channels == ("b",)
    with pytest.raises(InputError, match="no numeric column 'c'"):
        load(tmp_path / "a.csv", column="c")


def test_csv_without_header(tmp_path):
    write(tmp_path / "a.csv", "\n".join(f"{v:.4f}" for v in WAVE))
    assert load(tmp_path / "a.csv").length == T


@pytest.mark.parametrize("separator", ["\n", " "])
def test_ucr_file_name_gives_only_train_end(tmp_path, separator):
    path = write(tmp_path / "001_UCR_Anomaly_thing_250_300_310.txt", separator.join(f"{v:.7e}" for v in WAVE))
    series = load(path)
    assert series.train_end == 250
    np.testing.assert_allclose(series.values[:, 0], WAVE, atol=1e-6)
    assert load(path, train_end=200).train_end == 200


def test_npz(tmp_path):
    np.savez(tmp_path / "a.npz", values=np.stack([WAVE, WAVE + 1], 1), train_end=150, channels=np.array(["x", "y"]))
    series = load(tmp_path / "a.npz")
    assert (series.train_end, series.channels) == (150, ("x", "y"))


def test_npz_with_pickled_objects_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", values=np.array([{"a": 1}] * T, dtype=object))
    with pytest.raises(InputError, match="not a readable NPZ"):
        load(tmp_path / "a.npz")


def test_dataframe_with_time_index():
    frame = pd.DataFrame({"v": WAVE}, index=pd.date_range("2024-01-01", periods=T, freq="min"))
    series = from_dataframe(frame)
    assert series.channels == ("v",) and series.timestamps is not None


@pytest.mark.parametrize(
    ("name", "text", "message"),
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
def test_bad_files_are_refused(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        load(write(tmp_path / name, text))


def test_missing_file_is_refused():
    with pytest.raises(InputError, match="no such file"):
        load("nowhere.csv")


def test_example_series_of_aeon():
    pytest.importorskip("aeon")
    series = load("example:internal-bleeding")
    assert (series.length, series.train_end, series.n_channels) == (7501, 1200, 1)
    assert series.text
