"""Search for stretches of the same shape."""

from __future__ import annotations

import numpy as np

from ape.tools.similar import find_similar

from .conftest import NOISE


def test_shape_is_matched_at_another_level_and_amplitude():
    values = 0.3 * NOISE
    shape = np.hanning(60)
    for at, size, level in ((500, 4, 0), (1700, 9, 5), (3100, 2.5, -3)):
        values[at : at + 60] = 0.02 * NOISE[:60] + size * shape + level
    result, alike = find_similar(values, 500, 560)
    assert {round(each["position"], -1) for each in result[:2]} == {1700, 3100} and alike == 2
