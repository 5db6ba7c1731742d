"""The context of a series with gaps."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support import with_gaps

from ape.core.errors import InputError
from ape.rules import RuleBank, build_context
from ape.series import from_array


def test_jumps_at_gaps_are_not_measured():
    noise = np.random.default_rng(0).normal(size=1000)
    values = noise + 100 * (np.arange(1000) // 50 % 2)
    series = from_array(values)
    cut_series = with_gaps(series, *range(50, 1000, 50))
    (whole,), (cut,) = (build_context(each).channels for each in (series, cut_series))
    assert whole.step > 50 and whole.activity_cuts[1] > 10
    assert cut.step < 5 and cut.activity_cuts[1] < 2 and cut.residual_scale < 2
    assert cut.limit_high == whole.limit_high


def test_period_is_that_of_the_longest_stretch():
    values = np.sin(2 * np.pi * np.r_[np.arange(400) / 25, np.arange(700) / 40])
    assert build_context(with_gaps(from_array(values), 400)).period == 40


def test_gaps_of_the_training_part_are_in_the_bank_and_survive_a_round_trip(tmp_path):
    series = from_array(np.sin(np.arange(600) / 8.0), train_end=500)
    bank = RuleBank(context=build_context(with_gaps(series, 200, 550, missing=30)))
    assert json.loads(bank.to_json())["context"]["gaps"] == [{"position": 200, "missing": 30}]
    bank.save(tmp_path / "bank.json")
    assert RuleBank.load(tmp_path / "bank.json").to_json() == bank.to_json()
    assert "gaps" not in json.loads(RuleBank(context=build_context(series)).to_json())["context"]


def test_training_part_without_two_neighbouring_points_is_refused():
    with pytest.raises(InputError, match="no stretch without missing values"):
        build_context(with_gaps(from_array(np.sin(np.arange(200.0))), *range(1, 200)))
