"""Shares of channels in a score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support import with_gaps

import ape.detectors
import ape.series
from ape.posttrain import assess, enhance
from ape.rules import broad_bank, build_context

TRAIN_END, EVENT = 300, slice(400, 420)


@pytest.fixture
def detector():
    """A detector whose reconstruction is zero."""
    return ape.detectors.wrap(
        torch.nn.Sequential(torch.nn.Identity()),
        encoder="0",
        reconstruct=lambda module, x: 0 * module(x),
        window=10,
        scale=(np.zeros(3), np.ones(3)),
        device="cpu",
    )


def noisy(scales=(1.0, 1.0, 1.0)):
    values = np.random.default_rng(0).standard_normal((500, 3)) * scales
    values[EVENT, 1] += 20 * scales[1]
    return ape.series.from_array(values, train_end=TRAIN_END)


def test_shares_of_a_point_add_up_to_one(detector):
    series = noisy()
    assessment = assess(detector, series)
    np.testing.assert_array_equal(assessment.score, detector.score(series))
    assert assessment.shares.shape == (500, 3) and assessment.shares.dtype == np.float32
    np.testing.assert_allclose(assessment.shares.sum(axis=1), 1, rtol=1e-5)
    assert assessment.ranking(400, 420) == []  # a plain detector has no rules


def test_anomalous_channel_has_the_largest_share_at_any_scale(detector):
    series = noisy(scales=(50.0, 1.0, 1.0))
    shares = assess(detector, series).shares
    assert (shares[EVENT].argmax(axis=1) == 1).all()
    quiet = shares[330:380].mean(axis=0)
    assert quiet == pytest.approx([1 / 3] * 3, abs=0.15)


def test_constant_channel_has_no_share_until_it_changes(detector):
    values = noisy().values.copy()
    values[:, 2] = 0
    values[450:, 2] = 1
    shares = assess(detector, ape.series.from_array(values, train_end=TRAIN_END)).shares
    assert np.isfinite(shares).all() and shares[:400, 2].max() == 0
    assert shares[460:, 2].min() > 0.9


def test_points_without_a_score_have_no_shares(detector):
    series = with_gaps(noisy(), 200, 205)
    assessment = assess(detector, series)
    unscored = np.isnan(assessment.score)
    assert np.flatnonzero(unscored).tolist() == [*range(200, 205)]
    np.testing.assert_array_equal(np.isnan(assessment.shares).all(axis=1), unscored)


def test_series_whose_training_part_lacks_values_is_split_by_all_its_points(detector):
    missing = np.zeros((500, 3), dtype=bool)
    missing[:TRAIN_END] = True
    series = replace(noisy(), missing=missing)
    assert (assess(detector, series).shares[EVENT].argmax(axis=1) == 1).all()


def waves(length, seed):
    noise = np.random.default_rng(seed).standard_normal((length, 2))
    return np.sin(2 * np.pi * np.arange(length)[:, None] / [24, 12]) + [0.05, 0.3] * noise


@pytest.fixture(scope="module")
def two_channels():
    return ape.series.from_array(waves(900, 0), ["a", "b"])


@pytest.fixture(scope="module")
def plain(two_channels):
    """A trained backbone, which is not told where the training part of a new series ends."""
    plain = ape.detectors.create("vae", window=24, device="cpu")
    plain.budget = replace(plain.budget, steps=60)
    return plain.fit(two_channels)


def require_equal_shares_before_later_data(detector, provisional=30):
    longer = waves(900, 5)
    longer[600:] *= [30, 1]
    new, longer = (ape.series.from_array(x, ["a", "b"], scoring=True) for x in (waves(900, 5)[:500], longer))
    before, after = (assess(detector, series).shares for series in (new, longer))
    final = slice(0, 500 - provisional)
    np.testing.assert_allclose(before[final], after[final], rtol=1e-4)


def test_shares_do_not_depend_on_later_data(plain, tmp_path):
    assert len(plain.required.errors) == 2
    require_equal_shares_before_later_data(plain)
    plain.save(tmp_path / "d")
    require_equal_shares_before_later_data(ape.detectors.load(tmp_path / "d", device="cpu"))


@pytest.mark.extended
def test_shares_of_an_enhanced_detector_do_not_depend_on_later_data(plain, two_channels, quick):
    recipe = replace(quick, steps=5, joint_steps=2)
    result = enhance(plain, broad_bank(build_context(two_channels)), two_channels, recipe=recipe)
    require_equal_shares_before_later_data(result.candidate, result.candidate.latency)
