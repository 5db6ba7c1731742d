"""Checks that all comparison methods share."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support import with_gaps

from ape.evals.methods import METHODS, running
from ape.evals.metrics import roc_auc
from ape.series import from_array

WINDOW = 48


def sine_series(channels: int, length: int, train_end: int, onset: int):
    """Return noisy sine waves with 40 anomalous points of noise at ``onset``, and labels."""
    steps = np.arange(length)
    noise = 0.05 * np.random.default_rng(0).normal(size=(length, channels))
    values = np.stack([np.sin(2 * np.pi * (steps + 5 * c) / 24) for c in range(channels)], axis=1) + noise
    values[onset : onset + 40] = np.random.default_rng(1).normal(size=(40, channels)) * 2
    labels = np.zeros(length, dtype=bool)
    labels[onset : onset + 40] = True
    return from_array(values, train_end=train_end), labels


def normal_windows(channels: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(2).normal(size=(16, channels, WINDOW)).astype(np.float32))


@pytest.mark.parametrize(
    ("channels", "steps", "batch"),
    [
        (1, 20, 32),
        pytest.param(1, 120, 64, marks=pytest.mark.extended),
        pytest.param(5, 120, 64, marks=pytest.mark.extended),
    ],
)
@pytest.mark.parametrize("name", METHODS)
def test_a_large_anomaly_scores_above_normal_points(name, channels, steps, batch, monkeypatch):
    monkeypatch.setattr(running, "STEPS", steps)
    monkeypatch.setattr(running, "BATCH", batch)
    data, labels = sine_series(channels, 1200, 800, 1000)
    scores = running.score(METHODS[name], data, WINDOW, seed=0)
    assert scores.shape == (1200,) and np.isfinite(scores).all()
    assert roc_auc(labels[800:], scores[800:]) > 0.7


@pytest.mark.parametrize("name", METHODS)
def test_scores_are_determined_by_the_seed(name, monkeypatch):
    monkeypatch.setattr(running, "STEPS", 4)
    monkeypatch.setattr(running, "BATCH", 16)
    data, _ = sine_series(2, 250, 160, 200)
    one, same, other = (running.score(METHODS[name], data, WINDOW, seed) for seed in (0, 0, 1))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.negatives is not None])
def test_negatives_differ_from_their_hosts_and_leave_them_unchanged(name, channels):
    hosts = normal_windows(channels)
    before = hosts.clone()
    negatives = METHODS[name].negatives(hosts, torch.Generator().manual_seed(0), torch.arange(16))
    assert torch.equal(hosts, before) and negatives.shape == hosts.shape and bool(torch.isfinite(negatives).all())
    assert bool((negatives != hosts).flatten(1).any(1).all())
    again = METHODS[name].negatives(hosts, torch.Generator().manual_seed(0), torch.arange(16))
    assert torch.equal(negatives, again)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_states_its_source(name):
    method = METHODS[name]
    assert method.paper and method.settings and method.claim
    assert method.claim != "reproduction" or "own construction" not in method.paper


@pytest.mark.parametrize("name", ["CutAddPaste", "NCAD"])
def test_stretches_shorter_than_a_window_get_no_score(name, monkeypatch):
    monkeypatch.setattr(running, "STEPS", 2)
    series = with_gaps(sine_series(1, 600, 400, 500)[0], 200, 230, 450)
    scores = running.score(METHODS[name], series, WINDOW, seed=0)
    assert np.flatnonzero(np.isnan(scores)).tolist() == list(range(200, 230))
