"""Transformer autoencoder and Anomaly Transformer: parameters; associations by their formulas."""

from __future__ import annotations

import math

import pytest
import torch

from ape.detectors.backbones.transformer import TransformerAE, gaussian_prior, symmetric_divergence

SMALL = {"width": 16, "heads": 2, "layers": 1, "hidden": 16}


@pytest.mark.parametrize("association", [False, True])
def test_parameter_count(association):
    module = TransformerAE(3, 20, width=16, heads=2, layers=2, hidden=24, association=association)
    embedding = 16 * 3 * 3
    attention = (16 * 48 + 48) + (16 * 16 + 16) + (16 * 2 + 2 if association else 0)
    perceptron = (16 * 24 + 24) + (24 * 16 + 16)
    layer = attention + perceptron + 2 * 2 * 16
    output = 2 * 16 + (16 * 3 + 3)
    assert sum(p.numel() for p in module.parameters()) == embedding + 2 * layer + output


def test_width_must_be_divisible_by_heads():
    with pytest.raises(ValueError, match="heads"):
        TransformerAE(1, 24, width=10, heads=4)


def test_reconstruction_is_the_same_with_fused_attention(batch):
    """The loss uses explicit attention, the reconstruction uses fused attention."""
    module, x = TransformerAE(1, 24, association=True), batch()
    torch.testing.assert_close(module.loss(x), (x - module.reconstruct(x)).square().mean())


def test_gaussian_prior_by_its_formula():
    spread = 0.3 + 2 * torch.rand(2, 3, 9)
    prior = gaussian_prior(spread)
    for b, h, i in [(b, h, i) for b in range(2) for h in range(3) for i in range(9)]:
        deviation = spread[b, h, i].item()
        bell = [math.exp(-((i - j) ** 2) / (2 * deviation**2)) / (math.sqrt(2 * math.pi) * deviation) for j in range(9)]
        for j in range(9):
            assert prior[b, h, i, j].item() == pytest.approx(bell[j] / sum(bell), abs=1e-5)


def test_symmetric_divergence_by_its_formula():
    p, s = torch.softmax(3 * torch.randn(2, 2, 2, 7, 7), dim=-1)
    divergence = symmetric_divergence(p, s)
    assert divergence.shape == (2, 7)
    for b, i in [(b, i) for b in range(2) for i in range(7)]:
        total = 0.0
        for h in range(2):
            left = [0.01 / 7 + 0.99 * value for value in p[b, h, i].tolist()]
            right = [0.01 / 7 + 0.99 * value for value in s[b, h, i].tolist()]
            total += sum(a * math.log(a / c) for a, c in zip(left, right, strict=True))
            total += sum(c * math.log(c / a) for a, c in zip(left, right, strict=True))
        assert divergence[b, i].item() == pytest.approx(total / 2, abs=1e-5)


def test_divergence_is_zero_for_equal_and_finite_for_disjoint_distributions():
    eye = torch.eye(6)[None, None]
    assert symmetric_divergence(eye, eye).abs().max() == 0
    assert 0 < symmetric_divergence(eye, eye.flip(3)).max() < 20


def test_minimise_phase_moves_the_prior_and_maximise_phase_the_series_association(batch):
    """The gradient moves the spread so that P approaches S, and queries and keys so that S leaves P."""
    torch.manual_seed(0)
    x, module = batch(window=12), TransformerAE(1, 12, **SMALL, association=True)
    layer = module.layers[0]
    free = (layer.spread.weight, layer.query_key_value.weight)
    module.loss(x).backward()
    divergence = symmetric_divergence(*layer(module.embedding(x).mT + module.position, True)[1][0]).mean()
    by_spread, by_attention = torch.autograd.grad(divergence, free)
    by_error = torch.autograd.grad((x - module.reconstruct(x)).square().mean(), free[1])[0]
    torch.testing.assert_close(free[0].grad, 1.5 * by_spread)
    torch.testing.assert_close(free[1].grad, by_error - 1.5 * by_attention)
