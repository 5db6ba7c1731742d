"""Donut: parameters, the modified bound against a loop, missing points."""

from __future__ import annotations

import math

import pytest
import torch

from ape.detectors.backbones.donut import Donut, modified_elbo
from ape.detectors.schedule import Budget
from ape.detectors.training import train

WINDOW = 24


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    module = Donut(1, WINDOW)
    values = torch.sin(2 * math.pi * torch.arange(600) / WINDOW) + 0.05 * torch.randn(600)
    train(module, values[:, None], WINDOW, Budget(steps=200, batch=32, rate=3e-3), seed=0)
    return module


@pytest.fixture
def planted():
    x = torch.sin(2 * math.pi * torch.arange(WINDOW) / WINDOW).view(1, 1, WINDOW).clone()
    x[0, 0, 10] += 3
    return x


def test_parameters():
    hidden = 100 * 100 + 100
    encoder = (3 * 24 * 100 + 100) + hidden + 2 * (100 * 5 + 5)
    decoder = (5 * 100 + 100) + hidden + 2 * (100 * 3 * 24 + 3 * 24)
    assert sum(parameter.numel() for parameter in Donut(3, 24).parameters()) == encoder + decoder == 43654


def naive_normal(x, mean, std):
    return -((x - mean) ** 2) / (2 * std**2) - math.log(std * math.sqrt(2 * math.pi))


def naive_bound(x, usable, mean, std, z, z_mean, z_std):
    bounds = []
    for b in range(len(x)):
        bound = sum(naive_normal(x[b][w], mean[b][w], std[b][w]) for w in range(len(x[b])) if usable[b][w])
        share = sum(usable[b]) / len(usable[b])
        for d in range(len(z[b])):
            bound += share * naive_normal(z[b][d], 0, 1) - naive_normal(z[b][d], z_mean[b][d], z_std[b][d])
        bounds.append(bound)
    return bounds


def test_modified_bound_is_that_of_a_loop():
    torch.manual_seed(0)
    x, mean, z, z_mean = (torch.randn(3, size, dtype=torch.float64) for size in (9, 9, 4, 4))
    std, z_std = torch.rand(3, 9, dtype=torch.float64) + 0.1, torch.rand(3, 4, dtype=torch.float64) + 0.1
    usable = (torch.rand(3, 9) > 0.3).double()
    usable[1] = 1
    assert 0 < usable[0].mean() < 1
    parts = (x, usable, mean, std, z, z_mean, z_std)
    expected = naive_bound(*(part.tolist() for part in parts))
    torch.testing.assert_close(modified_elbo(*parts), torch.tensor(expected).double(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_loss_is_the_bound_with_injected_points_at_zero_and_out_of_the_likelihood(missing):
    module, x = Donut(2, 9, missing=missing, decay=0.0).double(), torch.randn(3, 2, 9).double()
    torch.manual_seed(5)
    loss = module.loss(x).item()
    torch.manual_seed(5)
    flat = x.flatten(1)
    usable = (torch.rand_like(flat) >= missing).double()
    z_mean, z_std = module.posterior(module.encoder(flat * usable))
    z = z_mean + z_std * torch.randn_like(z_mean)
    mean, std = module.likelihood(module.decoder(z))
    parts = [part.tolist() for part in (flat, usable, mean, std, z, z_mean, z_std)]
    assert loss == pytest.approx(-sum(naive_bound(*parts)) / 3 / 18, abs=1e-5)


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
        module.posterior.spread.bias.fill_(-50)  # only the floor of 1e-4 is left
    mean, std = (part.view(2, 2, 9) for part in module.likelihood(module.decoder(module.encode(x))))
    for b in range(2):
        for t in range(9):
            expected = -sum(naive_normal(*(part[b, c, t].item() for part in (x, mean, std))) for c in range(2)) / 2
            assert module.own_scores(x)[b, t].item() == pytest.approx(expected, abs=1e-2)


def test_marked_point_does_not_spoil_its_neighbours(trained, planted):
    marked = torch.zeros_like(planted, dtype=torch.bool)
    marked[0, 0, 10] = True
    torch.manual_seed(0)
    others = torch.arange(WINDOW) != 10
    seen, hidden = trained.own_scores(planted)[0], trained.own_scores(planted, marked)[0]
    assert hidden[others].mean() < seen[others].mean()
    assert hidden.argmax() == 10  # it is scored as it is


def test_nan_is_imputed(trained, planted):
    planted[0, 0, 10] = torch.nan
    score = trained.own_scores(planted)[0]
    assert score.isfinite().all() and score[10] < 3
