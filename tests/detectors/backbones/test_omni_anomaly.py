"""OmniAnomaly: parameters; prior, flows, latents and loss against naive ones and autograd."""

from __future__ import annotations

import math

import pytest
import torch
from naive.detectors_gaussian import kalman_log_density, log_density

from ape.detectors.backbones.omni_anomaly import ChainedPosterior, OmniAnomaly, PlanarFlows, RandomWalkPrior


def test_parameters_do_not_depend_on_the_window():
    dense = 2 * (64 * 64 + 64)
    encoder = 3 * (3 * 64 + 64 * 64 + 2 * 64) + dense + (64 * 6 + 6) + 3 * 6
    decoder = 3 * (3 * 64 + 64 * 64 + 2 * 64) + dense + 2 * (64 * 3 + 3)
    flows = 20 * (3 + 3 + 1)
    for window in (8, 13):
        counted = sum(parameter.numel() for parameter in OmniAnomaly(3, window).parameters())
        assert counted == encoder + decoder + flows == 44074


@pytest.mark.parametrize("window", [8, 13, 100])
def test_prior_equals_kalman_filter(window):
    torch.manual_seed(0)
    z = torch.randn(2, window, 3).cumsum(1)
    expected = [sum(kalman_log_density(z[b, :, d].tolist()) for d in range(3)) for b in range(2)]
    torch.testing.assert_close(RandomWalkPrior(window)(z), torch.tensor(expected), rtol=1e-5, atol=1e-5)


def make_flow(scale, layers=1):
    torch.manual_seed(1)
    flow = PlanarFlows(3, layers).double()
    with torch.no_grad():
        flow.u.copy_(scale * torch.randn(layers, 3))
        flow.b.fill_(0.3)
    return flow


@pytest.mark.parametrize("scale", [0.0, 0.5, 3.0, -3.0])
def test_flow_equals_naive_flow(scale):
    flow, z = make_flow(scale), torch.randn(3).double()
    w, u, point = flow.w[0].tolist(), flow.u[0].tolist(), z.tolist()
    along = sum(a * b for a, b in zip(w, u, strict=True))
    bent = math.log1p(math.exp(along + math.log(math.e - 1))) - 1
    u = [a + (bent - along) * b / sum(c * c for c in w) for a, b in zip(u, w, strict=True)]
    bend = math.tanh(sum(a * b for a, b in zip(w, point, strict=True)) + 0.3)
    expected = torch.tensor([a + b * bend for a, b in zip(point, u, strict=True)]).double()
    torch.testing.assert_close(flow(z)[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scale", [0.0, 0.5, 3.0, -3.0])
def test_log_determinant_equals_that_of_the_jacobian(scale):
    flow = make_flow(scale, layers=4)
    for z in torch.randn(5, 3).double():
        jacobian = torch.autograd.functional.jacobian(lambda point: flow(point)[0], z)
        sign, expected = torch.linalg.slogdet(jacobian)
        assert sign > 0  # invertible for every u
        torch.testing.assert_close(flow.log_determinant(flow(z)[1]), expected, rtol=1e-5, atol=1e-5)


def test_without_flows_latents_do_not_change():
    flow, z = PlanarFlows(3, 0), torch.randn(2, 5, 3)
    flowed, tanhs = flow(z)
    torch.testing.assert_close(flowed, z, rtol=0, atol=0)
    torch.testing.assert_close(flow.log_determinant(tanhs), torch.zeros(2, 5))
    assert OmniAnomaly(1, 8, flows=0).loss(torch.randn(2, 1, 8)).isfinite()


def test_latents_equal_naive_chain():
    torch.manual_seed(0)
    chain, hidden, noise = ChainedPosterior(4, 2).double(), torch.randn(1, 6, 4).double(), torch.randn(1, 6, 2).double()
    weight, bias, link = (
        p.tolist() for p in (chain.from_hidden.weight, chain.from_hidden.bias, chain.from_last.weight)
    )
    last, expected = [0.0, 0.0], []
    for t in range(6):
        rows = [
            sum(w * h for w, h in zip(weight[i], hidden[0, t].tolist(), strict=True))
            + bias[i]
            + sum(w * z for w, z in zip(link[i], last, strict=True))
            for i in range(4)
        ]
        stds = [math.log1p(math.exp(v)) + 1e-4 for v in rows[2:]]
        last = [m + s * e for m, s, e in zip(rows[:2], stds, noise[0, t].tolist(), strict=True)]
        expected.append(last)
    torch.testing.assert_close(chain(hidden, noise)[0][0], torch.tensor(expected).double(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_loss_is_the_naive_sum_of_likelihood_prior_and_posterior(beta):
    torch.manual_seed(0)
    module, x, captured = OmniAnomaly(2, 8, hidden=8, flows=3, beta=beta), torch.randn(2, 2, 8), {}
    module.posterior.register_forward_hook(lambda _, given, out: captured.update(posterior=out))
    module.likelihood.register_forward_hook(lambda _, given, out: captured.update(likelihood=out))
    module.prior.register_forward_hook(lambda _, given, out: captured.update(z=given[0]))
    loss, bounds = module.loss(x).item(), []
    start, z_mean, z_std = captured["posterior"]
    mean, std = captured["likelihood"]
    for b in range(2):
        bound = beta * sum(kalman_log_density(captured["z"][b, :, d].tolist()) for d in range(3))
        for t in range(8):
            for c in range(2):
                bound += log_density(x[b, c, t].item(), mean[b, t, c].item(), std[b, t, c].item())
            for d in range(3):
                bound -= beta * log_density(start[b, t, d].item(), z_mean[b, t, d].item(), z_std[b, t, d].item())
            jacobian = torch.autograd.functional.jacobian(lambda p: module.flows(p)[0], start[b, t].detach())
            bound += beta * torch.linalg.slogdet(jacobian)[1].item()
        bounds.append(bound)
    assert loss == pytest.approx(-sum(bounds) / 2 / 16, abs=1e-5)


def test_noise_differs_between_windows_of_a_batch():
    module = OmniAnomaly(1, 8)
    scores = module.own_scores(torch.zeros(2, 1, 8))
    assert not torch.allclose(scores[0], scores[1])
