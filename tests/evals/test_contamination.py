"""Anomalies planted into training parts: how many, where, and what is measured of filters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ape.detectors.training import Budget
from ape.evals import contamination
from ape.evals.devdata import labelled
from ape.posttrain.memory import Memory

WINDOW = 50


@pytest.fixture
def name(tmp_path, monkeypatch):
    """A labelled series with a training part of 1500 points."""
    folder = tmp_path / "data" / "ucr"
    folder.mkdir(parents=True)
    values = np.sin(2 * np.pi * np.arange(2000) / WINDOW) + 0.05 * np.random.default_rng(0).normal(size=2000)
    values[1800:1830] += 1
    np.savez(folder / "001_ECG1.npz", values=values, train_end=1500)
    (folder / "index.csv").write_text("series,family,length,text\n001_ECG1,f,2000,A wave.\n")
    (folder / "labels.csv").write_text("series,begin,end\n001_ECG1,1800,1830\n")
    monkeypatch.setenv("APE_DEV_DATA", str(folder.parent))
    return "001_ECG1"


def inside(spans, length):
    told = np.zeros(length, dtype=bool)
    for begin, end in spans:
        told[begin:end] = True
    return told


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1])
def test_pseudo_anomalies_change_what_is_told_and_nothing_else(name, share):
    clean, case = contamination.pseudo(labelled("ucr", name), 0.0), contamination.pseudo(labelled("ucr", name), share)
    changed = (clean.series.values != case.series.values).any(1)
    told = inside(case.planted, len(changed))
    assert not changed[~told].any() and not told[1500:].any()
    assert share <= told[:1500].mean() < share + 0.03
    assert changed.sum() > 0.5 * told.sum()
    np.testing.assert_array_equal(clean.labels, case.labels)
    assert clean.planted == []


def test_faults_come_into_the_training_part_and_the_test_part_stays(monkeypatch):
    monkeypatch.setattr(contamination, "LENGTH", 4000)
    clean, case = (contamination.simulated("power_demand", "meter_freeze", share) for share in (0.0, 0.05))
    end = case.series.train_end
    changed = (clean.series.values != case.series.values).any(1)
    assert changed.any() and not changed[~inside(case.planted, len(changed))].any()
    assert 0.05 <= inside(case.planted, len(changed))[:end].mean() < 0.1
    assert case.labels[end:].any() and not case.labels[:end].any()
    np.testing.assert_array_equal(clean.labels, case.labels)


def test_windows_that_hold_half_of_an_anomaly_or_are_half_anomaly_count():
    case = contamination.Case(series=None, planted=[(10, 14), (100, 200)], labels=np.zeros(0))
    starts = np.array([2, 3, 12, 14, 94, 95, 200])
    held, clean = contamination.contaminated(case, starts, 10)
    assert held.tolist() == [True, True, True, False, False, True, False]
    assert clean.tolist() == [False, False, False, True, False, False, True]


def test_perfect_filter_leaves_out_all_that_holds_a_planted_point(name):
    case = contamination.pseudo(labelled("ucr", name), 0.05)
    starts = np.arange(0, 1500 - WINDOW)
    memory = Memory.build(case.series.train, starts, WINDOW, torch.zeros(1), torch.ones(1))
    told = inside(case.planted, 1500)
    expected = [told[at : at + WINDOW].any() for at in starts]
    assert contamination.perfect(case)(memory, True).tolist() == expected
    assert not contamination.nothing(memory, True).any()


def test_measured_figures_are_shares_and_the_tables_sum_them_up(name):
    results = [contamination.measure(f"{name}--{share}") for share in (0, 5)]
    clean, planted = (result["filters"]["filter"] for result in results)
    assert clean["contaminated"] == 0 and clean["recall"] is None and clean["clean_lost"] < 0.05
    assert planted["contaminated"] > 0.05 and planted["recall"] > 0.2 and planted["precision"] > 0.8
    text = contamination.tables(results)
    assert "pseudo-anomalies" in text and f"{planted['recall']:.3f}" in text


def test_post_training_is_judged_with_every_filter(name, monkeypatch):
    from ape import posttrain
    from ape.detectors.registry import BACKBONES

    asked = []
    monkeypatch.setitem(BACKBONES, "vae", replace(BACKBONES["vae"], budget=Budget(steps=5)))
    monkeypatch.setattr(posttrain, "enhance", lambda detector, *_, suspect: given(asked, detector, suspect))
    case = contamination.pseudo(labelled("ucr", name), 0.05)
    figures = contamination.post_trained(case)
    assert list(figures) == ["before", "filter", "no filter", "perfect filter"]
    assert asked[0] is contamination.unlike_others and len(set(asked)) == 3
    assert len(set(figures.values())) == 1 and 0 < figures["before"] <= 1


def given(asked, detector, suspect):
    """An enhancement that changes nothing."""
    from ape.posttrain import Enhancement

    asked.append(suspect)
    return Enhancement(detector, {}, False)


def test_measurement_without_data_exits_with_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("APE_DEV_DATA", raising=False)
    monkeypatch.setattr("sys.argv", ["contamination", "--out", str(tmp_path)])
    assert contamination.main() == 2
    assert capsys.readouterr().err.count("\n") == 1
