"""Development data: labels are half-open and belong to one series; errors name the environment variable."""

from __future__ import annotations

import numpy as np
import pytest

from ape.core.errors import InputError
from ape.evals import devdata


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A set of two series; one has an event at [400, 420), and a third name has labels only."""
    folder = tmp_path / "data" / "ucr"
    folder.mkdir(parents=True)
    for name in ("wave", "quiet"):
        np.savez(folder / f"{name}.npz", values=np.sin(np.arange(500) / 4), train_end=300)
    (folder / "index.csv").write_text(
        "series,family,length,text\nwave,synthetic,500,A sine.\nquiet,synthetic,500,A sine.\n"
    )
    (folder / "labels.csv").write_text("series,begin,end\nother,0,5\nwave,400,420\n")
    monkeypatch.setenv("APE_DEV_DATA", str(folder.parent))
    return folder


def test_labels_are_half_open_and_of_one_series(folder):
    case = devdata.load_case("ucr", "wave")
    np.testing.assert_array_equal(np.flatnonzero(case.labels), np.arange(400, 420))
    assert (case.family, case.series.text, case.series.train_end) == ("synthetic", "A sine.", 300)


def test_series_without_an_anomaly_and_longer_series_are_left_out(folder):
    assert devdata.anomalous_series("ucr") == devdata.anomalous_series("ucr", longest=500) == ["wave"]
    assert devdata.anomalous_series("ucr", longest=499) == []


@pytest.mark.parametrize("value", ["", "nowhere/at/all"])
def test_missing_folder_is_an_error_that_names_the_variable(monkeypatch, value):
    monkeypatch.setenv("APE_DEV_DATA", value)
    with pytest.raises(InputError, match="set APE_DEV_DATA"):
        devdata.anomalous_series("ucr")


def plant(folder, text, measured, failures):
    """Write a set of one series of the fixture's kind with a manual."""
    folder.mkdir()
    np.savez(folder / "run.npz", values=np.sin(np.arange(500) / 4), train_end=300)
    (folder / "index.csv").write_text(f"series,family,length,text\nrun,plant,500,{text}\n")
    (folder / "labels.csv").write_text("series,begin,end,fault\nrun,400,420,the answer\n")
    (folder / "manual.txt").write_text(f"{measured}\n\nTypical failures\n{failures}\n")


def test_manuals_are_part_of_the_text_and_swap_their_failures(folder):
    plant(folder.parent / "skab", "A pump.", "Pressure in bar.", "The valve closes.")
    plant(folder.parent / "tep", "manual.txt", "Feed in kg.", "The feed changes.")
    pump, reactor = (devdata.load_case(data_set, "run") for data_set in ("skab", "tep"))
    assert pump.series.text == "A pump.\nPressure in bar.\nTypical failures\nThe valve closes."
    assert pump.other_text == "A pump.\nPressure in bar.\nTypical failures\nThe feed changes."
    assert reactor.series.text == "Feed in kg.\nTypical failures\nThe feed changes."
    assert reactor.other_text == "Feed in kg.\nTypical failures\nThe valve closes."
    assert "answer" not in pump.series.text + reactor.series.text


def test_sets_without_a_manual_have_no_other_text(folder):
    assert devdata.load_case("ucr", "wave").other_text is None


def test_channels_at_fault_are_known_where_the_labels_name_them(folder):
    servers = folder.parent / "asd"
    servers.mkdir()
    values = np.random.default_rng(0).normal(size=(300, 4)) * [1, 0, 1, 1]  # the constant channel is left out
    np.savez(servers / "one.npz", values=values, train_end=200, channels=["a", "b", "c", "d"])
    (servers / "index.csv").write_text("series,length,text\none,300,Servers.\n")
    (servers / "labels.csv").write_text(
        "series,begin,end,root_cause_channels\none,240,242,0 3\none,270,271,2\none,280,281,1\n"
    )
    case = devdata.load_case("asd", "one")
    assert np.argwhere(case.at_fault).tolist() == [[240, 0], [240, 2], [241, 0], [241, 2], [270, 1]]
    assert np.flatnonzero(case.labels).tolist() == [240, 241, 270, 280]
    assert devdata.load_case("ucr", "wave").at_fault is None


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("index.csv", None, "index.csv.*series, text, length"),
        ("index.csv", "", "cannot read it"),
        ("index.csv", "series,text\nwave,A sine.\n", "length"),
        ("index.csv", "series,length,text\nwave,500,A\nwave,500,A\n", "twice"),
        ("labels.csv", "series,begin,end\nwave,early,420\n", "labels.csv"),
    ],
)
def test_damaged_tables_are_named(folder, file, content, message):
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_text(content)
    with pytest.raises(InputError, match=message):
        devdata.load_case("ucr", "wave")


def test_missing_file_of_a_series_is_named(folder):
    (folder / "wave.npz").unlink()
    with pytest.raises(InputError, match="no file of the series 'wave'"):
        devdata.load_case("ucr", "wave")


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ("wave,420,400", "420 to 400"),
        ("wave,-5,10", "-5 to 10"),
        ("wave,490,501", "490 to 501"),
        ("wave,10.7,20", "cannot read it"),
        ("wave,,20", "cannot read it"),
    ],
)
def test_labels_outside_the_series_are_refused(folder, labels, named):
    (folder / "labels.csv").write_text(f"series,begin,end\n{labels}\n")
    with pytest.raises(InputError, match=named) as caught:
        devdata.load_case("ucr", "wave")
    assert caught.value.where.endswith("labels.csv")


def test_names_and_texts_are_read_as_they_are(folder):
    (folder / "wave.npz").rename(folder / "007.npz")
    (folder / "quiet.npz").rename(folder / "NA.npz")
    (folder / "index.csv").write_text("series,length,text\n007,500,\nNA,500,null\n")
    (folder / "labels.csv").write_text("series,begin,end\n007,400,420\nNA,400,420\n")
    assert devdata.anomalous_series("ucr") == ["007", "NA"]
    assert [devdata.load_case("ucr", name).series.text for name in ("007", "NA")] == ["", "null"]


def test_name_that_is_no_part_of_a_cells_name_is_refused(folder):
    (folder / "index.csv").write_text("series,length,text\na--b,500,\n")
    with pytest.raises(InputError, match="has '--'"):
        devdata.anomalous_series("ucr")


def test_set_without_the_other_plants_manual_has_no_other_text(folder):
    plant(folder.parent / "skab", "A pump.", "Pressure in bar.", "The valve closes.")
    case = devdata.load_case("skab", "run")
    assert "The valve closes." in case.series.text and case.other_text is None


def test_series_of_nab_without_a_text_is_refused(folder):
    folder.rename(folder.with_name("nab"))
    with pytest.raises(InputError, match="no text about 'wave'"):
        devdata.load_case("nab", "wave")


@pytest.mark.parametrize("channels", ["9", "-1", "a", " "])
def test_numbers_of_no_channel_are_refused(folder, channels):
    np.savez(folder / "wave.npz", values=np.random.default_rng(0).normal(size=(500, 2)), channels=["a", "b"])
    (folder / "labels.csv").write_text(f"series,begin,end,root_cause_channels\nwave,400,420,{channels}\n")
    with pytest.raises(InputError, match="no channels of 'wave'"):
        devdata.load_case("ucr", "wave")
    np.savez(folder / "wave.npz", values=np.random.default_rng(0).normal(size=(500, 2)))
    with pytest.raises(InputError, match="names no channels"):
        devdata.load_case("ucr", "wave")
