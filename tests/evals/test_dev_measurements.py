"""Measurements on labelled development series: which are taken, what is kept, how tables sum up."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from ape.core.errors import InputError
from ape.evals import arms, backbones, posttraining
from ape.evals.cases import case, recording
from ape.evals.jobs import measure_all
from ape.rules import build_context, generic_bank


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Two series of one recording and one of another."""
    folder = tmp_path / "data" / "ucr"
    folder.mkdir(parents=True)
    names = ["001_DISTORTEDECG1", "002_ECG2", "003_insectEPG7"]
    for k, name in enumerate(names):
        values = np.sin(np.arange(900) / (4 + k)) + 0.05 * np.random.default_rng(k).normal(size=900)
        values[700:720] += 1
        np.savez(folder / f"{name}.npz", values=values, train_end=500)
    (folder / "index.csv").write_text("series,family,length,text\n" + "".join(f"{n},f,900,A wave.\n" for n in names))
    (folder / "labels.csv").write_text("series,begin,end\n" + "".join(f"{n},700,720\n" for n in names))
    monkeypatch.setenv("APE_DEV_DATA", str(folder.parent))
    return names


def square(name):
    return {"name": name, "square": int(name) ** 2}


def test_jobs_that_are_done_are_read_and_the_rest_is_measured(tmp_path):
    (tmp_path / "2.json").write_text(json.dumps({"name": "2", "square": -1}))
    assert [row["square"] for row in measure_all(["1", "2", "3"], square, tmp_path, 2)] == [1, -1, 9]
    assert json.loads((tmp_path / "3.json").read_text()) == {"name": "3", "square": 9}


@pytest.mark.parametrize("period", [10, 37, 120])
def test_period_of_the_protocol_is_that_of_a_wave(period):
    noise = 0.05 * np.random.default_rng(0).normal(size=3000)
    assert backbones.tsb_period(np.sin(2 * np.pi * np.arange(3000) / period) + noise) == pytest.approx(period, abs=1)


def test_series_without_a_period_get_the_protocols_usual_one():
    assert backbones.tsb_period(np.arange(1000.0)) == 125


def test_backbone_is_measured_by_both_scores(data):
    row = backbones.measure(f"donut--{data[1]}--0")
    assert (row["series"], row["model"], row["seed"]) == ("002_ECG2", "donut", 0)
    for metric in ("ap", "vus"):
        assert 0 < row[metric]["own"] <= 1 and 0 < row[metric]["smoothed"] <= 1
    assert row["ap"]["smoothed"] > 0.2  # one in twenty points is anomalous


def test_backbones_without_data_exit_with_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("APE_DEV_DATA", raising=False)
    monkeypatch.setattr("sys.argv", ["backbones", "--out", str(tmp_path)])
    assert backbones.main() == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_halves_hold_whole_recordings_and_leave_nothing_out(data):
    chosen = [posttraining.chosen_series(part) for part in ("tuning", "confirmation")]
    assert chosen == [("ucr", data[:2]), ("ucr", data[2:])]
    assert recording(data[0]) == recording(data[1]) == "ECG"


def test_strangers_are_the_training_parts_of_other_recordings(data):
    assert [len(values) for values in arms.strangers(data[0])] == [500]
    assert len(arms.strangers(data[2])) == 2


def test_the_bank_is_mined_before_any_arm_takes_its_time(data, tmp_path, monkeypatch):
    series, mined = case("ucr", data[0]).labelled.series, []
    bank = generic_bank(build_context(series, None))
    monkeypatch.setattr(arms.graphs, "mine", lambda *_given, **_options: mined.append(1) or bank)
    monkeypatch.setattr(arms.posttrain, "enhance", lambda _detector, used, *_rest, **_options: used)
    scene = arms.scene_of(case("ucr", data[0]), tmp_path / "banks", 0)
    assert mined == [1] and scene.arms()["mined bank"](None) == bank and mined == [1]
    assert set(arms.ARMS) - set(scene.arms()) == set(arms.OF_THE_BENCH)


def test_paired_difference_by_hand_and_drawn_by_recording():
    difference = pd.Series([0.1, 0.1, 0.1, -0.2], index=list("abcd"))
    found = posttraining.paired(difference, pd.Series(["x", "x", "x", "y"], index=list("abcd")))
    assert found["mean"] == pytest.approx(0.025)
    assert (found["better"], found["worse"]) == (3, 1)
    assert (found["low"], found["high"]) == pytest.approx((-0.2, 0.1))  # both draws of one recording


def test_missing_data_is_an_error_of_one_line(monkeypatch):
    monkeypatch.delenv("APE_DEV_DATA", raising=False)
    with pytest.raises(InputError, match="APE_DEV_DATA"):
        posttraining.chosen_series("tuning")


def test_series_without_an_anomaly_are_left_out_of_other_sets(data, tmp_path):
    folder = tmp_path / "data" / "nab"
    folder.mkdir()
    (folder / "index.csv").write_text("series,category,length,text\na,x,9,A\nb,x,9,B\n")
    (folder / "labels.csv").write_text("series,begin,end\nb,3,5\n")
    assert posttraining.chosen_series("nab") == ("nab", ["b"])


def test_a_series_of_the_bench_has_labels_a_text_and_an_oracle_but_no_sight_of_the_truth():
    found = case("bench", posttraining.chosen_series("bench")[1][0])
    labels, series = found.labelled.labels, found.labelled.series
    assert labels[: series.train_end].sum() == 0 < labels.sum()
    assert series.text and found.oracle is not None
    assert found.oracle(build_context(series)).rules
    assert recording("battery_cycles.internal_short") == "battery_cycles"


def test_an_arm_is_judged_by_its_parts_and_by_a_memory_of_its_space(data, tmp_path):
    (tmp_path / "banks").mkdir()
    found = posttraining.measure(tmp_path, "ucr", ["untrained"], f"vae--{data[0]}--0")
    row = found["arms"]["untrained"]
    assert {"fused", "heads", "without heads", "nearest", "memory", "with memory"} <= row.keys()
    assert all(0 < row[name]["ap"] <= 1 and row[name]["ucr"] in (0, 1) for name in ("fused", "memory", "residual"))
    assert row["fused"]["ap"] > 0.5  # chance is one in twenty
    kept = np.load(tmp_path / f"vae--{data[0]}--0.npz")
    assert kept["untrained.curves"].shape == (400, 9)
