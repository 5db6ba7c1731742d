"""The `Series` type."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ape.series import from_array
from ape.series.series import Gap, runs

WAVE = np.sin(np.arange(400) / 7.0)


def test_fingerprint_depends_on_values_and_train_end():
    assert from_array(WAVE).fingerprint == from_array(WAVE.copy()).fingerprint
    assert from_array(WAVE).fingerprint != from_array(WAVE, train_end=200).fingerprint
    assert from_array(WAVE).fingerprint != from_array(WAVE + 1e-3).fingerprint


def test_runs_end_at_cuts():
    mask = np.array([1, 1, 0, 1, 1, 1, 0, 1], bool)
    assert [part.tolist() for part in runs(mask, [2, 4, 7])] == [[0, 3, 4, 7], [2, 4, 6, 8]]


def test_training_stretches_are_between_gaps_and_missing_values():
    missing = np.zeros((400, 1), bool)
    missing[50:70] = missing[250:300] = True
    series = replace(from_array(WAVE, train_end=320), missing=missing, gaps=(Gap(60, 20, 1.0), Gap(100, 30, 1.0)))
    assert series.train_segments == ((0, 50), (70, 100), (100, 250), (300, 320))
    assert series.segments == ((0, 60), (60, 100), (100, 400))


def test_cut_series_keeps_missing_values_before_the_cut():
    missing = np.zeros((400, 1), bool)
    missing[250:300] = True
    series = replace(from_array(WAVE), missing=missing)
    assert series.until(280).missing.sum() == 30
    assert series.until(250).missing is None
    assert series.fingerprint != from_array(WAVE).fingerprint
