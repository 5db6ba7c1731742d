"""Gradients of a post-training step."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import ape.detectors
from ape.posttrain.freezing import encoder_parameters
from ape.posttrain.gradients import joint_gradients
from ape.posttrain.losses import contrast
from ape.posttrain.parts import parts_of

WINDOW = 32


def test_contrastive_gradient_reaches_backbone_and_head(detector, quick, prepared):
    model, pool, _ = prepared(detector, quick)
    parts = [
        parts_of(model.backbone, branch[:16], near[:16])[0]
        for branch, near in zip(pool.windows, pool.nearest, strict=True)
    ]
    vectors = torch.stack([model.representation(part) for part in parts], 1)
    contrast(vectors, quick, model.representation.centres).backward()
    reached = {name for name, p in model.module.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert encoder_parameters(detector, pool.windows[0, :2]) <= reached
    assert all(p.grad is not None for p in model.representation.parameters())


@pytest.mark.parametrize("name", ["lstm-ae", "timesnet", "transformer"])
@pytest.mark.parametrize("at_once", [100, 24, 10])
def test_joint_gradient_matches_its_formula_in_any_number_of_parts(series, quick, name, at_once, prepared):
    detector = ape.detectors.create(name, window=WINDOW, device="cpu")
    detector.budget = replace(detector.budget, steps=3)
    model, pool, _ = prepared(detector.fit(series), replace(quick, batch=8, pool=8))
    model.representation.eval()
    parameters = [*model.representation.parameters(), *model.module.parameters()]
    parts = parts_of(model.backbone, pool.windows.flatten(0, 1), pool.nearest.flatten(0, 1))[0]
    vectors = model.representation(parts).unflatten(1, (3, -1))
    losses = contrast(vectors, quick, model.representation.centres), model.backbone.loss(pool.windows[0])
    expected = torch.autograd.grad(quick.weight * losses[0] + losses[1], parameters, allow_unused=True)
    result = joint_gradients(model, pool.windows, pool.nearest, quick, at_once)
    torch.testing.assert_close(result, tuple(loss.detach() for loss in losses))
    for parameter, gradient in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-6)
