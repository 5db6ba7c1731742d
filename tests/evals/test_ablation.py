"""Banks without one thing that mining put into them: what changes, and what stays the same."""

from __future__ import annotations

import numpy as np
import pytest

from ape.evals.ablation import PRIORS, resized, without_operators, without_prior
from ape.rules import OPERATORS, RuleBank, broad_bank, broad_rule, build_context
from ape.series import from_array


@pytest.fixture(scope="module")
def bank() -> RuleBank:
    series = from_array(np.sin(np.arange(600) / 8) + 0.05 * np.random.default_rng(0).normal(size=600), train_end=400)
    broad = broad_bank(build_context(series), ["spike_global", "level_shift"])
    narrow = [
        rule.model_copy(
            update={
                "context": rule.context.model_copy(update={"level": ["high"]}),
                "scale": rule.scale.model_copy(update={"low": 3.0, "high": 4.0}),
                "duration": rule.duration.model_copy(update={"low": 7.0, "high": 9.0, "unit": "samples"}),
            }
        )
        for rule in broad.rules
    ]
    return broad.model_copy(update={"rules": narrow})


@pytest.mark.parametrize("prior", PRIORS)
def test_without_prior_broadens_that_prior_only(bank, prior):
    changed = without_prior(bank, prior)
    field = "context" if prior == "contextual" else prior
    for before, after in zip(bank.rules, changed.rules, strict=True):
        assert getattr(after, field) == getattr(broad_rule(before.program[0].operator), field)
        differing = {name for name in type(before).model_fields if getattr(before, name) != getattr(after, name)}
        assert differing == {field}


def test_without_operators_removes_the_rules_that_use_them(bank):
    assert [rule.id for rule in without_operators(bank, {"spike_global"}).rules] == ["level_shift"]


def test_without_operators_falls_back_to_broad_rules_of_all_other_operators(bank):
    rest = without_operators(bank, {"spike_global", "level_shift"})
    used = {step.operator for rule in rest.rules for step in rule.program}
    single = {name for name, entry in OPERATORS.items() if not entry.relational}
    assert used == single - {"spike_global", "level_shift"}


def test_resized_multiplies_both_ends_of_the_scale_only(bank):
    for before, after in zip(bank.rules, resized(bank, 0.5).rules, strict=True):
        assert (after.scale.low, after.scale.high, after.scale.unit) == (1.5, 2.0, before.scale.unit)
        assert after.model_copy(update={"scale": before.scale}) == before
