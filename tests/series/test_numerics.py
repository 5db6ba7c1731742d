"""Numerics: values computed by hand, and agreement with statsmodels."""

from __future__ import annotations

import numpy as np
import pytest

from ape.series import numerics


def test_robust_scale_by_hand():
    assert numerics.robust_scale(np.array([1.0, 2, 3, 4, 100])) == pytest.approx(1.4826)
    assert numerics.robust_scale(np.array([0.0] * 9 + [10])) == pytest.approx(0.01)
    assert numerics.robust_scale(np.ones(9)) == 0
    assert numerics.robust_scale(np.ones(9), least=0.5) == 0.5


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


def test_scales_of_channels_by_hand():
    still, wave = np.full(4, 0.1), np.array([-1.0, 1, -1, 1])
    values = np.stack([wave, 1e-12 * wave, still, 1e12 * wave], axis=1)
    np.testing.assert_allclose(numerics.channel_scale(values, 1e-3), [1, 1e-12, 1e-3 * 0.5, 1e12], rtol=1e-9)
    assert numerics.channel_scale(values[:, [2, 0, 2]], 1e-3) == pytest.approx([1e-3, 1, 1e-3])
    assert numerics.channel_scale(values[:, 2:3], 1e-3) == [1]


def test_units_are_powers_of_two_next_to_the_deviation():
    wave = np.array([-1.0, 1, -1, 1])
    assert [float(numerics.unit_of(size * wave)) for size in (1, 0.9, 3, 1e-12, 0)] == [1, 1, 4, 2.0**-40, 1]


@pytest.mark.parametrize("factor", [2.0**-90, 2.0**-40, 2.0**40, 2.0**100])
def test_the_unit_of_the_data_does_not_matter(factor):
    rng, t = np.random.default_rng(3), np.arange(900)
    values = np.stack([np.sin(t / 8) + 0.1 * rng.normal(size=900), rng.normal(size=900)], axis=1)
    assert numerics.dominant_period(factor * values) == numerics.dominant_period(values) == 49
    np.testing.assert_array_equal(numerics.acf(factor * values[:, 0], 60), numerics.acf(values[:, 0], 60))
    for measure in (
        numerics.robust_scale,
        lambda x: numerics.local_residual(x, 50),
        lambda x: numerics.rolling_std(x, 9),
    ):
        np.testing.assert_array_equal(measure(factor * values), factor * measure(values))


def test_a_small_channel_counts_for_the_period_as_much_as_a_large_one():
    t = np.arange(900)
    small, noise = 1e-20 * np.sin(2 * np.pi * t / 30), np.random.default_rng(0).normal(size=900)
    assert numerics.dominant_period(np.stack([small, noise], axis=1)) == pytest.approx(30, abs=1)


def test_rounding_is_no_period():
    line = np.linspace(1e6, 2e6, 900)  # less the trend, only rounding is left
    assert numerics.dominant_period(line) is None
    assert np.abs(numerics.acf(np.full(90, 0.1), 9)).max() < 0.01
