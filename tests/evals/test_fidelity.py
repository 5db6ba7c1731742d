"""Fidelity: figures that a bank written from the truth gets, and that a bank of something else does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ape.evals.fidelity import alignment, oracle_bank, semantics, tables, windows_of
from ape.evals.timeanomalybench import SCENARIOS, make
from ape.rules import RuleBank, build_context, generic_rule
from ape.rules.schema import ContextualPrior, DurationPrior, Range, ScalePrior
from ape.series import from_array


@pytest.fixture(scope="module")
def runs():
    return [make(SCENARIOS["stirred_reactor"], "thermocouple_noise", seed, events=3) for seed in range(3)]


@pytest.fixture(scope="module")
def context(runs):
    first = runs[0]
    return build_context(from_array(first.twin, list(first.scenario.units), first.train_end))


def test_an_oracle_bank_hits_everything(runs, context):
    figures = semantics(oracle_bank(runs[0], context), runs[0])
    assert figures["mechanism@1"] == figures["morphology@1"] == figures["duration"] == figures["context"] == 1.0


def test_an_empty_bank_hits_nothing(runs, context):
    assert set(semantics(RuleBank(context=context), runs[0]).values()) == {0.0}


def test_hits_are_counted_by_weight(runs, context):
    wrong = [generic_rule(name).model_copy(update={"weight": 2.0}) for name in ("level_shift", "time_reverse")]
    bank = RuleBank(context=context, rules=[generic_rule("noise_burst"), *wrong])
    figures = semantics(bank, runs[0])
    assert figures["mechanism@1"] == 0.0 and figures["mechanism@3"] == figures["morphology@3"] == 1.0


def test_priors_that_miss_the_truth_are_told(runs, context):
    effect = runs[0].peak_effect
    rule = generic_rule("noise_burst")

    def judged(**changes):
        return semantics(RuleBank(context=context, rules=[rule.model_copy(update=changes)]), runs[0])

    assert judged(scale=ScalePrior(low=3 * effect, high=9 * effect, unit="series_sd"))["scale"] == 0.0
    assert judged(scale=ScalePrior(low=0.01, high=9 * effect, unit="series_sd"))["scale"] == 1.0
    assert judged(duration=DurationPrior(low=1, high=2, unit="samples"))["duration"] == 0.0
    never = ContextualPrior(after_change=Range(low=1e9, high=2e9))
    assert judged(context=never)["context"] == 0.0


def test_true_windows_are_told_from_others_less_the_closer_these_are(runs, context):
    windows = windows_of(runs, context, seed=0)
    near = alignment(oracle_bank(runs[0], context), windows, context, seed=0)
    far_rule = generic_rule("level_shift").model_copy(update={"scale": ScalePrior(low=8, high=12, unit="series_sd")})
    far = alignment(RuleBank(context=context, rules=[far_rule]), windows, context, seed=0)
    assert near["mmd"] < far["mmd"]
    itself = replace(windows, other_normal=windows.true)
    same = alignment(None, itself, context, seed=0)
    assert same["mmd"] == pytest.approx(0, abs=1e-6) and same["c2st"] < 0.6
    assert same["coverage"] == 1.0 and same["density"] >= 1.0


def test_tables_tell_means_and_intervals():
    rows = pd.DataFrame(
        {
            "scenario": np.repeat(["a", "b"], 4), "confirmation": False, "fault": ["f", "g"] * 4, "bank": "profile",
            "seed": 0, "rules": 3, "true_windows": 9, "mechanism@1": [0, 1, 0, 1, 1, 1, 1, 1],
        }
    )  # fmt: skip
    text = tables(rows)
    assert "0.75 [0.25, 1.00]" in text and "2 scenarios, 2 faults, 1 seeds" in text


def test_each_step_of_mining_is_told_by_its_difference():
    rows = pd.DataFrame(
        {
            "scenario": "a", "confirmation": True, "fault": ["f", "g"] * 2, "bank": ["profile"] * 2 + ["+ text"] * 2,
            "seed": 0, "rules": 3, "true_windows": 9, "mechanism@1": [0.0, 0.5, 1.0, 0.5],
        }
    )  # fmt: skip
    assert "+ text less profile  0.50 [0.00, 1.00]" in tables(rows)


def test_overlap_gains_nothing_by_width(runs, context):
    fault = runs[0].events[0].fault
    rule = generic_rule("noise_burst")

    def overlap(low: float, high: float) -> float:
        prior = DurationPrior(low=low, high=high, unit="samples")
        bank = RuleBank(context=context, rules=[rule.model_copy(update={"duration": prior})])
        return semantics(bank, runs[0])["duration_overlap"]

    low, high = fault.duration
    assert overlap(low, high) == pytest.approx(1.0)
    assert overlap(low, np.sqrt(low * high)) == pytest.approx(0.5)
    assert overlap(low**2 / high, high**2 / low) == pytest.approx(1 / 3)
    assert overlap(2 * high, 4 * high) == 0.0
