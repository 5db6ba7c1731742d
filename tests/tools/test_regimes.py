"""Borders between regimes."""

from __future__ import annotations

import numpy as np

from ape.series.matrix_profile import matrix_profile
from ape.tools.regimes import find_regimes

from .conftest import NOISE, sine


def test_change_of_shape_is_a_border():
    square = np.sign(sine(25, 1500)) + 0.05 * NOISE[:1500]
    both = np.concatenate([sine(25, 1500) + 0.05 * NOISE[1500:3000], square])
    result = find_regimes(matrix_profile(both, 25).index, 25)
    assert abs(result.borders[0]["position"] - 1500) < 50 and result.borders[0]["crossed_share"] < 0.1
    assert len(result.borders) == 1
    assert not find_regimes(matrix_profile(sine(25) + 0.05 * NOISE, 25).index, 25).borders
