"""A small periodic series, a quickly trained backbone, and a recipe of few steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ape.detectors
import ape.series
from ape.posttrain import DEFAULT, acceptance, enhance
from ape.rules import broad_bank, build_context

WINDOW, PERIOD, TRAIN_END, LENGTH = 32, 25, 1200, 2000
PLANTED = slice(1600, 1640)


class Killed(Exception):
    pass


def killed_at(call, step="post-training"):
    """Return a progress callback that raises at the given call for a step."""
    calls = iter(range(1, 100))

    def progress(name, done, total, note=""):
        if name == step and next(calls) == call:
            raise Killed

    return progress


def quiet(*_args, **_kwargs):
    pass


def weights(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def make_wave(length: int = LENGTH, seed: int = 0) -> np.ndarray:
    t = np.arange(length)
    noise = np.random.default_rng(seed).standard_normal(length)
    return np.sin(2 * np.pi * t / PERIOD) + 0.3 * np.sin(4 * np.pi * t / PERIOD + 1) + 0.05 * noise


@pytest.fixture(scope="session", autouse=True)
def _few_implants():
    """Post-training is accepted on few implants."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acceptance, "MOST_COPIES", 6)
        yield


@pytest.fixture(scope="session")
def series():
    return ape.series.from_array(make_wave()[:, None], train_end=TRAIN_END)


@pytest.fixture(scope="session")
def wave():
    return make_wave


@pytest.fixture(scope="session")
def planted():
    """The same series with some time-reversed cycles after the training part, and their position."""
    values = make_wave()
    values[PLANTED] = values[PLANTED][::-1].copy()
    return ape.series.from_array(values[:, None], train_end=TRAIN_END), PLANTED


@pytest.fixture(scope="session")
def detector(series):
    return ape.detectors.create("vae", window=WINDOW, device="cpu").fit(series, seed=0)


@pytest.fixture(scope="session")
def bank(series):
    return broad_bank(build_context(series), ["time_reverse", "amplitude_scale"])


@pytest.fixture(scope="session")
def quick():
    return replace(DEFAULT, steps=40, joint_steps=5)


@pytest.fixture(scope="session")
def enhanced(detector, bank, series, quick):
    """Accepted result of a short post-training. Tests must not change it."""
    result = enhance(detector, bank, series, recipe=quick)
    assert result.accepted, result.report["reason"]
    return result
