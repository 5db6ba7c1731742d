"""The score that the paper of each backbone defines."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ape.detectors
from ape.detectors.registry import BACKBONES, ERROR

STEPS = {"vae": 150, "lstm-ae": 120, "donut": 200, "fcvae": 200, "omni-anomaly": 120, "timesnet": 60}
FAST = {"vae", "donut"}  # the first scores by the error, the second does not


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=() if name in FAST else pytest.mark.extended) for name in ape.detectors.names()],
)
def trained(request, make, series):
    return make(request.param, steps=STEPS.get(request.param, 90), device="cpu").fit(series)


def test_own_score_is_highest_at_the_planted_anomaly(trained, series, planted):
    score = trained.score(series, own=True)
    assert score.dtype == np.float32 and score.shape == (series.length,) and np.isfinite(score).all()
    assert planted.start <= score.argmax() < planted.stop


def test_own_score_is_reproducible_and_keeps_the_global_random_state(trained, series):
    torch.manual_seed(5)
    before, first = torch.get_rng_state(), trained.score(series, stride=8, own=True)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(6)
    np.testing.assert_array_equal(first, trained.score(series, stride=8, own=True))


def test_own_score_is_the_error_exactly_if_the_registry_says_so(trained, series):
    same = np.array_equal(trained.score(series, own=True), trained.score(series))
    assert same == BACKBONES[trained.name].own_score.startswith(ERROR)


@pytest.mark.extended
def test_own_score_with_association_is_not_the_error(make, series):
    detector = make("transformer", steps=30, device="cpu", association=True).fit(series)
    assert not np.allclose(detector.score(series, own=True), detector.score(series))
