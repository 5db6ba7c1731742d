"""What all methods that APE is compared with have in common."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ape.evals.methods import METHODS, running
from ape.evals.metrics import roc_auc
from ape.series import from_array

WINDOW = 48


def series(channels: int, length: int = 1200):
    steps = np.arange(length)
    noise = 0.05 * np.random.default_rng(0).normal(size=(length, channels))
    values = np.stack([np.sin(2 * np.pi * (steps + 5 * c) / 24) for c in range(channels)], axis=1) + noise
    values[1000:1040] = np.random.default_rng(1).normal(size=(40, channels)) * 2
    labels = np.zeros(length, dtype=bool)
    labels[1000:1040] = True
    return from_array(values, train_end=800), labels


def normal(channels: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(2).normal(size=(16, channels, WINDOW)).astype(np.float32))


@pytest.mark.parametrize("channels", [1, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", METHODS)
def test_a_gross_anomaly_scores_above_normal_points(name, channels, monkeypatch):
    monkeypatch.setattr(running, "STEPS", 120)
    data, labels = series(channels)
    scores = running.score(METHODS[name], data, WINDOW, seed=0)
    assert scores.shape == (1200,) and np.isfinite(scores).all()
    assert roc_auc(labels[800:], scores[800:]) > 0.7


@pytest.mark.parametrize("name", METHODS)
def test_the_same_seed_gives_the_same_scores_and_another_gives_others(name, monkeypatch):
    monkeypatch.setattr(running, "STEPS", 5)
    data, _ = series(2, 1050)
    one, same, other = (running.score(METHODS[name], data, WINDOW, seed) for seed in (0, 0, 1))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.negatives is not None])
def test_negatives_differ_from_their_hosts_and_leave_them_as_they_were(name, channels):
    hosts = normal(channels)
    before = hosts.clone()
    made = METHODS[name].negatives(hosts, torch.Generator().manual_seed(0), torch.arange(16))
    assert torch.equal(hosts, before) and made.shape == hosts.shape and bool(torch.isfinite(made).all())
    assert bool((made != hosts).flatten(1).any(1).all())
    again = METHODS[name].negatives(hosts, torch.Generator().manual_seed(0), torch.arange(16))
    assert torch.equal(made, again)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_where_it_is_from(name):
    method = METHODS[name]
    assert method.paper and method.settings and method.claim
    assert method.claim != "reproduction" or "own construction" not in method.paper
