"""Correlation of all pairs of channels."""

from __future__ import annotations

import numpy as np

from ape.tools.correlation import correlations

from .conftest import NOISE, OTHER_NOISE


def test_correlations_match_numpy_and_are_nan_for_constant_channels():
    values = np.column_stack([NOISE, -2 * NOISE, OTHER_NOISE, np.ones(4000)])
    result = correlations(values)
    np.testing.assert_allclose(result[:3, :3], np.corrcoef(values[:, :3], rowvar=False), atol=1e-12)
    assert np.isnan(result[3]).all()


def test_tool_lists_the_strongest_pairs(ask):
    assert ask(NOISE, "correlation") == {"mean_absolute": None, "strongest": []}
    answer = ask(np.column_stack([NOISE, OTHER_NOISE, -NOISE]), "correlation")
    assert answer["strongest"][0] == {"channels": ["c0", "c2"], "correlation": -1.0}
