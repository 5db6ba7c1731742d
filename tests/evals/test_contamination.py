"""Planted pseudo-anomalies: how many, where, and what stays the same."""

from __future__ import annotations

import numpy as np
import pytest
from support import with_gaps

from ape.evals.contamination import plant
from ape.series import from_array

PERIOD, TRAIN_END = 50, 1500


@pytest.fixture
def series():
    values = np.sin(2 * np.pi * np.arange(2000) / PERIOD) + 0.05 * np.random.default_rng(0).normal(size=2000)
    values[1800:1830] += 1
    return from_array(values, train_end=TRAIN_END)


def covered(spans, length):
    inside = np.zeros(length, dtype=bool)
    for begin, end in spans:
        inside[begin:end] = True
    return inside


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1])
def test_planting_changes_the_planted_spans_and_nothing_else(series, share):
    planted, spans = plant(series, share)
    changed = (series.values != planted.values).any(1)
    inside = covered(spans, len(changed))
    assert not changed[~inside].any() and not inside[TRAIN_END:].any()
    assert share <= inside[:TRAIN_END].mean() < share + 0.03
    assert changed.sum() > 0.5 * inside.sum()


def test_planting_no_share_changes_nothing(series):
    planted, spans = plant(series, 0.0)
    np.testing.assert_array_equal(planted.values, series.values)
    assert spans == []


def test_nothing_is_planted_across_a_gap(series):
    gaps = np.arange(130, TRAIN_END, 130)
    _, spans = plant(with_gaps(series, *gaps.tolist()), 0.3)
    assert spans and not any(begin < gap < end for begin, end in spans for gap in gaps)
