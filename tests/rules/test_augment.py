"""Augmentation: weaker than any anomaly."""

from __future__ import annotations

import pytest
import torch

from ape.rules import OPERATORS, RuleBank, augment, broad_rule
from ape.rules.schema import ContextualPrior, DurationPrior, Range


@pytest.mark.parametrize("family", ["sine", "noisy pulses", "white noise", "two channels"])
def test_augmentation_is_weaker_than_every_anomaly(hosts, generator, family):
    context, windows, starts = hosts(family, stride=3)
    scale = torch.tensor([c.scale for c in context.channels]).view(1, -1, 1)

    def strength(changed):
        """Median root mean square change at the best alignment within two samples: a tiny shift is no anomaly."""
        aligned = [torch.roll(changed, shift, dims=2)[:, :, 2:-2] - windows[:, :, 2:-2] for shift in range(-2, 3)]
        return torch.stack([((a / scale) ** 2).mean(dim=(1, 2)).sqrt() for a in aligned]).amin(0).median()

    augmented = strength(augment(windows, generator(0), context))
    for name, op in OPERATORS.items():
        # A spike changes few points, so its mean change is small.
        if not name.startswith("spike") and (len(context.channels) > 1 or not op.relational):
            bank = RuleBank(context=context, rules=[broad_rule(name)])
            assert strength(bank.sample(windows, generator(1), starts).pseudo) > augmented, name


def benign_rule(**change):
    rule = broad_rule("level_shift")
    return rule.model_copy(update={"id": "backup", **change})


def test_without_benign_rules_nothing_changes(hosts, generator):
    context, windows, starts = hosts("sine")
    assert torch.equal(augment(windows, generator(0), context), augment(windows, generator(0), context, [], starts))


def test_half_of_the_windows_get_a_benign_variant_on_top_of_the_mild_change(hosts, generator):
    context, windows, starts = hosts("two channels", stride=3)
    before = windows.clone()
    mild = augment(windows, generator(0), context)
    varied = augment(windows, generator(0), context, [benign_rule()], starts)
    changed = (varied != mild).flatten(1).any(1)
    assert 0.35 < changed.float().mean() < 0.65 and torch.equal(windows, before)
    untouched = (varied == mild).all(1)[changed].float().mean()
    assert 0.05 < untouched < 0.95  # a benign variant has a place and a length; the rest of the window stays


def test_benign_variants_start_only_where_their_rule_allows(hosts, generator):
    context, windows, starts = hosts("sine", stride=3)
    prior = ContextualPrior(phase=Range(low=0.0, high=0.1))
    rules = [benign_rule(context=prior, duration=DurationPrior(low=20, high=30, unit="samples"))]
    changed = augment(windows, generator(0), context, rules, starts) != augment(windows, generator(0), context)
    rows = changed.any(1).any(1)
    first = changed.any(1)[rows].int().argmax(1) + starts[rows]
    phase = torch.remainder(first - context.phase_origin, context.period) / context.period
    assert rows.sum() > 20 and (phase <= 0.1).all()
    # Without positions the phase is unknown, so that the rule cannot be placed.
    assert torch.equal(augment(windows, generator(0), context, rules), augment(windows, generator(0), context))


def test_a_benign_rule_that_fits_nowhere_leaves_the_mild_change(hosts, generator):
    context, windows, starts = hosts("sine", stride=3)
    never = benign_rule(context=ContextualPrior(after_change=Range(low=1e6, high=2e6)))
    mild = augment(windows, generator(0), context)
    assert torch.equal(augment(windows, generator(0), context, [never], starts), mild)
