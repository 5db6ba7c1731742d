"""Judging a finished run by events from the command line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ape.core.errors import InputError
from ape.evals import judge
from ape.runs.folder import Request, Run

LENGTH, TRAIN_END = 500, 300


@pytest.fixture
def run(tmp_path):
    data = tmp_path / "wave.npz"
    np.savez(data, values=np.sin(np.arange(LENGTH) / 4), train_end=TRAIN_END)
    request = Request("run", str(data))
    return Run.create(tmp_path / "run", request, request.load()).folder


def test_scores_are_judged_on_the_part_after_training(run, monkeypatch, capsys):
    before, after = np.zeros(LENGTH), np.zeros(LENGTH)
    before[[100, 410]] = 2.0, 1.0  # the peak in the training part does not count
    after[[350, 410]] = 2.0, 1.0
    pd.DataFrame({"before": before, "after": after}).to_csv(run / "scores.csv")
    assert judge.judge(run, [(410, 411)]) == {"before": 1.0, "after": 0.5}
    monkeypatch.setattr("sys.argv", ["judge", str(run), "--event", "410", "411"])
    assert judge.main() == 0
    assert capsys.readouterr().out == "before\taverage precision 1.000\nafter\taverage precision 0.500\n"


def test_event_without_a_score_is_missed(run):
    after = np.arange(LENGTH, dtype=float)
    after[400:420] = np.nan
    pd.DataFrame({"before": np.zeros(LENGTH), "after": after}).to_csv(run / "scores.csv")
    precision = judge.judge(run, [(410, 411), (499, 500)])["after"]
    assert precision == pytest.approx((1 / 1 + 2 / 200) / 2)  # the second is found only when all points are flagged


def test_unfinished_run_is_refused(run):
    with pytest.raises(InputError, match="no scores yet"):
        judge.judge(run, [(410, 411)])
