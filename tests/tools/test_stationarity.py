"""Level and spread over the length of a series."""

from __future__ import annotations

import numpy as np
import pytest

from ape.tools.stationarity import measure_stationarity

from .conftest import NOISE, sine


def test_random_walk_trend_and_activity_differ_from_noise():
    still, walk = measure_stationarity(NOISE), measure_stationarity(np.cumsum(NOISE))
    assert still.adf_p_value < 0.01 < 0.1 < walk.adf_p_value
    assert walk.level_range_in_sd > 1 > still.level_range_in_sd
    rising = measure_stationarity(np.linspace(0, 1, 4000) + 0.01 * NOISE)
    assert rising.trend_fit > 0.99
    assert rising.trend_over_length_in_sd == pytest.approx(0.9 * np.sqrt(12), rel=0.02)  # between middles of tenths
    assert measure_stationarity(NOISE * np.repeat([1.0, 5.0], 2000)).block_spread_ratio == pytest.approx(5, rel=0.15)
    assert still.block_spread_ratio < 1.3
    assert still.memory == pytest.approx(0.5, abs=0.06) and walk.memory == pytest.approx(1.5, abs=0.1)


def test_cycle_is_not_mistaken_for_drift():
    result = measure_stationarity(sine(230, 2500) + 0.3 * sine(115, 2500) + 0.01 * NOISE[:2500])
    assert result.level_range_in_sd < 0.1
