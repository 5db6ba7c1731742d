"""Power by period."""

from __future__ import annotations

import numpy as np
import pytest

from ape.tools.spectrum import measure_spectrum

from .conftest import NOISE, sine


def test_two_tones_and_noise():
    result = measure_spectrum(2 * sine(100) + sine(10) + 0.05 * NOISE)
    assert [peak["period"] for peak in result.peaks[:2]] == pytest.approx([100, 10], rel=0.03)
    assert [peak["share"] for peak in result.peaks[:2]] == pytest.approx([0.8, 0.2], abs=0.03)  # 4 to 1 in power
    assert result.steady_share == 1.0
    assert result.flatness < 0.05
    white = measure_spectrum(NOISE)
    assert white.flatness > 0.8
    assert white.top_peak_share < 0.05
    assert sum(white.band_share.values()) == pytest.approx(1)
    assert white.band_share["under_4"] == pytest.approx(0.5, abs=0.05)


def test_changes_of_frequency_and_activity_over_time():
    chirp = np.concatenate([sine(80, 2000), sine(20, 2000)])
    assert measure_spectrum(chirp).steady_share < 0.7
    loud = NOISE * np.repeat([1.0, 4.0], 2000)
    assert measure_spectrum(loud).band_change["under_4"] > 8
    assert measure_spectrum(NOISE).band_change["under_4"] < 4
