"""TimesNet: parameters; periods, blocks and folding against naive ones."""

from __future__ import annotations

import math

import pytest
import torch
from naive import detectors_layers
from torch.nn import functional

from ape.detectors.backbones.timesnet import TimesNet, fold, strongest_periods, unfold


def test_parameter_count():
    module = TimesNet(3, 20, width=16, hidden=12, layers=2, kernels=3)
    kernels = 1 + 9 + 25
    block = (16 * 12 * kernels + 3 * 12) + (12 * 16 * kernels + 3 * 16)
    assert sum(p.numel() for p in module.parameters()) == 16 * 3 * 3 + 2 * block + 2 * 16 + (16 * 3 + 3)


def test_level_and_scale_change_only_their_part_of_the_latent(batch):
    module, x = TimesNet(2, 24), batch(channels=2)
    plain, moved = module.encode(x), module.encode(3 * x + 5)
    torch.testing.assert_close(moved[:, 16:18], 3 * plain[:, 16:18] + 5)
    torch.testing.assert_close(moved[:, 18:], plain[:, 18:] + math.log(3), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(moved[:, :16], plain[:, :16], rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(module.reconstruct(3 * x + 5), 3 * module.reconstruct(x) + 5, rtol=1e-2, atol=1e-2)


def test_reconstruction_does_not_depend_on_the_other_windows():
    module, x = TimesNet(1, 30), torch.randn(6, 1, 30)
    together = module.reconstruct(x)
    for i in range(6):
        torch.testing.assert_close(together[i], module.reconstruct(x[i : i + 1])[0], rtol=1e-4, atol=1e-5)


def test_strongest_period_of_a_sine_is_its_own():
    x = torch.sin(2 * math.pi * torch.arange(48) / 12)[None, :, None]
    assert strongest_periods(x, 3)[0][0, 0] == 12


@pytest.mark.parametrize("window", [12, 13])
def test_block_equals_naive_block(window):
    torch.manual_seed(0)
    module = TimesNet(1, window, width=3, hidden=4, layers=1, periods=3, kernels=2).double()
    block, x = module.blocks[0], torch.randn(2, window, 3, dtype=torch.float64)

    def convolve(layer, grid):
        return sum(functional.conv2d(grid, b.weight, b.bias, padding=i) for i, b in enumerate(layer.branches)) / 2

    with torch.no_grad():
        for features, result in zip(x, block(x), strict=True):
            periods = detectors_layers.strongest_periods(features.tolist(), 3)
            shares = [math.exp(amplitude) for amplitude, _ in periods]
            expected = torch.zeros(window, 3, dtype=torch.float64)
            for share, (_, period) in zip(shares, periods, strict=True):
                cycles = math.ceil(window / period)
                grid = torch.zeros(1, 3, cycles, period, dtype=torch.float64)
                for t in range(window):
                    grid[0, :, t // period, t % period] = features[t]
                grid = convolve(block.convolve[2], functional.gelu(convolve(block.convolve[0], grid)))
                for t in range(window):
                    expected[t] += share / sum(shares) * grid[0, :, t // period, t % period]
            torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("period", [2, 5, 11])
def test_unfold_inverts_fold(period):
    x = torch.randn(2, 11, 3)
    grid = fold(x, period)
    assert grid.shape == (2, 3, math.ceil(11 / period), period)
    for cycle in range(grid.shape[2]):
        for phase in range(period):
            t = cycle * period + phase
            expected = x[:, t] if t < 11 else torch.zeros(2, 3)
            assert torch.equal(grid[:, :, cycle, phase], expected)
    assert torch.equal(unfold(grid, 11), x)
