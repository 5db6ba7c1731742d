"""Host windows of series of several kinds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ape.rules import build_context
from ape.series import from_array
from ape.series.windows import sliding

T, L = 1500, 120


def make_families():
    t, rng = np.arange(T), np.random.default_rng(3)
    return {
        "sine": np.sin(2 * np.pi * t / 48),
        "noisy pulses": np.maximum(np.sin(2 * np.pi * t / 60), 0) ** 6 + 0.02 * rng.normal(size=T),
        "white noise": rng.normal(size=T),
        "random walk": np.cumsum(rng.normal(size=T)),
        "counts": rng.poisson(2.0, size=T).astype(float),
        "rare bursts": np.where(rng.random(T) < 0.02, 50.0, 0.0) + 0.01 * rng.normal(size=T),
        "huge units": 1e7 + 1e4 * np.sin(2 * np.pi * t / 80),
        "two channels": np.stack([np.sin(t / 9), np.cos(t / 9) + 0.1 * rng.normal(size=T)], 1),
        "flat stretches": np.where((t // 100) % 2 == 0, 5.0, 5 + np.sin(t / 5)),
    }


@pytest.fixture(scope="session")
def families():
    """Values of each series, [T] or [T, C]."""
    return make_families()


@pytest.fixture(scope="session")
def cut():
    """Makes context, windows and their starts from a series."""

    def make(series, stride):
        windows = sliding(series.values, L)[::stride].copy()
        return build_context(series), torch.from_numpy(windows), torch.arange(len(windows)) * stride

    return make


@pytest.fixture(scope="session")
def hosts(families, cut):
    """Makes context, windows and their starts by the name of a family."""
    return lambda family, stride=13: cut(from_array(families[family]), stride)


@pytest.fixture(scope="session")
def generator():
    return lambda seed: torch.Generator().manual_seed(seed)
