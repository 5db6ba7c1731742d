"""A short series, and detectors that train for a few steps on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ape.detectors
import ape.series


@pytest.fixture(scope="session", autouse=True)
def _one_thread(one_thread):
    """All tests of this folder run on one thread."""


@pytest.fixture(scope="session")
def series():
    noise = 0.05 * np.random.default_rng(0).standard_normal(1100)
    return ape.series.from_array(np.sin(2 * np.pi * np.arange(1100) / 24) + noise, train_end=800)


@pytest.fixture(scope="session")
def make():
    """Makes an untrained detector by name."""

    def create(name, steps, window=24):
        detector = ape.detectors.create(name, window=window, device="cpu")
        detector.budget = replace(detector.budget, steps=steps)
        return detector

    return create
