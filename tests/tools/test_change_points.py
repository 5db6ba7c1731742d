"""Permanent changes of level and activity."""

from __future__ import annotations

import numpy as np
import pytest

from ape.tools.change_points import find_changes

from .conftest import NOISE, sine


def test_planted_step_is_located():
    values = NOISE + np.repeat([0.0, 3.0], [2600, 1400])
    result = find_changes(values)
    assert result.count == 1
    assert result.positions[0] == pytest.approx(2600, abs=2 * result.bin_width)
    assert result.sizes_in_sd[0] == pytest.approx(3 / values.std(), rel=0.15)
    assert result.level_explained > 0.9
    assert result.activity_count == 0


def test_planted_change_of_activity_is_located():
    result = find_changes(NOISE * np.repeat([1.0, 3.0], [1500, 2500]))
    assert (result.count, result.activity_count) == (0, 1)
    assert result.activity_positions[0] == pytest.approx(1500, abs=2 * result.bin_width)
    assert result.activity_ratios[0] == pytest.approx(3, rel=0.2)


@pytest.mark.parametrize(
    "values", [NOISE, sine(300), sine(37) + 0.1 * NOISE], ids=["noise", "long cycle", "short cycle"]
)
def test_stationary_series_have_no_change_points(values):
    result = find_changes(values)
    assert (result.count, result.activity_count, result.level_explained) == (0, 0, 0.0)
