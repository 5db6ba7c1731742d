"""The recipe of the paper: its loss by hand, and what a post-training does to a detector."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ape import detectors
from ape.evals import paper
from ape.evals.metrics import average_precision
from ape.rules import broad_bank, build_context
from ape.series import from_array


def test_info_nce_by_hand():
    query, positive = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    negatives = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    keys = [0.0, 1 / paper.TEMPERATURE, -1 / paper.TEMPERATURE]
    expected = math.log(sum(math.exp(key) for key in keys)) - keys[0]
    assert paper.info_nce(query, positive, negatives).item() == pytest.approx(expected)


@pytest.fixture(scope="module")
def trained():
    values = np.sin(2 * np.pi * np.arange(1200) / 40) + 0.05 * np.random.default_rng(0).normal(size=1200)
    values[1000:1030] += 1.5
    series = from_array(values, train_end=800)
    return detectors.create("vae", device="cpu").fit(series, seed=0), series


def test_the_score_finds_an_event_and_leaves_the_detector_as_it_is(trained, monkeypatch):
    monkeypatch.setattr(paper, "STEPS", 5)
    monkeypatch.setattr(paper, "POOL", 100)
    detector, series = trained
    before = {name: value.clone() for name, value in detector.module.state_dict().items()}
    bank = broad_bank(build_context(series))
    first, again, other = (paper.score(detector, bank, series, seed) for seed in (0, 0, 1))
    assert all(torch.equal(value, before[name]) for name, value in detector.module.state_dict().items())
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    labels = (np.arange(1200) >= 1000) & (np.arange(1200) < 1030)
    assert average_precision(labels[800:], first[800:]) > 0.5


def test_training_lowers_the_contrastive_loss(trained, monkeypatch):
    monkeypatch.setattr(paper, "POOL", 200)
    losses, plain = [], paper.info_nce
    monkeypatch.setattr(paper, "STEPS", 60)
    monkeypatch.setattr(paper, "info_nce", lambda *args: losses.append(plain(*args)) or losses[-1])
    detector, series = trained
    paper.score(detector, broad_bank(build_context(series), ["level_shift"]), series)
    assert np.mean([loss.item() for loss in losses[-10:]]) < 0.7 * losses[0].item()
