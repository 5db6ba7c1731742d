"""Resolution of values and regularity of timestamps."""

from __future__ import annotations

import numpy as np
import pytest

from ape.tools.sampling import measure_sampling

from .conftest import NOISE, sine


def test_steps_of_values_and_timestamps_are_measured():
    clock = np.datetime64("2026-01-01T00:00:00", "ms") + np.arange(400) * np.timedelta64(60_000, "ms")
    clock[200:] += np.timedelta64(600_000, "ms")
    result = measure_sampling(np.round(sine(37, 400), 1), clock)
    assert result.quantisation_step == pytest.approx(0.1) and result.levels == pytest.approx(20)
    assert (result.step_seconds, result.gaps, result.longest_gap_seconds) == (60.0, 1, 660.0)
    assert result.jitter_share == pytest.approx(1 / 399)
    free = measure_sampling(NOISE[:400], None)
    assert free.quantisation_step is None and free.gaps is None
