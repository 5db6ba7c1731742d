"""Seasonal-trend decomposition."""

from __future__ import annotations

import io

import numpy as np
import pytest

from ape.tools.artefacts import Artefacts
from ape.tools.stl import decompose, strength

from .conftest import NOISE, sine


def test_parts_add_up_and_have_the_expected_strength():
    values = 3 * sine(50) + np.linspace(0, 10, 4000) + 0.1 * NOISE
    parts = decompose(values, [50])
    np.testing.assert_allclose(parts.seasonal.sum(axis=0) + parts.trend + parts.residual, values, atol=1e-9)
    assert strength(parts.seasonal[0], parts.residual) > 0.99
    assert strength(parts.trend, parts.residual) > 0.99
    plain = decompose(NOISE, [50])
    assert strength(plain.seasonal[0], plain.residual) < 0.4


def test_several_periods_are_separated():
    parts = decompose(sine(24) + 2 * sine(168) + 0.1 * NOISE, [24, 168])
    assert parts.seasonal.shape == (2, 4000)
    middle = slice(500, 3500)
    assert np.corrcoef(parts.seasonal[0][middle], sine(24)[middle])[0, 1] > 0.95
    assert np.corrcoef(parts.seasonal[1][middle], sine(168)[middle])[0, 1] > 0.95


def test_middle_of_a_long_series_is_decomposed():
    parts = decompose(sine(50, 30_000), [50])
    assert (parts.begin, parts.end, len(parts.trend)) == (5000, 25_000, 20_000)


def test_strength_by_hand():
    part, residual = np.array([3.0, -3.0, 3.0, -3.0]), np.array([1.0, 1.0, -1.0, -1.0])
    assert strength(part, residual) == pytest.approx(1 - 1 / 10)
    assert strength(-residual, residual) == 0.0


def test_tool_stores_parts_that_add_up(ask, wave, tmp_path):
    answer = ask(wave, "stl", periods=[50])
    assert answer["seasonal_strength"] > 0.97
    assert answer["residual_scale"] == pytest.approx(0.05, rel=0.25)
    stored = np.load(io.BytesIO(Artefacts(tmp_path).get_bytes(answer["artefact"])))
    np.testing.assert_allclose(stored.sum(axis=0), wave, atol=1e-5)
