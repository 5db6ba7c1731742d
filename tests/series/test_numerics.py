"""Numerics: values computed by hand, and agreement with statsmodels."""

from __future__ import annotations

import numpy as np
import pytest

from ape.series import numerics


def test_robust_scale_by_hand():
    assert numerics.robust_scale(np.array([1.0, 2, 3, 4, 100])) == pytest.approx(1.4826)
    assert numerics.robust_scale(np.array([0.0] * 9 + [10])) == pytest.approx(0.01)


@pytest.mark.parametrize("period", [12, 50, 183])
def test_dominant_period_of_a_noisy_wave(period):
    t = np.arange(12 * period)
    wave = np.sin(2 * np.pi * t / period) + 0.5 * np.sin(4 * np.pi * t / period + 1)
    noisy = wave + 0.2 * np.random.default_rng(1).normal(size=len(t))
    assert numerics.dominant_period(noisy) == pytest.approx(period, rel=0.03)


def test_noise_has_no_period():
    assert numerics.dominant_period(np.random.default_rng(0).normal(size=3000)) is None


def test_acf_agrees_with_statsmodels():
    from statsmodels.tsa.stattools import acf

    x = np.cumsum(np.random.default_rng(2).normal(size=500))
    np.testing.assert_allclose(numerics.acf(x, 40), acf(x, nlags=40, adjusted=True, fft=True), atol=1e-10)


def test_auc_counts_ties_half():
    assert numerics.auc(np.array([0.0, 1.0]), np.array([1.0, 2.0])) == pytest.approx((0.75 + 1.0) / 2)
    assert numerics.auc(np.array([3.0, 4.0]), np.array([1.0])) == 0.0
