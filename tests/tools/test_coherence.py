"""Lag and coherence of two channels."""

from __future__ import annotations

import numpy as np
import pytest

from ape.tools.coherence import measure_relation

from .conftest import NOISE, sine


def test_lag_of_a_following_channel_is_measured():
    first = np.convolve(NOISE, np.ones(5) / 5, mode="same")
    result = measure_relation(first[50:], first[:-50])  # the second does 50 samples later what the first did
    assert result.lag == 50 and result.correlation_at_lag == pytest.approx(1.0, abs=0.05)
    assert abs(result.correlation_without) < 0.2
    assert measure_relation(first[50:], -first[:-50]).correlation_at_lag == pytest.approx(-1.0, abs=0.05)


def test_channels_that_share_a_cycle_are_coherent_at_its_period():
    result = measure_relation(sine(40) + 0.5 * NOISE, sine(40) + 0.5 * np.roll(NOISE[::-1], 7))
    assert result.coherent_periods[0]["period"] == pytest.approx(40, rel=0.05)
    assert result.coherent_periods[0]["coherence"] > 0.9 > 0.4 > result.mean_coherence
