"""Negatives from surrogates and from other series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ape.posttrain import enhance, from_series, surrogates

STARTS = torch.arange(20)


def new_generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("length", [16, 17])
def test_surrogates_keep_mean_and_spectrum_and_change_the_window(length):
    hosts = torch.randn(20, 2, length, generator=new_generator())
    made = surrogates(hosts, new_generator(1), STARTS)
    assert made.shape == hosts.shape
    for x in (hosts, made):
        assert torch.isfinite(x).all()
    torch.testing.assert_close(made.mean(2), hosts.mean(2), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(torch.fft.rfft(made).abs(), torch.fft.rfft(hosts).abs(), atol=1e-4, rtol=1e-4)
    assert ((made - hosts).abs().amax((1, 2)) > 0.1).all()


def test_surrogates_keep_the_cross_spectrum():
    hosts = torch.randn(20, 2, 32, generator=new_generator())
    cross = [
        torch.fft.rfft(x[:, 0]) * torch.fft.rfft(x[:, 1]).conj()
        for x in (hosts, surrogates(hosts, new_generator(1), STARTS))
    ]
    torch.testing.assert_close(*cross, atol=1e-3, rtol=1e-3)


def test_windows_of_other_series_are_scaled_to_the_hosts():
    others = [np.arange(100.0), np.sin(np.arange(60.0)), np.zeros(5)]
    hosts = 50 + 3 * torch.randn(200, 1, 10, generator=new_generator())
    made = from_series(others)(hosts, new_generator(1), torch.arange(200))
    ramps = made.diff(dim=2).diff(dim=2).abs().amax((1, 2)) < 1e-3
    assert 50 < int(ramps.sum()) < 150  # drawn from the ramp, one of two series that are long enough
    whole = torch.from_numpy((others[0] - others[0].mean()) / others[0].std()).float() * hosts.std() + hosts.mean()
    distance = (made[ramps][:, 0, :1] - whole).abs().min(1)
    torch.testing.assert_close(made[ramps][:, 0], whole.unfold(0, 10, 1)[distance.indices], atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("make", [surrogates, from_series([np.random.default_rng(0).normal(size=99)])])
def test_negatives_depend_on_the_generator_only(make):
    hosts = torch.randn(20, 1, 12, generator=new_generator())
    torch.testing.assert_close(
        make(hosts, new_generator(1), STARTS), make(hosts, new_generator(1), STARTS), rtol=0, atol=0
    )
    assert not torch.equal(make(hosts, new_generator(1), STARTS), make(hosts, new_generator(2), STARTS))


@pytest.mark.extended
def test_given_negatives_replace_the_bank(detector, bank, series, quick):
    recipe = replace(quick, steps=20)
    scores = [
        enhance(detector, bank, series, recipe=recipe, negatives=negatives).candidate.score(series)
        for negatives in (None, surrogates)
    ]
    assert not np.array_equal(*scores)


def test_the_unit_of_other_series_does_not_matter():
    wave, hosts = np.sin(np.arange(60.0)), torch.randn(50, 1, 10, generator=new_generator())
    made = [from_series([factor * wave])(hosts, new_generator(1), torch.arange(50)) for factor in (1.0, 2.0**-80)]
    assert torch.equal(*made)
