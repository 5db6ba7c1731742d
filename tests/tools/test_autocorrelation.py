"""The period of a channel, and how steady its cycles are."""

from __future__ import annotations

import numpy as np
import pytest

from ape.tools.autocorrelation import clock_agreement, measure_cycles, periods_over_chunks

from .conftest import NOISE, sine


def test_steady_sine_has_a_locked_phase():
    result = measure_cycles(sine(80) + 0.1 * NOISE)
    assert result.period == result.clock_period == 80
    assert result.phase_locked > 0.95
    assert result.acf_at_periods == pytest.approx([0.98] * 4, abs=0.03)
    assert result.period_spread < 0.03


def test_wandering_phase_is_not_locked():
    frequency = (1 + 0.15 * np.sin(2 * np.pi * np.arange(4000) / 1700)) / 40
    result = measure_cycles(np.sin(2 * np.pi * np.cumsum(frequency)))
    assert result.period == pytest.approx(40, abs=5)
    assert result.phase_locked < 0.4
    assert result.period_spread > 0.1
    assert result.acf_at_periods[0] > result.acf_at_periods[3]


def test_clock_agrees_with_the_right_period_only():
    assert clock_agreement(sine(50), 50) > 0.99
    assert abs(clock_agreement(sine(50), 51)) < 0.3
    assert abs(clock_agreement(NOISE, 50)) < 0.1  # 0.18 if a block were compared with itself too


def test_noise_has_no_period_and_periods_over_chunks_need_two_chunks():
    result = measure_cycles(NOISE)
    assert (result.period, result.phase_locked, result.acf_at_periods) == (None, None, [])
    assert periods_over_chunks(sine(400), 400) is None
    np.testing.assert_allclose(periods_over_chunks(sine(50.5), 50), 50.5, atol=0.3)
