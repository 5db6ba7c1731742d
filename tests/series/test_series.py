"""The `Series` type."""

from __future__ import annotations

import numpy as np

from ape.series import from_array

WAVE = np.sin(np.arange(400) / 7.0)


def test_fingerprint_depends_on_values_and_train_end():
    assert from_array(WAVE).fingerprint == from_array(WAVE.copy()).fingerprint
    assert from_array(WAVE).fingerprint != from_array(WAVE, train_end=200).fingerprint
    assert from_array(WAVE).fingerprint != from_array(WAVE + 1e-3).fingerprint
