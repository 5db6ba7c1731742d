"""Bootstrap intervals."""

from __future__ import annotations

import math

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
    values = pd.Series({"a": 1.0, "b": float("nan"), "c": 1.0})
    assert interval(values, pd.Series({"a": "a", "b": "b", "c": "c"})) == (1.0, 1.0, 1.0)


def test_one_recording_has_no_interval():
    mean, low, high = interval(pd.Series({"a1": 1.0, "a2": 0.0}), pd.Series({"a1": "a", "a2": "a"}))
    assert mean == 0.5 and math.isnan(low) and math.isnan(high)
