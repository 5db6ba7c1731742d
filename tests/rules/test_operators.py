"""Operators: in any unit and at any level, they change the same points in the same way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ape.rules import OPERATORS, RuleBank, build_context, discriminability, draw_hosts
from ape.rules.broad import broad_bank
from ape.rules.registry import Site
from ape.rules.schema import Parameter, ScalePrior, Step
from ape.series import from_array

HOSTS, CHANNELS, L = 6, 2, 64


def hosts_and_site(seed, factor=1.0, level=0.0):
    """Return hosts [B, C, L] with a flat one, and the places of anomalies, in another unit and at another level."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    hosts, donor = draw(HOSTS, CHANNELS, L).cumsum(2), draw(HOSTS, CHANNELS, L).cumsum(2)
    hosts[0] = hosts[0, :, :1]
    start, length = (torch.randint(*ends, (HOSTS, 1, 1), generator=generator).double() for ends in ((0, 30), (8, 30)))
    t = torch.arange(L, dtype=torch.float64).view(1, 1, -1)
    site = Site(
        u=(t - start) / (length - 1),
        inside=(t >= start) & (t < start + length),
        start=start,
        length=length,
        amount=factor * draw(HOSTS, CHANNELS, 1),
        noise=draw(HOSTS, CHANNELS, L),
        donor=level + factor * donor,
        low=torch.full((1, CHANNELS, 1), level - 9 * factor, dtype=torch.float64),
        high=torch.full((1, CHANNELS, 1), level + 9 * factor, dtype=torch.float64),
        zero=torch.full((1, CHANNELS, 1), level - 30 * factor, dtype=torch.float64),
        scale=torch.full((1, CHANNELS, 1), 3 * factor, dtype=torch.float64),
        cycle=16.0,
    )
    return level + factor * hosts, site


def proposal(name, seed, **unit):
    hosts, site = hosts_and_site(seed, **unit)
    generator = torch.Generator().manual_seed(seed + 1)
    values = {
        key: bounds.default[0] + (bounds.default[1] - bounds.default[0]) * torch.rand(HOSTS, 1, 1, generator=generator)
        for key, bounds in OPERATORS[name].parameters.items()
    }
    made = OPERATORS[name].apply(hosts, site, values)
    return torch.where(site.inside, made, hosts)


@pytest.mark.parametrize("name", sorted(OPERATORS))
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), power=st.integers(-200, 200))
def test_another_unit_changes_the_unit_of_the_anomaly(name, seed, power):
    assert torch.equal(proposal(name, seed, factor=2.0**power), 2.0**power * proposal(name, seed))


@pytest.mark.parametrize("name", sorted(OPERATORS))
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), level=st.floats(-1e6, 1e6))
def test_another_level_moves_the_anomaly(name, seed, level):
    torch.testing.assert_close(proposal(name, seed, level=level), level + proposal(name, seed), rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def values():
    generator = torch.Generator().manual_seed(0)
    t = torch.arange(1500, dtype=torch.float64)
    wave = torch.sin(t / 8) + 0.05 * torch.randn(1500, generator=generator, dtype=torch.float64)
    wave[600:640] = wave[600]
    return torch.stack([wave, 3 * wave.roll(7) + 0.1 * torch.randn(1500, generator=generator)], dim=1).numpy()


@pytest.mark.parametrize("power", [-80, -40, 40, 80])
def test_samples_and_figures_are_those_of_the_series_in_another_unit(values, power):
    samples, figures = [], []
    for factor in (1.0, 2.0**power):
        series = from_array(factor * values)
        context = build_context(series)
        bank, hosts = broad_bank(context), draw_hosts(series, context, 0)
        samples.append(bank.sample(hosts.windows, torch.Generator().manual_seed(0), hosts.starts))
        figures.append(discriminability(bank.rules[:4], bank.rules[4:6], context, hosts))
    (pseudo, mask, _), (scaled, scaled_mask, _) = samples
    assert torch.equal(scaled, 2.0**power * pseudo) and torch.equal(scaled_mask, mask)
    for rule, each in figures[0].items():
        assert figures[1][rule] == pytest.approx(each, abs=1e-9)


def test_a_high_level_changes_neither_samples_nor_figures(values):
    samples, figures = [], []
    for level in (0.0, 2e7):
        series = from_array(level + values)
        context = build_context(series)
        bank, hosts = broad_bank(context, ["level_shift", "noise_burst"]), draw_hosts(series, context, 0)
        samples.append(bank.sample(hosts.windows, torch.Generator().manual_seed(0), hosts.starts))
        figures.append(discriminability(bank.rules, [], context, hosts))
    assert series.offset is not None
    assert torch.equal(samples[0].mask, samples[1].mask)
    torch.testing.assert_close(samples[1].pseudo, samples[0].pseudo, rtol=0, atol=1e-5)
    for rule, each in figures[0].items():
        assert figures[1][rule] == pytest.approx(each, abs=2e-3)


@pytest.mark.parametrize("level", [0.0, -40.0, 300.0, 101325.0, 2e7, -1e9])
def test_a_dropout_falls_to_the_zero_of_the_data(values, level):
    series = from_array(level + values)
    context = build_context(series)
    rule = broad_bank(context, ["dropout_zero"]).rules[0]
    zero = Parameter(name="minimum", low=0, high=0.4)
    scale = ScalePrior(low=0.1, high=1.5e9, unit="series_sd")
    rule = rule.model_copy(update={"program": [Step(operator="dropout_zero", parameters=[zero])], "scale": scale})
    bank, hosts = RuleBank(rules=[rule], context=context), draw_hosts(series, context, 0)
    pseudo, mask, _ = bank.sample(hosts.windows, torch.Generator().manual_seed(0), hosts.starts)
    offset = np.zeros(2) if series.offset is None else series.offset
    data = pseudo.numpy().astype(np.float64) + offset[:, None]
    assert (offset != 0).all() == (abs(level) > 1e5)
    np.testing.assert_allclose(data[mask.numpy()], 0, atol=1e-7 * abs(level))
    assert discriminability([rule], [], context, hosts)[rule.id]["plausible"] >= 0.9 or level == 0.0
