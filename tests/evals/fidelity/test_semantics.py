"""Semantic figures: a bank written from the truth gets the best ones, other banks do not."""

from __future__ import annotations

import numpy as np
import pytest

from ape.evals.fidelity.semantics import semantics
from ape.evals.oracle import oracle_bank
from ape.rules import RuleBank, broad_rule
from ape.rules.schema import ContextualPrior, DurationPrior, Range, ScalePrior


def test_oracle_bank_has_the_best_figures(instances, context):
    figures = semantics(oracle_bank([instances[0].events[0].fault], context), instances[0])
    assert figures["mechanism@1"] == figures["morphology@1"] == figures["duration"] == figures["context"] == 1.0


def test_empty_bank_has_no_hits(instances, context):
    assert set(semantics(RuleBank(context=context), instances[0]).values()) == {0.0}


def test_rules_are_ranked_by_weight(instances, context):
    wrong = [broad_rule(name).model_copy(update={"weight": 2.0}) for name in ("level_shift", "time_reverse")]
    bank = RuleBank(context=context, rules=[broad_rule("noise_burst"), *wrong])
    figures = semantics(bank, instances[0])
    assert figures["mechanism@1"] == 0.0 and figures["mechanism@3"] == figures["morphology@3"] == 1.0


def test_priors_without_the_true_values_get_zero(instances, context):
    effect = instances[0].peak_effect
    rule = broad_rule("noise_burst")

    def figures(**changes):
        return semantics(RuleBank(context=context, rules=[rule.model_copy(update=changes)]), instances[0])

    assert figures(scale=ScalePrior(low=3 * effect, high=9 * effect, unit="series_sd"))["scale"] == 0.0
    assert figures(scale=ScalePrior(low=0.01, high=9 * effect, unit="series_sd"))["scale"] == 1.0
    assert figures(duration=DurationPrior(low=1, high=2, unit="samples"))["duration"] == 0.0
    never = ContextualPrior(after_change=Range(low=1e9, high=2e9))
    assert figures(context=never)["context"] == 0.0


def test_overlap_does_not_grow_with_width(instances, context):
    fault = instances[0].events[0].fault
    rule = broad_rule("noise_burst")

    def overlap(low: float, high: float) -> float:
        prior = DurationPrior(low=low, high=high, unit="samples")
        bank = RuleBank(context=context, rules=[rule.model_copy(update={"duration": prior})])
        return semantics(bank, instances[0])["duration_overlap"]

    low, high = fault.duration
    assert overlap(low, high) == pytest.approx(1.0)
    assert overlap(low, np.sqrt(low * high)) == pytest.approx(0.5)
    assert overlap(low**2 / high, high**2 / low) == pytest.approx(1 / 3)
    assert overlap(2 * high, 4 * high) == 0.0
