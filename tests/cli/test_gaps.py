"""A file with long gaps, from the command to the scores."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from support import short_training

from .conftest import run_here

STEP = pd.Timedelta("5min")
CUTS = 700, 720  # the stretch between them is shorter than a window


@pytest.fixture(scope="module")
def table():
    """A file of 1,200 rows, whose cycle starts again at the wrong phase after gaps of two hours and of four days."""
    skipped = np.zeros(1200)
    skipped[list(CUTS)] = 24, 1165
    step = np.arange(1200) + np.cumsum(skipped)
    noise = np.random.default_rng(0).normal(size=1200)
    values = np.sin(2 * np.pi * step / 50) + 0.05 * noise
    return pd.DataFrame({"timestamp": pd.Timestamp("2024-03-01") + step * STEP, "value": values.round(4)})


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gaps")
    table.to_csv(folder / "gap.csv", index=False)
    with short_training():
        done = run_here("run", folder / "gap.csv", "--out", folder / "run")
    assert done.code == 0, done.err
    return folder / "run"


@pytest.mark.extended
def test_scores_are_empty_in_short_stretches_and_low_at_gaps(run, table):
    scores = pd.read_csv(run / "scores.csv")
    assert len(scores) == len(table)
    for name in ("before", "after"):
        assert np.flatnonzero(scores[name].isna()).tolist() == list(range(*CUTS))
        near = scores[name][CUTS[0] - 60 : CUTS[1] + 60]
        assert near.max() <= 2 * scores[name].quantile(0.99)


@pytest.mark.extended
def test_results_are_strict_json_and_the_bank_knows_the_gaps(run):
    for path in run.glob("*.json"):
        json.loads(path.read_text(), parse_constant=pytest.fail)
    bank = json.loads((run / "bank.json").read_text())
    assert bank["context"]["gaps"] == [{"position": 700, "missing": 24}, {"position": 720, "missing": 1165}]
    assert "<img" in (run / "report.html").read_text()


def test_file_without_a_stretch_as_long_as_a_window_is_refused_in_one_line(table, tmp_path):
    step = np.arange(1200) + 30 * (np.arange(1200) // 25)
    table.assign(timestamp=pd.Timestamp("2024-03-01") + step * STEP).to_csv(tmp_path / "torn.csv", index=False)
    done = run_here("train", tmp_path / "torn.csv", "--out", tmp_path / "vae")
    assert done.code == 2 and len(done.err.strip().splitlines()) == 1, done.err
    assert "0 points in stretches of at least 32 between the long gaps" in done.err


@pytest.mark.extended
def test_a_run_says_which_sensor_stands_still_after_training(tmp_path):
    values = np.sin(np.arange(900) / 8).round(3)
    values[700:760] = values[700]
    pd.DataFrame({"v": values}).to_csv(tmp_path / "stuck.csv", index=False)
    with short_training():
        done = run_here("run", tmp_path / "stuck.csv", "--train-end", "600", "--out", tmp_path / "run")
    note = "channel 'v' stands still for 60 points from position 700: its values are scored as missing"
    assert done.code == 0 and note in done.out
    assert note.replace("'", "&#39;") in (tmp_path / "run" / "report.html").read_text()
