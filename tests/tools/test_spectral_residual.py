"""Points that the spectrum does not explain."""

from __future__ import annotations

import numpy as np

from ape.tools.spectral_residual import salience

from .conftest import NOISE, sine


def test_break_of_rhythm_is_salient_and_noise_is_not():
    values = sine(50) + 0.02 * NOISE
    values[2000] += 3
    strength = salience(values)
    assert abs(int(strength.argmax()) - 2000) <= 2 and strength.max() > 20
    assert np.mean(salience(NOISE) > 8) < 0.01
