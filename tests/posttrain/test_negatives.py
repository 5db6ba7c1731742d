"""Null negatives keep what they should of the hosts; recipes without pseudo-anomalies do without them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ape.posttrain import RECIPES, enhance, from_bank, from_series, surrogates
from ape.posttrain.losses import contrast

STARTS = torch.arange(20)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("length", [16, 17])
def test_surrogates_keep_mean_and_spectrum_and_change_the_window(length):
    hosts = torch.randn(20, 2, length, generator=seeded())
    made = surrogates(hosts, seeded(1), STARTS)
    assert made.shape == hosts.shape
    for x in (hosts, made):
        assert torch.isfinite(x).all()
    torch.testing.assert_close(made.mean(2), hosts.mean(2), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(torch.fft.rfft(made).abs(), torch.fft.rfft(hosts).abs(), atol=1e-4, rtol=1e-4)
    assert ((made - hosts).abs().amax((1, 2)) > 0.1).all()


def test_surrogates_keep_how_channels_go_together():
    hosts = torch.randn(20, 2, 32, generator=seeded())
    cross = [
        torch.fft.rfft(x[:, 0]) * torch.fft.rfft(x[:, 1]).conj() for x in (hosts, surrogates(hosts, seeded(1), STARTS))
    ]
    torch.testing.assert_close(*cross, atol=1e-3, rtol=1e-3)


def test_windows_of_other_series_are_pieces_of_them_in_the_hosts_units():
    others = [np.arange(100.0), np.sin(np.arange(60.0)), np.zeros(5)]
    hosts = 50 + 3 * torch.randn(200, 1, 10, generator=seeded())
    made = from_series(others)(hosts, seeded(1), torch.arange(200))
    ramps = made.diff(dim=2).diff(dim=2).abs().amax((1, 2)) < 1e-3
    assert 50 < int(ramps.sum()) < 150  # one of the two that are long enough
    whole = torch.from_numpy((others[0] - others[0].mean()) / others[0].std()).float() * hosts.std() + hosts.mean()
    distance = (made[ramps][:, 0, :1] - whole).abs().min(1)
    torch.testing.assert_close(made[ramps][:, 0], whole.unfold(0, 10, 1)[distance.indices], atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("make", [surrogates, from_series([np.random.default_rng(0).normal(size=99)])])
def test_negatives_are_drawn_by_the_generator_alone(make):
    hosts = torch.randn(20, 1, 12, generator=seeded())
    torch.testing.assert_close(make(hosts, seeded(1), STARTS), make(hosts, seeded(1), STARTS), rtol=0, atol=0)
    assert not torch.equal(make(hosts, seeded(1), STARTS), make(hosts, seeded(2), STARTS))


def test_without_negatives_the_loss_is_the_distance_to_the_centre():
    vectors = torch.eye(2).repeat(1, 3, 1, 1)
    assert contrast(vectors, RECIPES["one-class"], torch.tensor([[1.0, 0.0]])).item() == pytest.approx(0.5)


def test_two_branches_push_off_the_other_windows_and_never_see_the_third():
    first = torch.eye(2).repeat(1, 3, 1, 1)
    other = first.clone()
    other[:, 2] = -other[:, 2]
    recipe = replace(RECIPES["two-branches"], temperature=1.0)
    losses = [contrast(vectors, recipe, torch.zeros(1, 2)).item() for vectors in (first, other)]
    assert losses[0] == losses[1] == pytest.approx(np.log1p(np.exp(-1)))  # own at 1, the other at 0


def test_untrained_recipe_leaves_backbone_and_head_as_they_are(detector, bank, series):
    result = enhance(detector, bank, series, recipe=RECIPES["untrained"])
    assert result.candidate is not None
    for name, tensor in detector.module.state_dict().items():
        assert torch.equal(tensor, result.candidate.module.state_dict()[name])
    again = enhance(detector, bank, series, recipe=RECIPES["untrained"], negatives=surrogates).candidate
    assert again is not None
    np.testing.assert_array_equal(again.score(series), result.candidate.score(series))


def test_reconstruction_alone_moves_the_backbone_and_no_head(detector, bank, series):
    recipe = replace(RECIPES["reconstruction"], joint_steps=10, pool=128)
    candidate = enhance(detector, bank, series, recipe=recipe).candidate
    untrained = enhance(detector, bank, series, recipe=RECIPES["untrained"]).candidate
    assert candidate is not None and untrained is not None
    weights = [detector.module.state_dict(), candidate.module.state_dict()]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_given_negatives_take_the_banks_place(detector, bank, series, quick):
    found = [
        enhance(detector, bank, series, recipe=quick, negatives=negatives).candidate.score(series)
        for negatives in (None, from_bank(bank), surrogates)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
