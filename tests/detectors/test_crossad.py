"""CrossAD: contract, learning, masks in plain loops, and what a scale may see."""

from __future__ import annotations

import math

import pytest
import torch

from ape.detectors.crossad import CrossAD, hidden_scales
from ape.detectors.training import Budget, train

SMALL = {"width": 16, "heads": 2, "patch": 2, "kernels": (4, 2), "prototypes": 8}


def batch(count=8, window=24, channels=1, seed=0):
    """Sines and squares of random phase."""
    generator = torch.Generator().manual_seed(seed)
    phase = torch.rand(count, channels, 1, generator=generator) * 2 * math.pi
    angle = 2 * math.pi * torch.arange(window) / 12 + phase
    return torch.where(torch.arange(count)[:, None, None] % 2 == 0, angle.sin(), 0.7 * angle.sin().sign())


@pytest.mark.parametrize(("channels", "window"), [(1, 8), (3, 9), (1, 33), (3, 24)])
def test_shapes_and_determinism(channels, window):
    module = CrossAD(channels, window)
    x = torch.randn(4, channels, window)
    assert module.encode(x).shape == (4, 32 * channels)
    assert module.reconstruct(x).shape == x.shape
    assert module.own_scores(x).shape == (4, window)
    assert module.loss(x).ndim == 0
    assert torch.equal(module.train().reconstruct(x), module.reconstruct(x))
    with torch.no_grad():  # the fused layer of evaluation
        torch.testing.assert_close(module.eval().reconstruct(x), module.train().reconstruct(x), rtol=1e-4, atol=1e-5)


def test_parameter_count():
    module = CrossAD(3, 20, width=16, heads=2, patch=4, queries=3)
    attention = (16 * 48 + 48) + (16 * 16 + 16)
    perceptron = (16 * 64 + 64) + (64 * 16 + 16)
    encoder = attention + perceptron + 2 * 2 * 16
    decoder = 2 * attention + perceptron + 3 * 2 * 16
    context = (20 * 3 + 3) + 3 * 5 * 16 + attention + 2 * 16
    assert sum(p.numel() for p in module.parameters()) == (4 * 16 + 16) + encoder + context + decoder + (16 * 4 + 4)


def test_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    module = CrossAD(2, 32)
    module.loss(batch(window=32, channels=2)).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_overfits_one_batch():
    torch.manual_seed(0)
    module, x = CrossAD(1, 24, **SMALL), batch()
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(120):
        optimiser.zero_grad()
        module.loss(x).backward()
        optimiser.step()
    assert (x - module.reconstruct(x)).square().mean() < 0.03


def test_planted_anomaly_has_the_highest_error_and_score():
    values = torch.sin(2 * math.pi * torch.arange(600) / 12)[:, None]
    values = values + 0.05 * torch.randn(600, 1, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    module = CrossAD(1, 24, **SMALL)
    train(module, values, 24, Budget(steps=150, batch=16, rate=5e-3, check_every=50), seed=0)
    x = torch.sin(2 * math.pi * torch.arange(24) / 12).repeat(2, 1, 1)
    x[1, 0, 10] += 3
    with torch.no_grad():
        for scores in ((x - module.reconstruct(x)).square().mean(dim=1), module.own_scores(x)):
            assert abs(int(scores[1].argmax()) - 10) <= 1
            assert scores[1].max() > 3 * scores[0].max()


def test_same_seed_same_loss():
    losses = []
    for _ in range(2):
        torch.manual_seed(3)
        losses.append(CrossAD(1, 24).loss(batch()).item())
    assert losses[0] == losses[1]


def test_masks_in_plain_loops():
    sizes = [1, 2, 5]
    scale = [s for s, size in enumerate(sizes) for _ in range(size)]
    within, no_finer = hidden_scales(sizes, coarser=False), hidden_scales(sizes, coarser=True)
    assert within.shape == no_finer.shape == (8, 8)
    for i in range(8):
        for j in range(8):
            assert bool(within[i, j]) == (scale[i] != scale[j])
            assert bool(no_finer[i, j]) == (scale[j] > scale[i])


@pytest.mark.parametrize("window", [16, 19])
def test_scales_are_means_of_what_is_there(window):
    module, x = CrossAD(1, window), torch.randn(2, 1, window)
    for kernel, scale in zip((8, 4, 2, 1), module._scales(x), strict=True):
        for b in range(2):
            pools = [x[b, 0, i : i + kernel].tolist() for i in range(0, window, kernel)]
            expected = [sum(pool) / len(pool) for pool in pools]
            torch.testing.assert_close(scale[b], torch.tensor(expected), rtol=1e-5, atol=1e-5)


def test_a_coarse_scale_sees_no_finer_one():
    """Context held still: a change that pools to nothing at 4 changes nothing that is made of 4 and coarser."""
    module, x = CrossAD(1, 32).eval(), batch(window=32)
    changed = x + torch.tensor([1.0, 1.0, -1.0, -1.0]).repeat(8)
    context = torch.randn(8, 5, 32)
    module._context = lambda *_: context
    before, after = module._rebuild(x)[1], module._rebuild(changed)[1]
    torch.testing.assert_close(before[0], after[0])  # made of pools of 8
    torch.testing.assert_close(before[1], after[1])  # made of pools of 8 and 4
    assert not torch.allclose(before[2], after[2], atol=1e-3)


def test_repeated_tokens_give_different_patches():
    rebuilt = CrossAD(1, 32).reconstruct(batch(window=32))[:, 0].unflatten(1, (-1, 4))
    assert (rebuilt[:, 0] - rebuilt[:, 1]).abs().max() > 1e-3


def test_prototypes_move_in_the_loss_of_training_mode_alone():
    module, x = CrossAD(1, 24), batch()
    buffers = {name: value.clone() for name, value in module.state_dict().items()}
    module.reconstruct(x), module.own_scores(x), module.eval().loss(x)
    assert all(torch.equal(value, buffers[name]) for name, value in module.state_dict().items())
    module.train().loss(x)
    assert not torch.equal(module.sums, buffers["sums"])
    assert not torch.equal(module.error, buffers["error"])


def test_prototypes_near_the_mean_of_their_tokens():
    module = CrossAD(1, 24, prototypes=2)
    with torch.no_grad():
        module.sums.copy_(torch.stack([torch.full((32,), 4.0), torch.full((32,), -4.0)]))
    tokens = torch.cat([torch.full((6, 32), 3.0), torch.full((2, 32), -5.0)])
    for _ in range(200):
        module._move_prototypes(tokens, torch.tensor([0] * 6 + [1] * 2))
    bank = module.sums / module.counts[:, None]
    torch.testing.assert_close(bank, torch.stack([torch.full((32,), 3.0), torch.full((32,), -5.0)]), rtol=1e-3, atol=0)


def test_unused_prototypes_become_tokens():
    module = CrossAD(1, 24, prototypes=3)
    for _ in range(60):
        module._move_prototypes(torch.full((4, 32), 2.0), torch.zeros(4, dtype=torch.long))
    torch.testing.assert_close(module.sums / module.counts[:, None], torch.full((3, 32), 2.0), rtol=0.2, atol=0)


def test_window_too_short_for_every_kernel_is_refused():
    with pytest.raises(ValueError, match="kernel"):
        CrossAD(1, 12, kernels=(16, 8))
