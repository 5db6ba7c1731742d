"""Bootstrap intervals."""

from __future__ import annotations

import pandas as pd
import pytest

from ape.evals.bootstrap import interval


def test_interval_is_over_recordings_not_over_series():
    values = pd.Series({"a1": 1.0, "a2": 1.0, "a3": 1.0, "b1": 0.0})
    recordings = pd.Series({"a1": "a", "a2": "a", "a3": "a", "b1": "b"})
    assert interval(values, recordings) == (0.75, 0.0, 1.0)


def test_interval_of_differences_by_hand():
    difference = pd.Series([0.1, 0.1, 0.1, -0.2], index=list("abcd"))
    mean, low, high = interval(difference, pd.Series(["x", "x", "x", "y"], index=list("abcd")))
    assert mean == pytest.approx(0.025)
    assert (low, high) == pytest.approx((-0.2, 0.1))  # both draws of one recording


def test_missing_values_are_left_out():
    values = pd.Series({"a": 1.0, "b": float("nan")})
    assert interval(values, pd.Series({"a": "a", "b": "b"})) == (1.0, 1.0, 1.0)
