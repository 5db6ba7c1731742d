"""Distances between true and generated windows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ape.evals.fidelity.alignment import alignment, windows_of
from ape.evals.oracle import oracle_bank
from ape.rules import RuleBank, broad_rule
from ape.rules.schema import ScalePrior


def test_closer_windows_are_harder_to_separate(instances, context):
    windows = windows_of(instances, context, seed=0)
    near = alignment(oracle_bank([instances[0].events[0].fault], context), windows, context, seed=0)
    far_rule = broad_rule("level_shift").model_copy(update={"scale": ScalePrior(low=8, high=12, unit="series_sd")})
    far = alignment(RuleBank(context=context, rules=[far_rule]), windows, context, seed=0)
    assert near["mmd"] < far["mmd"]
    same = alignment(None, replace(windows, other_normal=windows.true), context, seed=0)
    assert same["mmd"] == pytest.approx(0, abs=1e-6) and same["c2st"] < 0.6
    assert same["coverage"] == 1.0 and same["density"] >= 1.0
