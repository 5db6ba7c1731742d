"""Augmentation: weaker than any anomaly."""

from __future__ import annotations

import pytest
import torch

from ape.rules import OPERATORS, RuleBank, augment, broad_rule


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
