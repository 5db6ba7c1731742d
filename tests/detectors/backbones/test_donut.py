"""Donut: parameters, the modified bound against a naive one, missing points."""

from __future__ import annotations

import math

import pytest
import torch
from naive.detectors_gaussian import log_density, modified_bound

from ape.detectors.backbones.donut import Donut, modified_elbo
from ape.detectors.schedule import Budget
from ape.detectors.training import train

WINDOW = 24


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    module = Donut(1, WINDOW)
    values = torch.sin(2 * math.pi * torch.arange(600) / WINDOW) + 0.05 * torch.randn(600)
    train(module, values[:, None], [(0, len(values))], WINDOW, Budget(steps=200, batch=32, rate=3e-3), seed=0)
    return module


@pytest.fixture
def planted():
    x = torch.sin(2 * math.pi * torch.arange(WINDOW) / WINDOW).view(1, 1, WINDOW).clone()
    x[0, 0, 10] += 3
    return x


def test_parameter_count():
    hidden = 100 * 100 + 100
    encoder = (3 * 24 * 100 + 100) + hidden + 2 * (100 * 5 + 5)
    decoder = (5 * 100 + 100) + hidden + 2 * (100 * 3 * 24 + 3 * 24)
    assert sum(parameter.numel() for parameter in Donut(3, 24).parameters()) == encoder + decoder == 43654


def naive_bounds(*parts):
    """Bounds of all windows from tensors with one row per window."""
    return [modified_bound(*row) for row in zip(*(part.tolist() for part in parts), strict=True)]


def test_modified_bound_equals_naive_bound():
    torch.manual_seed(0)
    x, mean, z, z_mean = (torch.randn(3, size, dtype=torch.float64) for size in (9, 9, 4, 4))
    std, z_std = torch.rand(3, 9, dtype=torch.float64) + 0.1, torch.rand(3, 4, dtype=torch.float64) + 0.1
    usable = (torch.rand(3, 9) > 0.3).double()
    usable[1] = 1
    assert 0 < usable[0].mean() < 1
    parts = (x, usable, mean, std, z, z_mean, z_std)
    torch.testing.assert_close(modified_elbo(*parts), torch.tensor(naive_bounds(*parts)).double(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_loss_is_the_bound_with_missing_points_at_zero_and_outside_the_likelihood(missing):
    module, x = Donut(2, 9, missing=missing, decay=0.0).double(), torch.randn(3, 2, 9).double()
    torch.manual_seed(5)
    loss = module.loss(x).item()
    torch.manual_seed(5)
    flat = x.flatten(1)
    usable = (torch.rand_like(flat) >= missing).double()
    z_mean, z_std = module.posterior(module.encoder(flat * usable))
    z = z_mean + z_std * torch.randn_like(z_mean)
    mean, std = module.likelihood(module.decoder(z))
    bounds = naive_bounds(flat, usable, mean, std, z, z_mean, z_std)
    assert loss == pytest.approx(-sum(bounds) / 3 / 18, abs=1e-5)


def test_decay_adds_half_the_squared_weights_of_hidden_layers():
    module, x, losses = Donut(1, 9, hidden=(6, 4)), torch.randn(3, 1, 9), []
    for module.decay in (0.0, 0.1):
        torch.manual_seed(0)
        losses.append(module.loss(x).item())
    weights = [module.encoder[0], module.encoder[2], module.decoder[0], module.decoder[2]]
    squares = sum(value**2 for layer in weights for value in layer.weight.flatten().tolist())
    assert losses[1] - losses[0] == pytest.approx(0.05 * squares / 9, abs=1e-4)


def test_own_score_without_noise_is_the_density_of_each_point():
    module, x = Donut(2, 9, draws=2).double(), torch.randn(2, 2, 9).double()
    with torch.no_grad():
        module.posterior.spread.weight.zero_()
        module.posterior.spread.bias.fill_(-50)  # leaves only the floor of 1e-4
    mean, std = (part.view(2, 2, 9) for part in module.likelihood(module.decoder(module.encode(x))))
    for b in range(2):
        for t in range(9):
            expected = -sum(log_density(*(part[b, c, t].item() for part in (x, mean, std))) for c in range(2)) / 2
            assert module.own_scores(x)[b, t].item() == pytest.approx(expected, abs=1e-2)


def test_point_marked_as_missing_does_not_raise_the_scores_of_its_neighbours(trained, planted):
    marked = torch.zeros_like(planted, dtype=torch.bool)
    marked[0, 0, 10] = True
    torch.manual_seed(0)
    others = torch.arange(WINDOW) != 10
    plain, masked = trained.own_scores(planted)[0], trained.own_scores(planted, marked)[0]
    assert masked[others].mean() < plain[others].mean()
    assert masked.argmax() == 10  # its given value is scored


def test_nan_is_imputed(trained, planted):
    planted[0, 0, 10] = torch.nan
    score = trained.own_scores(planted)[0]
    assert score.isfinite().all() and score[10] < 3
