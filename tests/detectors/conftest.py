"""Waves with a planted anomaly, and two backbones trained on them for a few steps."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from foreign_network import Foreign

import ape.detectors
import ape.series

WINDOW, PERIOD, TRAIN_END, LENGTH = 24, 24, 800, 1100
PLANTED = slice(900, 930)
STEPS = {"vae": 150, "lstm-ae": 60}


@pytest.fixture(scope="session", autouse=True)
def _one_thread(one_thread):
    """All tests of this folder run on one thread."""


@pytest.fixture(scope="session")
def batch():
    """Function that makes sines and squares of random phase, [count, channels, window]."""

    def make(count=8, window=24, channels=1, seed=0):
        generator = torch.Generator().manual_seed(seed)
        phase = torch.rand(count, channels, 1, generator=generator) * 2 * math.pi
        angle = 2 * math.pi * torch.arange(window) / 12 + phase
        return torch.where(torch.arange(count)[:, None, None] % 2 == 0, angle.sin(), 0.7 * angle.sin().sign())

    return make


@pytest.fixture(scope="session")
def shapes():
    """Function that makes windows of sine plus square at different phases, [8, 1, window]."""

    def make(window=24):
        phase = torch.arange(window) / (12 if window > 12 else 8) + torch.arange(8)[:, None, None] / 8
        return torch.sin(2 * math.pi * phase) + 0.5 * torch.sign(torch.sin(4 * math.pi * phase))

    return make


def make_values(channels: int) -> np.ndarray:
    t = np.arange(LENGTH)[:, None]
    phase, unit = np.arange(channels), 100.0 ** np.arange(channels)
    noise = 0.05 * np.random.default_rng(0).standard_normal((LENGTH, channels))
    values = np.sin(2 * np.pi * t / PERIOD + phase) + noise
    values[PLANTED, -1] += 0.8 * np.sin(2 * np.pi * np.arange(30) / 5)
    return unit * values + 7


@pytest.fixture(scope="session")
def series():
    return ape.series.from_array(make_values(1), train_end=TRAIN_END)


@pytest.fixture(scope="session")
def two_channels():
    """The second channel is a hundred times larger, and only it has the anomaly."""
    return ape.series.from_array(make_values(2), train_end=TRAIN_END)


@pytest.fixture(scope="session")
def planted():
    return PLANTED


@pytest.fixture(scope="session")
def shortened():
    """Function that limits the training steps of a detector."""

    def shorten(detector, steps):
        detector.budget = replace(detector.budget, steps=steps)
        return detector

    return shorten


@pytest.fixture(scope="session")
def make(shortened):
    """Function that creates a detector by name, with few training steps."""

    def create(name, steps=None, **options):
        return shortened(ape.detectors.create(name, **{"window": WINDOW, **options}), steps or STEPS[name])

    return create


@pytest.fixture(scope="session", params=["vae", "lstm-ae"])
def name(request):
    return request.param


@pytest.fixture(scope="session")
def detector(name, make, series):
    """Shared: tests must not change it."""
    return make(name).fit(series, seed=0)


@pytest.fixture(scope="session")
def of_two(name, make, two_channels):
    """Shared: tests must not change it."""
    return make(name).fit(two_channels, seed=0)


@pytest.fixture(scope="session")
def vae(make, series):
    """Shared: tests must not change it."""
    return make("vae").fit(series, seed=0)


@pytest.fixture(scope="session")
def trained(series):
    """Trained on raw windows without APE. Shared: tests must not change it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Foreign()
        begins = torch.randint(0, len(series.train) - WINDOW, (200, 64))
    data = torch.from_numpy(series.train.copy())
    optimiser = torch.optim.Adam(module.parameters(), lr=5e-3)
    for begin in begins:
        windows = data[begin[:, None] + torch.arange(WINDOW)]
        loss = (module(windows)[0] - windows).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return module.eval()
